package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"
)

// stream is an HTTP/2 connection as bytes.
type stream struct {
	t     testing.TB
	conn  net.Conn
	flags byte   // of the frame read last
	id    uint32 // of its stream
}

// The frame types and flags of RFC 9113 §6 that are used here.
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway, frameContinuation = 0, 1, 3, 4, 7, 9
	endStream, endHeaders                                                              = 1, 4
)

func (r *rig) stream() *stream {
	r.t.Helper()
	c, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: ca.pool, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.begin(c)
}

// clearStream is one without TLS.
func (r *rig) clearStream() *stream {
	r.t.Helper()
	return r.begin(r.dial())
}

func (r *rig) begin(c net.Conn) *stream {
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	s := &stream{t: r.t, conn: c}
	_, _ = io.WriteString(c, preface)
	s.frame(frameSettings, 0, 0, nil)
	return s
}

func (s *stream) frame(kind, flags byte, id uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[5:], id)
	_, _ = s.conn.Write(append(head, payload...))
}

// headers sends fields as literals (RFC 7541 §6.2.2).
func (s *stream) headers(flags byte, id uint32, fields [][2]string) {
	var block []byte
	text := func(s string) { // its length has a prefix of seven bits (RFC 7541 §5.1)
		if n := len(s); n < 127 {
			block = append(block, byte(n))
		} else {
			block = binary.AppendUvarint(append(block, 127), uint64(n-127))
		}
		block = append(block, s...)
	}
	for _, f := range fields {
		block = append(block, 0)
		text(f[0])
		text(f[1])
	}
	const most = 16 << 10
	kind := byte(frameHeaders)
	for ; len(block) > most; block = block[most:] {
		s.frame(kind, flags, id, block[:most])
		kind, flags = frameContinuation, 0
	}
	s.frame(kind, flags|endHeaders, id, block)
}

// next returns the next frame of one of the types.
func (s *stream) next(kinds ...byte) (kind byte, payload []byte, err error) {
	for {
		var head [9]byte
		if _, err := io.ReadFull(s.conn, head[:]); err != nil {
			return 0, nil, err
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(s.conn, payload); err != nil {
			return 0, nil, err
		}
		s.flags, s.id = head[4], binary.BigEndian.Uint32(head[5:])
		for _, k := range kinds {
			if k == head[3] {
				return k, payload, nil
			}
		}
	}
}

// outcome is the status of the next answer, or how stream or connection ended.
func (s *stream) outcome() string {
	kind, p, err := s.next(frameHeaders, frameReset, frameGoAway)
	switch {
	case err != nil:
		return "closed"
	case kind == frameHeaders:
		return status(p)
	}
	return "reset"
}

// status decodes the first field of a block, which is ":status" (RFC 7541 §6.1, appendices A and B).
func status(block []byte) string {
	if known := map[byte]string{0x88: "200", 0x8c: "400", 0x8d: "404"}[block[0]]; known != "" {
		return known
	}
	if block[1]&0x80 == 0 { // a literal without Huffman code
		return string(block[2 : 2+block[1]])
	}
	var bits, have uint
	out := ""
	for _, b := range block[2 : 2+block[1]&0x7f] {
		bits, have = bits<<8|uint(b), have+8
		for have >= 6 && len(out) < 3 {
			if short := bits >> (have - 5) & 0x1f; short < 3 {
				out, have = out+fmt.Sprint(short), have-5
			} else {
				out, have = out+fmt.Sprint(bits>>(have-6)&0x3f-0x19+3), have-6
			}
		}
		if have == 5 && len(out) == 2 {
			out += fmt.Sprint(bits & 0x1f)
		}
	}
	return out
}

// preface is what a client says first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// h2cUpstream is a server that speaks HTTP/2 without TLS, and nothing else.
func h2cUpstream(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog, _ = zap.NewStdLogAt(zap.NewNop(), zap.ErrorLevel)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return "h2c://" + s.Listener.Addr().String()
}

// tlsHTTP2Upstream has a certificate for 127.0.0.1 and speaks HTTP/2 by ALPN, and HTTP/1.1.
func tlsHTTP2Upstream(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	cert, key := ca.issue(t, "127.0.0.1")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog, _ = zap.NewStdLogAt(zap.NewNop(), zap.ErrorLevel)
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// rawH2C is an upstream that speaks frames: answer is called for the head of each request.
func rawH2C(t testing.TB, answer func(s *stream, id uint32)) string {
	t.Helper()
	url := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		if _, err := io.ReadFull(br, make([]byte, len(preface))); err != nil {
			return
		}
		s := &stream{t: t, conn: readFirst{c, br}}
		s.frame(frameSettings, 0, 0, nil)
		for {
			if _, _, err := s.next(frameHeaders); err != nil {
				return
			}
			answer(s, s.id)
		}
	})
	return "h2c" + url[len("http"):]
}

// readFirst is a connection of which a part was read ahead.
type readFirst struct {
	net.Conn
	br *bufio.Reader
}

func (r readFirst) Read(p []byte) (int, error) { return r.br.Read(p) }

// h2cClient speaks HTTP/2 without TLS.
func h2cClient(t testing.TB) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

const h2cListener = "listeners: {web: {address: \":80\", h2c: true}}\n"

// startH2C serves HTTP/1.1 and HTTP/2 without TLS.
func startH2C(t testing.TB, file string, upstreams map[string]string) *rig {
	t.Helper()
	return start(t, h2cListener+file, upstreams)
}

// called is what a gRPC client sees of a call.
type called struct {
	http    int
	status  string // "" when there is none
	message string
	head    bool // the status was in the head
	reason  string
	body    string
	err     error // the answer broke off, or there was none
}

// callRequest is a gRPC call with a body as it is.
func (r *rig) callRequest(ctx context.Context, path string, body io.Reader, fields ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.addr+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	return req
}

// call makes a gRPC call and waits for its end.
func (r *rig) call(ctx context.Context, path string, body io.Reader, fields ...string) called {
	r.t.Helper()
	res, err := h2cClient(r.t).Do(r.callRequest(ctx, path, body, fields...))
	if err != nil {
		return called{err: err}
	}
	defer res.Body.Close()
	c := called{http: res.StatusCode, reason: res.Header.Get("Switchback-Reason")}
	b, err := io.ReadAll(res.Body)
	c.body, c.err = string(b), err
	from := res.Trailer
	if res.Header.Get("Grpc-Status") != "" {
		from, c.head = res.Header, true
	}
	c.status, c.message = from.Get("Grpc-Status"), from.Get("Grpc-Message")
	return c
}

// message frames a gRPC message.
func message(text string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))) + text
}
