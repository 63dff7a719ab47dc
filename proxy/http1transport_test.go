package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
)

// target is a socket whose connections a test serves by hand.
type target struct {
	addr  string
	conns atomic.Int64
}

// newTarget calls serve for each connection, with the number that it has.
func newTarget(t *testing.T, serve func(n int64, c net.Conn, r *bufio.Reader)) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	up := &target{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(up.conns.Add(1), c, bufio.NewReader(c))
			}()
		}
	}()
	return up
}

// head reads one head, "" at the end of the connection.
func head(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return ""
		}
		if b.WriteString(line); line == "\r\n" {
			return b.String()
		}
	}
}

const emptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func newTestTransport(t *testing.T) *http1Transport {
	t.Helper()
	tr := newHTTP1Transport(config.Timeouts{Connect: 5 * time.Second, ResponseHeader: 5 * time.Second, Idle: time.Minute}, metrics.New("test").Recorder("web", "blue"))
	t.Cleanup(tr.retire)
	return tr
}

// newTrip is a request that announces itself to its connection, as those of an exchange do.
func newTrip(t *testing.T, method, url string, body io.Reader, length int64) *http.Request {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		info.Conn.(*upstreamConn).expect(method, false, nil) //nolint:forcetypeassert // a test
	}})
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = length
	req.Header["User-Agent"] = nil
	return req
}

// get makes a request and returns the body of its answer.
func (t *http1Transport) get(req *http.Request) (string, error) {
	res, err := t.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func TestHTTP1Bytes(t *testing.T) {
	trailed := newTrip(t, "POST", "http://h/c", strings.NewReader("hello"), -1)
	trailed.Trailer = http.Header{"X-Sum": {"5"}, "X-A": {"b"}}
	star := newTrip(t, "OPTIONS", "http://h/", nil, 0)
	star.URL.Opaque = "*"
	last := newTrip(t, "HEAD", "http://h/", nil, 0)
	last.Close = true
	zone := newTrip(t, "GET", "http://h/", nil, 0)
	zone.Host = "[fe80::1%eth0]:80"
	fields := newTrip(t, "GET", "http://h/p?q=1", nil, 0)
	fields.Header = http.Header{"User-Agent": {"a"}, "X-B": {"1", "2"}, "Content-Length": {"7"}, "Host": {"other"}}
	for name, c := range map[string]struct {
		req  *http.Request
		want string
	}{
		"fields":   {fields, "GET /p?q=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: a\r\nX-B: 1\r\nX-B: 2\r\n\r\n"},
		"no body":  {newTrip(t, "POST", "http://h/", nil, 0), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"},
		"length":   {newTrip(t, "PUT", "http://h/", strings.NewReader("abc"), 3), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"},
		"chunked":  {newTrip(t, "POST", "http://h/", strings.NewReader(strings.Repeat("z", 20)), -1), "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + strings.Repeat("z", 20) + "\r\n0\r\n\r\n"},
		"trailers": {trailed, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-A,X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\nX-Sum: 5\r\n\r\n"},
		"asterisk": {star, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
		"last":     {last, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"},
		"zone":     {zone, "GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			up := newTarget(t, func(_ int64, conn net.Conn, r *bufio.Reader) {
				b := make([]byte, len(c.want))
				_, _ = io.ReadFull(r, b)
				got <- string(b)
				_, _ = io.WriteString(conn, emptyAnswer)
			})
			if c.req.Host == "" {
				c.req.Host = "h"
			}
			c.req.URL.Host = up.addr
			if _, err := newTestTransport(t).get(c.req); err != nil {
				t.Fatal(err)
			}
			if b := <-got; b != c.want {
				t.Errorf("sent\n%q, want\n%q", b, c.want)
			}
		})
	}
}

func TestHTTP1Keeps(t *testing.T) {
	up := newTarget(t, func(_ int64, c net.Conn, r *bufio.Reader) {
		for head(r) != "" {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		}
	})
	tr := newTestTransport(t)
	for range 5 {
		if got, err := tr.get(newTrip(t, "GET", "http://"+up.addr, nil, 0)); err != nil || got != "ok" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := up.conns.Load(); n != 1 {
		t.Errorf("%d connections for 5 requests, want 1", n)
	}
	tr.timeouts.Idle = time.Nanosecond
	tr.sweep()
	if len(tr.idle) != 0 {
		t.Error("a connection is kept past its idle time")
	}
}

// What stands behind an answer, or says that it is the last, ends the connection.
func TestHTTP1DoesNotKeep(t *testing.T) {
	for name, answer := range map[string]string{
		"surplus":        emptyAnswer + "x",
		"surplus body":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
		"said to close":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"old":            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"body to no one": "HTTP/1.1 204 No Content\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			up := newTarget(t, func(_ int64, c net.Conn, r *bufio.Reader) {
				for head(r) != "" {
					_, _ = io.WriteString(c, answer)
				}
			})
			tr := newTestTransport(t)
			for range 2 {
				if _, err := tr.get(newTrip(t, "GET", "http://"+up.addr, nil, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if n := up.conns.Load(); n != 2 {
				t.Errorf("%d connections for 2 requests, want 2", n)
			}
		})
	}
}

// A target that closes a kept connection with the next request on it has maybe done what that asked for.
func TestHTTP1RepeatsWhatMayBeRepeated(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "HEAD": true, "DELETE": false, "POST": false} {
		t.Run(method, func(t *testing.T) {
			up := newTarget(t, func(n int64, c net.Conn, r *bufio.Reader) {
				for i := 0; head(r) != ""; i++ {
					if n == 1 && i == 1 {
						return
					}
					_, _ = io.WriteString(c, emptyAnswer)
				}
			})
			tr := newTestTransport(t)
			if _, err := tr.get(newTrip(t, "GET", "http://"+up.addr, nil, 0)); err != nil {
				t.Fatal(err)
			}
			_, err := tr.get(newTrip(t, method, "http://"+up.addr, nil, 0))
			if (err == nil) != want {
				t.Errorf("repeated: %v, want %v", err, want)
			}
			if n := up.conns.Load(); (n == 2) != want {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// An answer that comes before the end of its request is passed on; the connection ends with the request.
func TestHTTP1EarlyAnswer(t *testing.T) {
	up := newTarget(t, func(_ int64, c net.Conn, r *bufio.Reader) {
		head(r)
		_, _ = io.WriteString(c, emptyAnswer)
		_, _ = io.Copy(io.Discard, r)
	})
	tr := newTestTransport(t)
	body, write := io.Pipe()
	defer write.Close()
	req := newTrip(t, "POST", "http://"+up.addr, body, 10)
	ctx, cancel := context.WithCancel(req.Context())
	req = req.WithContext(ctx)
	if _, err := tr.get(req); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = write.CloseWithError(errors.New("gone"))
	if len(tr.idle[endpoint{addr: up.addr}]) != 0 {
		t.Error("a connection with half a request on it is kept")
	}
}

// A body that is shorter than it said leaves the target waiting for the rest, so the connection is cut.
func TestHTTP1ShortBody(t *testing.T) {
	up := newTarget(t, func(_ int64, _ net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	_, err := newTestTransport(t).get(newTrip(t, "POST", "http://"+up.addr, strings.NewReader("abc"), 5))
	if !errors.Is(err, errBodyLength) {
		t.Errorf("%v, want %v", err, errBodyLength)
	}
}

func TestHTTP1Retired(t *testing.T) {
	up := newTarget(t, func(_ int64, c net.Conn, r *bufio.Reader) {
		head(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
		head(r)
	})
	tr := newTestTransport(t)
	res, err := tr.RoundTrip(newTrip(t, "GET", "http://"+up.addr, nil, 0))
	if err != nil {
		t.Fatal(err)
	}
	tr.retire()
	_ = res.Body.Close()
	if len(tr.idle) != 0 {
		t.Error("a retired transport keeps connections")
	}
}
