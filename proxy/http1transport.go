package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
)

const (
	// idlePerTarget is how many unused connections to one target are kept.
	idlePerTarget = 256
	// sweepEvery is how often unused connections are looked at.
	sweepEvery = 5 * time.Second
	// upstreamBuffer is what a connection to a target reads at once unless a body is larger.
	upstreamBuffer = 4 << 10
)

// http1Transport is the connections by HTTP/1.1 to the targets of one pool. It is an http.RoundTripper that
// keeps to what the client and the target said: it decodes nothing, asks for nothing by itself, and sends a
// body and reads the answer at the same time. Unlike net/http's transport it has no goroutine of its own but
// while a body is sent.
//
// A RoundTrip honours the context's httptrace.ClientTrace as far as GetConn, GotConn, Got100Continue and
// Got1xxResponse go.
type http1Transport struct {
	timeouts config.Timeouts
	counts   *metrics.Recorder

	mu      sync.Mutex                // guards the rest; never held while anything waits
	idle    map[endpoint][]*http1Conn // the one used last stands last
	sweeper *time.Timer               // nil while nothing is idle
	retired bool
}

// endpoint is where a connection leads.
type endpoint struct {
	addr string
	tls  bool
}

// http1Conn is a connection to a target. One trip at a time uses it.
type http1Conn struct {
	*upstreamConn
	to    endpoint
	read  *bufio.Reader
	kept  bool      // has carried requests before
	since time.Time // idle
}

func newHTTP1Transport(t config.Timeouts, counts *metrics.Recorder) *http1Transport {
	return &http1Transport{timeouts: t, counts: counts, idle: map[endpoint][]*http1Conn{}}
}

// RoundTrip sends a request and returns the target's final answer. It comes back once the head of the answer
// is there, which may be before the request's body is sent; the body is then read until the context or the
// connection ends. A kept connection that ends without a byte of an answer is tried again with the next one,
// unless the request may have done something.
func (t *http1Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	to := endpoint{req.URL.Host, req.URL.Scheme == "https"}
	for {
		if trace.GetConn != nil {
			trace.GetConn(to.addr)
		}
		c, err := t.conn(req.Context(), to)
		if err != nil {
			return nil, err
		}
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{Conn: c.upstreamConn, Reused: c.kept})
		}
		kept := c.kept // which the end of the trip may change
		trip := &http1Trip{transport: t, conn: c, req: req, trace: trace}
		res, err := trip.run()
		again := err != nil && kept && trip.vain(err) && repeatable(req) && req.Context().Err() == nil
		if kept {
			trip.count(err, again)
		}
		if !again {
			return res, err
		}
	}
}

// repeatable reports whether a request may be sent again although a target may have it already (RFC 9110
// §9.2.2).
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return req.Body == nil
	}
	return false
}

// ends reports whether err is the peer's end of a connection.
func ends(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// conn is a kept connection, else a new one.
func (t *http1Transport) conn(ctx context.Context, to endpoint) (*http1Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c := t.take(to); c != nil {
		return c, nil
	}
	u, err := t.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return &http1Conn{upstreamConn: u, to: to, read: bufio.NewReaderSize(u, upstreamBuffer)}, nil
}

func (t *http1Transport) dial(ctx context.Context, to endpoint) (*upstreamConn, error) {
	if to.tls {
		c, err := dialTLS(ctx, t.timeouts.Connect, "tcp", to.addr, false, t.counts)
		if err != nil {
			return nil, err
		}
		return c.(*upstreamConn), nil //nolint:forcetypeassert // what is not HTTP/2
	}
	c, err := dial(ctx, t.timeouts.Connect, "tcp", to.addr)
	if err != nil {
		return nil, err
	}
	return newUpstreamConn(c, c, t.counts), nil
}

func (t *http1Transport) take(to endpoint) *http1Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	idle := t.idle[to]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	idle[len(idle)-1] = nil
	t.idle[to] = idle[:len(idle)-1]
	return c
}

// put keeps a connection for the next request.
func (t *http1Transport) put(c *http1Conn) {
	c.kept, c.since = true, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.retired || len(t.idle[c.to]) >= idlePerTarget {
		go c.Close() // which TLS may keep waiting
		return
	}
	t.idle[c.to] = append(t.idle[c.to], c)
	if t.sweeper == nil {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
}

// sweep closes what has been idle for too long, and what targets have closed.
func (t *http1Transport) sweep() {
	t.mu.Lock()
	var closing []*http1Conn
	for to, idle := range t.idle {
		kept := idle[:0]
		for _, c := range idle {
			if old := t.timeouts.Idle > 0 && time.Since(c.since) >= t.timeouts.Idle; old || !c.quiet() {
				closing = append(closing, c)
				continue
			}
			kept = append(kept, c)
		}
		clear(idle[len(kept):])
		if t.idle[to] = kept; len(kept) == 0 {
			delete(t.idle, to)
		}
	}
	if t.sweeper = nil; len(t.idle) > 0 {
		t.sweeper = time.AfterFunc(sweepEvery, t.sweep)
	}
	t.mu.Unlock()
	for _, c := range closing {
		c.discard()
	}
}

// retire closes what is idle, and what comes back from now on.
func (t *http1Transport) retire() {
	t.mu.Lock()
	idle := t.idle
	t.idle, t.retired = nil, true
	if t.sweeper != nil {
		t.sweeper.Stop()
	}
	t.mu.Unlock()
	for _, conns := range idle {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
