package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
)

// These tests put the scanners where they are meant to stand: between a connection and net/http's
// server, and between an upstream connection and http.Transport. The connections here do as the
// documentation of RequestScanner and ResponseScanner says, and no more.

// serverConn vets what a client sends before net/http's server sees it.
type serverConn struct {
	net.Conn
	scanner RequestScanner
	buf     []byte
	vetted  int
	refused bool
}

func (c *serverConn) Read(p []byte) (int, error) {
	for c.vetted == 0 {
		n, event, refusal := c.scanner.Scan(c.buf)
		switch {
		case refusal != nil:
			if !c.refused { // the server may ask again
				c.refused = true
				fmt.Fprintf(c.Conn, "HTTP/1.1 %d %s\r\nConnection: close\r\n\r\n", refusal.Status, refusal.Reason)
			}
			return 0, io.EOF
		case event == More:
			if err := fill(c.Conn, &c.buf); err != nil {
				return 0, err
			}
		case event == Drop:
			c.buf = c.buf[n:]
		case event == End:
		default:
			c.vetted = n
		}
	}
	n := copy(p, c.buf[:c.vetted])
	c.vetted -= n
	c.buf = c.buf[n:]
	return n, nil
}

func fill(from net.Conn, buf *[]byte) error {
	var piece [512]byte
	n, err := from.Read(piece[:])
	*buf = append(*buf, piece[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// listener wraps each connection.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &serverConn{Conn: c}, nil
}

// serve starts a server behind the scanner that tells what it has read; its tunnels echo.
func serve(t *testing.T) (addr string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo(t, w)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "%s %s %q", r.Method, r.RequestURI, body)
	}))
	s.Listener = listener{s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func echo(t *testing.T, w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.(*serverConn).scanner.Upgraded()
	io.WriteString(c, status("101 Switching Protocols", "Upgrade: websocket", "Connection: upgrade"))
	line, _ := rw.ReadString('\n')
	io.WriteString(c, "echo "+line)
}

func TestBehindServer(t *testing.T) {
	addr := serve(t)
	tests := []struct {
		name string
		send []string // each is written when the answer to the one before has begun
		want []string // status and body of the answers, the last one until the connection ends
	}{
		{"keep-alive", []string{get(), post("Content-Length: 3") + "abc", get("Connection: close")}, []string{`200 GET / ""`, `200 POST / "abc"`, `200 GET / ""`}},
		{"pipelined", []string{get() + post("Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n" + get("Connection: close") + "\x00"}, []string{`200 GET / ""`, `200 POST / "x"`, `200 GET / ""`}},
		{"empty line between", []string{get(), "\r\n" + get("Connection: close")}, []string{`200 GET / ""`, `200 GET / ""`}},
		{"both framings", []string{post("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + get()}, []string{"400 "}},
		{"both framings, later", []string{get(), post("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + get()}, []string{`200 GET / ""`, "400 "}},
		{"connect", []string{msg("CONNECT a:80 HTTP/1.1", "Host: a") + get()}, []string{"501 "}},
		{"h2c", []string{get("Upgrade: h2c", "Connection: upgrade") + get()}, []string{"501 "}},
		{"websocket", []string{get("Upgrade: websocket", "Connection: upgrade"), "hello\n"}, []string{"101 ", "echo hello\n"}},
		{"websocket with early data", []string{get("Upgrade: websocket", "Connection: upgrade") + "hello\n"}, []string{"101 ", "echo hello\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			br := bufio.NewReader(c)
			for i, want := range tt.want {
				if i < len(tt.send) {
					io.WriteString(c, tt.send[i])
				}
				if got := readAnswer(t, br, want); got != want {
					t.Fatalf("answer %d is %q, want %q", i, got, want)
				}
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("%q follows", rest)
			}
		})
	}
}

// readAnswer reads a response, or what came through a tunnel.
func readAnswer(t *testing.T, br *bufio.Reader, want string) string {
	t.Helper()
	if strings.HasPrefix(want, "echo") {
		line, _ := br.ReadString('\n')
		return line
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return "101 "
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

// upstreamConn vets what an upstream sends before http.Transport sees it.
type upstreamConn struct {
	net.Conn
	mu      sync.Mutex // guards scanner
	scanner ResponseScanner
	buf     []byte
	vetted  int
}

func (c *upstreamConn) expect(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.scanner.Expect(method, false) {
		c.Close()
	}
}

func (c *upstreamConn) scan() (int, Event, *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scanner.Scan(c.buf)
}

func (c *upstreamConn) Read(p []byte) (int, error) {
	for c.vetted == 0 {
		n, event, refusal := c.scan()
		switch {
		case refusal != nil:
			c.Close()
			return 0, refusal
		case event == More:
			if err := fill(c.Conn, &c.buf); err != nil {
				return 0, err
			}
		case event == End:
		default:
			c.vetted = n
		}
	}
	n := copy(p, c.buf[:c.vetted])
	c.vetted -= n
	c.buf = c.buf[n:]
	return n, nil
}

// client makes requests through a transport whose connections are vetted.
func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &upstreamConn{Conn: c}, nil
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func fetch(t *testing.T, c *http.Client, method, url string) (string, error) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { info.Conn.(*upstreamConn).expect(method) },
	})
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}

// upstream answers each request of each connection with the bytes that script has for its path.
func upstream(t *testing.T, script map[string]string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(c, script)
		}
	}()
	return "http://" + l.Addr().String()
}

func answerAll(c net.Conn, script map[string]string) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		raw, last := strings.CutSuffix(script[req.URL.Path], "EOF")
		io.WriteString(c, raw)
		if last {
			return
		}
	}
}

func TestBehindTransport(t *testing.T) {
	const early = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
	url := upstream(t, map[string]string{
		"/length":  ok("Content-Length: 3") + "abc",
		"/chunked": ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"/close":   ok() + "abcEOF",
		"/early":   early + early + ok("Content-Length: 3") + "abc",
		"/both":    ok("Content-Length: 3", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n",
		"/twice":   ok("Content-Length: 3") + "abc" + ok("Content-Length: 6") + "poison",
		"/head":    ok("Content-Length: 6") + "poison",
		"/chunk":   ok("Transfer-Encoding: chunked") + "3\nabc\r\n0\r\n\r\n",
		"/switch":  status("101 x", "Upgrade: websocket", "Connection: upgrade"),
		"/short":   ok("Content-Length: 3") + "abEOF",
	})
	c := client(t)
	tests := []struct {
		method, path, want, reason string
	}{
		{"GET", "/length", "200 abc", ""},
		{"GET", "/chunked", "200 abc", ""},
		{"GET", "/close", "200 abc", ""},
		{"GET", "/early", "200 abc", ""},
		{"GET", "/both", "", "length-with-transfer-encoding"},
		{"GET", "/twice", "200 abc", ""},
		{"GET", "/length", "200 abc", ""}, // and not what came behind /twice
		{"HEAD", "/head", "200 ", ""},
		{"GET", "/length", "200 abc", ""}, // and not the body sent to HEAD
		{"GET", "/chunk", "200 ", "bare-lf"},
		{"GET", "/switch", "", "unasked-upgrade"},
	}
	for range 20 {
		for _, tt := range tests {
			got, err := fetch(t, c, tt.method, url+tt.path)
			reason := ""
			if r, is := errors.AsType[*Refusal](err); is {
				reason, err = r.Reason, nil
			}
			if got != tt.want || reason != tt.reason || err != nil {
				t.Fatalf("%s %s = %q, reason %q, %v", tt.method, tt.path, got, reason, err)
			}
		}
		if _, err := fetch(t, c, "GET", url+"/short"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("a truncated body ends with %v", err)
		}
	}
}
