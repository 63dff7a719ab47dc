package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
)

// gate is the listener that net/http sees. Cleartext connections come out behind a guard. TLS ones are
// shaken hands with first, each in its own goroutine: HTTP/2 then goes to net/http as it is, because its
// frames need no guard, and HTTP/1.1 behind one. On a listener with h2c the guard tells the two apart.
type gate struct {
	Listener
	tls      *tls.Config
	fast     bool // event loops accept, and hand on what is not theirs
	ready    chan net.Conn
	ctx      context.Context //nolint:containedctx // ends the handshakes
	end      context.CancelCauseFunc
	stopping atomic.Bool
	gauge    *metrics.Connections
	open     atomic.Int64 // connections
	most     int          // descriptors below this number are for clients; 0: all
	mu       sync.Mutex   // guards silent
	silent   map[*guard]struct{}
}

func newGate(l Listener, gauge *metrics.Connections) *gate {
	g := &gate{Listener: l, ready: make(chan net.Conn), gauge: gauge, silent: map[*guard]struct{}{}, most: clientDescriptors()}
	g.ctx, g.end = context.WithCancelCause(context.Background())
	if l.Certificates != nil {
		g.tls = l.Certificates.TLS()
	}
	return g
}

// Accept returns the next connection that is ready for HTTP.
func (g *gate) Accept() (net.Conn, error) {
	if g.tls == nil && !g.fast {
		c, err := g.accept()
		if err != nil {
			return nil, err
		}
		u := g.guard(c, c)
		u.undecided = g.Config.H2C
		return u, nil
	}
	select {
	case c := <-g.ready:
		return c, nil
	case <-g.ctx.Done():
		return nil, context.Cause(g.ctx)
	}
}

// acceptPause is how long accepting rests after an error that passes.
const acceptPause = 20 * time.Millisecond

// accept takes a connection from the socket. Errors that pass, such as no free descriptor, are waited
// for; once we are closing, a timeout means that the queue is empty.
func (g *gate) accept() (*accepted, error) {
	for {
		c, err := g.Listener.Accept()
		switch {
		case err == nil && g.roomFor(c):
			return g.admit(c), nil
		case err == nil:
			_ = c.Close()
			return nil, context.Cause(g.ctx)
		case g.stopping.Load() && errors.Is(err, os.ErrDeadlineExceeded):
			return nil, net.ErrClosed
		case !passes(err):
			return nil, err
		}
		select {
		case <-time.After(acceptPause):
		case <-g.ctx.Done():
			return nil, context.Cause(g.ctx)
		}
	}
}

// passes reports whether accepting may work again after err.
func passes(err error) bool {
	return slices.ContainsFunc([]error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
	}, func(known error) bool { return errors.Is(err, known) })
}

// handshakes accepts and shakes hands until the gate closes or accepting fails; it returns when the last
// handshake ended.
func (g *gate) handshakes() {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		c, err := g.accept()
		if err != nil && g.stopping.Load() {
			return // those under way may end
		}
		if err != nil {
			g.end(err)
			return
		}
		running.Go(func() { g.handshake(c) })
	}
}

func (g *gate) handshake(c *accepted) {
	ctx, cancel := context.WithTimeout(g.ctx, g.Config.Timeouts.Header)
	defer cancel()
	t := tls.Server(c, g.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close() // a client that cannot shake hands is nobody's failure
		return
	}
	var conn net.Conn = t
	if t.ConnectionState().NegotiatedProtocol != "h2" {
		conn = g.guard(t, c)
	}
	select {
	case g.ready <- conn:
	case <-g.ctx.Done():
		_ = c.Close()
	}
}

// guard puts a guard before c, which is socket or TLS above it.
func (g *gate) guard(c net.Conn, socket *accepted) *guard {
	u := newGuard(c, socket, g.Config.Timeouts.Header)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silent[u] = struct{}{}
	u.spoke = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.silent, u)
	}
	return u
}

// closeSilent closes connections on which no request has come yet. net/http would wait for one.
func (g *gate) closeSilent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for u := range g.silent {
		_ = u.socket.Close()
	}
}

// stopAccepting takes what the kernel has accepted already, then closes the socket.
func (g *gate) stopAccepting() {
	g.stopping.Store(true)
	if d, ok := g.Listener.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		if d.SetDeadline(time.Now().Add(acceptGrace)) == nil {
			time.Sleep(acceptGrace)
		}
	}
	_ = g.Listener.Close()
}

// empty reports whether no connection is open.
func (g *gate) empty() bool { return g.open.Load() == 0 }

// Close ends handshakes and closes the socket.
func (g *gate) Close() error {
	g.end(net.ErrClosed)
	return g.Listener.Close()
}
