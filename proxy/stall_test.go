package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// patience is how long clients may leave the proxy waiting in these tests: long enough for a target on a busy machine.
const patience = time.Second

func impatient(t *testing.T, idle time.Duration, secure bool, blue string) *rig {
	t.Helper()
	file := one
	if secure {
		file = tlsListener(t, "127.0.0.1") + one
	}
	return startListener(t, file, map[string]string{"blue": blue}, func(l *config.Listener) { l.Timeouts.Idle = idle })
}

// over is the plain or the encrypted connection to it.
func (r *rig) over(secure bool) net.Conn {
	r.t.Helper()
	if !secure {
		return r.dial()
	}
	c, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12})
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// endless answers with more than all buffers take, and tells when nobody takes it any more.
func endless(t *testing.T, framing string) (url string, refused <-chan struct{}) {
	t.Helper()
	ended := make(chan struct{}, 1)
	return rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		if head(br) == "" {
			return
		}
		piece := strings.Repeat("x", 32<<10)
		if strings.HasPrefix(framing, "Transfer-Encoding") {
			piece = "8000\r\n" + piece + "\r\n"
		}
		pour(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n", piece)
		ended <- struct{}{}
	}), ended
}

// pour writes a beginning and then the same again and again, until nobody takes it any more.
func pour(w io.Writer, begin, piece string) {
	_, err := io.WriteString(w, begin)
	for err == nil {
		_, err = io.WriteString(w, piece)
	}
}

// A client that takes nothing of its answer keeps its target no longer than an idle one its connection.
func TestAnswerNobodyTakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, framing string
		secure        bool
	}{
		{"length", "Content-Length: 1000000000\r\n", false},
		{"chunks", "Transfer-Encoding: chunked\r\n", false},
		{"until close", "", false},
		{"TLS", "Content-Length: 1000000000\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue, refused := endless(t, tt.framing)
			r := impatient(t, patience, tt.secure, blue)
			c := r.over(tt.secure)
			defer c.Close()
			_, _ = io.WriteString(c, get("/"))
			<-refused
			eventually(t, "the exchange ends", func() bool { return r.inflight() == 0 })
			if got := r.scrape("switchback_attempts_total"); got != attempts("client_gone") {
				t.Errorf("booked as %s", got)
			}
			if n, err := io.Copy(io.Discard, c); n > 100<<20 || err == nil {
				t.Errorf("the client finds %d bytes and %v behind them", n, err)
			}
		})
	}
}

// A client that asks and asks, and takes no answer, is as good as idle.
func TestAnswersNobodyTakes(t *testing.T) {
	t.Parallel()
	r := impatient(t, patience, false, named(t, strings.Repeat("blue", 2<<10))) // with small answers filling the buffers takes long
	conn, err := net.Dial("tcp", r.addr)                                        // no dial of the rig: to fill all buffers byte by byte takes minutes
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_ = c.SetReadBuffer(4 << 10)
	for requests := []byte(strings.Repeat(get("/"), 100)); ; {
		if _, err := c.Write(requests); errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A stream of HTTP/2 that nobody reads ends alone: its connection goes on.
func TestStreamNobodyTakes(t *testing.T) {
	t.Parallel()
	more := strings.Repeat("x", 32<<10)
	refused := make(chan struct{})
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			return
		}
		pour(w, "", more)
		close(refused)
	})
	r := impatient(t, patience, true, blue)
	client := tlsClient(t, true)
	ask := func(path string) *http.Response {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+path, nil)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := ask("/endless")
	defer res.Body.Close()
	for waiting := true; waiting; { // others keep the connection alive
		_ = ask("/small").Body.Close()
		select {
		case <-refused:
			waiting = false
		case <-time.After(patience / 10):
		}
	}
	if _, err := io.Copy(io.Discard, res.Body); err == nil || !strings.Contains(err.Error(), "stream") {
		t.Errorf("the stream ended by %v", err)
	}
	_ = ask("/small").Body.Close()
	if got := r.scrape("switchback_attempts_total"); !strings.Contains(got, `outcome="client_gone",pool="blue",service="web"} 1`) {
		t.Errorf("booked as %s", got)
	}
}

// Who takes an answer slowly gets all of it, although the kernel reports room more seldom than clients may be idle.
func TestSlowReaderGetsAll(t *testing.T) {
	t.Parallel()
	const size = 5 << 20
	blue := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.Copy(w, junk(size))
	})
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			t.Parallel()
			r := impatient(t, patience/2, secure, blue)
			c := r.over(secure)
			defer c.Close()
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(64 << 10)
			}
			_, _ = io.WriteString(c, get("/"))
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			all := int64(0)
			for err == nil {
				var n int64
				n, err = io.CopyN(io.Discard, res.Body, 64<<10)
				all += n
				<-time.After(patience / 20)
			}
			if all != size {
				t.Errorf("got %d bytes, then %v", all, err)
			}
		})
	}
}

// A body that does not come is not waited for.
func TestBodyThatStops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, begun string
		secure      bool
	}{
		{"length", "Content-Length: 10\r\n\r\n12345", false},
		{"length over TLS", "Content-Length: 10\r\n\r\n12345", true},
		{"chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", false},
		{"nothing", "Content-Length: 10\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue, gone := swallowing(t)
			r := impatient(t, patience, tt.secure, blue)
			c := r.over(tt.secure)
			defer c.Close()
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+tt.begun)
			br := bufio.NewReader(c)
			res, _ := answer(t, br, http.MethodPost)
			r.checkStopped(res, gone)
			if _, err := br.ReadByte(); err == nil || !res.Close {
				t.Errorf("the connection stays open: %v", res.Header)
			}
		})
	}
	for _, length := range []int64{10, -1} {
		t.Run(fmt.Sprint("HTTP/2 ", length), func(t *testing.T) {
			t.Parallel()
			blue, gone := swallowing(t)
			r := impatient(t, patience, true, blue)
			body, w := io.Pipe()
			defer w.Close()
			go func() { _, _ = io.WriteString(w, "12345") }()
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.addr+"/", body)
			req.ContentLength = length
			res, _ := doWith(t, tlsClient(t, true), req)
			r.checkStopped(res, gone)
		})
	}
}

// swallowing takes one request, never answers, and tells of its end.
func swallowing(t *testing.T) (url string, gone <-chan struct{}) {
	t.Helper()
	ended := make(chan struct{}, 1)
	return rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
		if head(br) != "" {
			_, _ = io.Copy(io.Discard, br)
			ended <- struct{}{}
		}
	}), ended
}

func (r *rig) checkStopped(res *reply, gone <-chan struct{}) {
	r.t.Helper()
	if res.StatusCode != http.StatusRequestTimeout || res.Header.Get("Switchback-Reason") != "body-timeout" {
		r.t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	<-gone
	eventually(r.t, "the exchange ends", func() bool { return r.inflight() == 0 })
	if got := r.scrape("switchback_attempts_total"); got != attempts("client_gone") {
		r.t.Errorf("booked as %s", got)
	}
}

// How long a body takes that is answered while it comes is for target and client to say, and so it is of calls.
func TestBodyMayPause(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"chunks": {"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n"}, "length": {"Content-Length: 6\r\n", "abc", "def"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := impatient(t, patience, false, echo(t))
			c := r.dial()
			defer c.Close()
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+parts[0]+"\r\n"+parts[1])
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			<-time.After(2 * patience)
			_, _ = io.WriteString(c, parts[2])
			if got, err := io.ReadAll(res.Body); string(got) != "abcdef" || err != nil {
				t.Errorf("the echo is %q, %v", got, err)
			}
		})
	}
	t.Run("call", func(t *testing.T) {
		t.Parallel()
		r := startListener(t, one, map[string]string{"blue": grpcUpstream(t)}, func(l *config.Listener) {
			l.Timeouts.Idle, l.H2C = patience, true
		})
		body, send := io.Pipe()
		go func() {
			_, _ = io.WriteString(send, message("question"))
			<-time.After(2 * patience)
			_ = send.Close()
		}()
		res, err := h2cClient(t).Do(r.callRequest(t.Context(), "/0", body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); string(got) != message("answer") || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("the call is answered with %q, %v, %v", got, res.Trailer, err)
		}
	})
}
