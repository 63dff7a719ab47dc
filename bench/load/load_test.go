//go:build linux

package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const question = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// server answers each request with what answer returns for it, counted from 1; "" ends the connection.
func server(t *testing.T, answer func(n int64) string) (addr string, asked *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	asked = new(atomic.Int64)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for r := bufio.NewReader(conn); ; {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					text := answer(asked.Add(1))
					if _, err := io.WriteString(conn, text); err != nil || text == "" {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String(), asked
}

func good(int64) string { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }

func open(t *testing.T, p Plan) *Generator {
	t.Helper()
	p.Request, p.Body = []byte(question), 2
	g, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// TestCounts holds what the generator says against what the server has seen, over two runs on the same
// connections.
func TestCounts(t *testing.T) {
	addr, asked := server(t, good)
	g := open(t, Plan{Addr: addr, Connections: 7, Grace: time.Minute})
	for _, n := range []int{1, 501} {
		before := asked.Load()
		r, err := g.Run(2000, n)
		if err != nil {
			t.Fatal(err)
		}
		if r.Answered != n || r.Failed != 0 || r.Reopened != 0 || len(r.Latencies) != n || len(r.Late) != n {
			t.Errorf("%d requests: %d answered, %d failed, %d reopened, %d and %d times: %s",
				n, r.Answered, r.Failed, r.Reopened, len(r.Latencies), len(r.Late), r.First)
		}
		if seen := asked.Load() - before; seen != int64(n) {
			t.Errorf("the server has seen %d of %d", seen, n)
		}
		if least := time.Duration(n-1) * time.Second / 2000; r.Took < least {
			t.Errorf("%d requests took %v, their schedule takes %v", n, r.Took, least)
		}
		if r.Latencies[0] <= 0 || r.Late[0] < 0 {
			t.Errorf("an answer after %v, a request %v after it was due", r.Latencies[0], r.Late[0])
		}
	}
}

// TestStall is what an open loop is for. The server answers nothing from its 50th request on until all 400
// are due. There are few connections, so nearly all of these are not even written meanwhile; each must
// still count for as long as it waited.
func TestStall(t *testing.T) {
	const (
		n, rate, before, connections = 400, 2000, 50, 3
		each                         = time.Second / rate
	)
	var first, released atomic.Pointer[time.Time]
	over := make(chan struct{})
	addr, _ := server(t, func(i int64) string {
		now := time.Now()
		switch {
		case i == 1:
			first.Store(&now)
		case i == before:
			<-time.After(time.Until(first.Load().Add(n * each)))
			now = time.Now()
			released.Store(&now)
			close(over)
		case i > before:
			<-over
		}
		return good(i)
	})
	r, err := open(t, Plan{Addr: addr, Connections: connections, Grace: time.Minute}).Run(rate, n)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answered != n {
		t.Fatalf("%d of %d answered: %s", r.Answered, n, r.First)
	}
	// The schedule began before the server saw the first request, so each waited at least this long.
	stall := released.Load().Sub(*first.Load())
	for i := before; i < n; i += 50 {
		least := stall - time.Duration(i)*each
		late := n - sort.Search(n, func(k int) bool { return r.Latencies[k] >= least })
		if want := i - before + 1; late < want {
			t.Errorf("%d requests took %v or more, at least %d were due by then", late, least, want)
		}
	}
	if written := sort.Search(n, func(k int) bool { return r.Late[k] >= each*10 }); n-written < n/2 {
		t.Errorf("%d of %d were written late though all connections were busy", n-written, n)
	}
}

// TestFailures counts everything that is not a good answer, and goes on.
func TestFailures(t *testing.T) {
	for _, tt := range []struct{ name, bad, first string }{
		{"status", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", "status 503"},
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "with 3 bytes"},
		{"end", "", "connection ended"},
		{"broken", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n", "length of an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, asked := server(t, func(i int64) string {
				if i%10 == 0 {
					return tt.bad
				}
				return good(i)
			})
			r, err := open(t, Plan{Addr: addr, Connections: 4, Grace: time.Minute}).Run(2000, 100)
			if err != nil {
				t.Fatal(err)
			}
			if r.Answered != 90 || r.Failed != 10 || asked.Load() != 100 || !strings.Contains(r.First, tt.first) {
				t.Errorf("%d answered, %d failed of %d, first %q; want 90, 10 of 100, %q", r.Answered, r.Failed, asked.Load(), r.First, tt.first)
			}
		})
	}
}

// TestSilence ends although nothing ever comes, counts all, and leaves no connection that waits.
func TestSilence(t *testing.T) {
	silent := make(chan struct{})
	var talk atomic.Bool
	addr, _ := server(t, func(i int64) string {
		if !talk.Load() {
			<-silent
		}
		return good(i)
	})
	g := open(t, Plan{Addr: addr, Connections: 5, Grace: 20 * time.Millisecond})
	r, err := g.Run(5000, 50)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answered != 0 || r.Failed != 50 || r.Reopened != 5 {
		t.Errorf("%d answered, %d failed, %d reopened: %s", r.Answered, r.Failed, r.Reopened, r.First)
	}
	talk.Store(true)
	close(silent)
	g.plan.Grace = time.Minute
	if r, err = g.Run(5000, 50); err != nil || r.Answered != 50 {
		t.Errorf("%d answered afterwards, %v: %s", r.Answered, err, r.First)
	}
}

// TestLastAnswers opens a new connection where the server says it is the last answer on this one.
func TestLastAnswers(t *testing.T) {
	addr, _ := server(t, func(int64) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" })
	r, err := open(t, Plan{Addr: addr, Connections: 2, Grace: time.Minute}).Run(2000, 20)
	if err != nil || r.Answered != 20 || r.Reopened != 20 {
		t.Errorf("%d answered, %d reopened, %v: %s", r.Answered, r.Reopened, err, r.First)
	}
}

func TestOpenRefused(t *testing.T) {
	addr, _ := server(t, good)
	for _, p := range []Plan{{Addr: addr}, {Addr: "nowhere", Connections: 1}, {Addr: "127.0.0.1:1", Connections: 1}} {
		if g, err := Open(p); err == nil {
			g.Close()
			t.Errorf("%+v opened", p)
		}
	}
}

// TestSaturate keeps all connections busy for as long as it was told, and waits for what is under way.
func TestSaturate(t *testing.T) {
	addr, asked := server(t, good)
	g := open(t, Plan{Addr: addr, Connections: 3, Grace: time.Minute})
	const d = 50 * time.Millisecond
	r, err := g.Saturate(d)
	if err != nil {
		t.Fatal(err)
	}
	if seen := int(asked.Load()); r.Answered != seen || r.Answered < 3 || r.Failed != 0 || len(r.Latencies) != r.Answered || r.Took < d {
		t.Errorf("%d answered, %d failed and %d times in %v, the server has seen %d: %s", r.Answered, r.Failed, len(r.Latencies), r.Took, seen, r.First)
	}
	if r, err := g.Run(1000, 5); err != nil || r.Answered != 5 {
		t.Errorf("five requests later: %+v, %v", r, err)
	}
}

// TestSaturateStall gives up what is not answered.
func TestSaturateStall(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	addr, _ := server(t, func(int64) string {
		<-over
		return ""
	})
	r, err := open(t, Plan{Addr: addr, Connections: 4, Grace: 20 * time.Millisecond}).Saturate(time.Millisecond)
	if err != nil || r.Answered != 0 || r.Failed != 4 {
		t.Errorf("%+v, %v, want four that failed", r, err)
	}
}

func TestNumber(t *testing.T) {
	p := Plan{Request: []byte("GET / HTTP/1.1\r\nCookie: a=####; b=####\r\n\r\n"), Number: "####"}
	if got := string(p.request(17)); got != "GET / HTTP/1.1\r\nCookie: a=0017; b=0017\r\n\r\n" {
		t.Errorf("request %q", got)
	}
}
