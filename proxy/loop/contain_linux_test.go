package loop

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// defective sends everything to one target and panics where the path says so.
type defective struct {
	pool     *Upstream
	addr     string
	open     atomic.Int64
	panicked atomic.Int64
	ended    atomic.Int64
}

func (d *defective) Begin(_ Exchange, q *Request) (Exchange, Verdict) {
	path := string(q.Parsed.Target)
	if path == "/begin" {
		panic(path)
	}
	return &defectiveExchange{d, path}, Go
}

func (d *defective) Opened()                                 { d.open.Add(1) }
func (d *defective) Closed()                                 { d.open.Add(-1) }
func (d *defective) HandOver(c net.Conn, _ []byte, _ Reason) { _ = c.Close(); d.Closed() }
func (d *defective) Panicked(any, []byte)                    { d.panicked.Add(1) }

type defectiveExchange struct {
	*defective
	path string
}

func (x *defectiveExchange) at(where string) {
	if x.path == where {
		panic(where)
	}
}

func (x *defectiveExchange) Aim() (*Upstream, string) { x.at("/aim"); return x.pool, x.addr }
func (x *defectiveExchange) Forward(f *h1.Forwarding) {
	x.at("/forward")
	f.Host, f.Target, f.Proto, f.Pool = x.addr, x.path, "http", "blue"
}
func (x *defectiveExchange) Answered(int, []byte)    { x.at("/answered") }
func (x *defectiveExchange) Answering(*h1.Answering) { x.at("/answering") }
func (x *defectiveExchange) Next(error, bool) bool   { return false }
func (x *defectiveExchange) Malformed(*h1.Refusal)   {}
func (x *defectiveExchange) Fail(dst []byte, _ bool) ([]byte, bool) {
	x.ended.Add(1)
	return append(dst, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"...), true
}
func (x *defectiveExchange) Gone()                                  { x.ended.Add(1) }
func (x *defectiveExchange) End(error, int64)                       { x.ended.Add(1); x.at("/end") }
func (x *defectiveExchange) Abandon()                               { x.ended.Add(1); x.at("/answering") }
func (x *defectiveExchange) Limits() (time.Duration, time.Duration) { return 0, 0 }
func (x *defectiveExchange) Cause() error                           { return nil }
func (x *defectiveExchange) Expire() error                          { return nil }

// A panic, wherever it comes, ends the connection of its client. The others of the same loop go on.
func TestPanicCostsOneConnection(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		_ = http.Serve(target, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	}()
	d := &defective{addr: target.Addr().String()}
	d.pool = &Upstream{Count: func(Event) {}, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}
	g, err := Start(Options{Proxy: d, Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := NewAcceptor(l.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			fd, peer, err := a.Accept()
			if err != nil {
				return
			}
			g.Add(fd, peer)
		}
	}()
	defer a.Close()

	ask := func(c net.Conn, path string) string {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "closed"
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	steady, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer steady.Close()
	for i, path := range strings.Fields("/begin /aim /forward /answered /answering /end") {
		for range 3 {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			// At the end of the exchange its answer has left already.
			if got := ask(c, path); got != "closed" && path != "/end" {
				t.Errorf("%s was answered with %q", path, got)
			}
			_ = c.Close()
			if got := ask(steady, "/"); got != "ok" {
				t.Fatalf("after a panic at %s another client got %q", path, got)
			}
		}
		if n := d.panicked.Load(); n != int64(3*(i+1)) {
			t.Errorf("after %s %d panics were told", path, n)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); d.open.Load() != 1 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if n := d.open.Load(); n != 1 {
		t.Errorf("%d connections are open", n)
	}
}
