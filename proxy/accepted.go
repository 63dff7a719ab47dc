package proxy

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/switchback-proxy/switchback/metrics"
)

// accepted is a client's connection as it came out of the socket, counted while it is open.
type accepted struct {
	net.Conn
	open   *atomic.Int64 // of its gate
	gauge  *metrics.Connections
	closed sync.Once
	stall  stall // of writing
}

func (g *gate) admit(c net.Conn) *accepted {
	a := g.accepted(c)
	a.gauge.Opened()
	a.open.Add(1)
	return a
}

// accepted is a connection that is counted already.
func (g *gate) accepted(c net.Conn) *accepted {
	a := &accepted{Conn: c, open: &g.open, gauge: g.gauge}
	a.stall.after = g.Config.Timeouts.Idle
	a.stall.left = func() int { return unsent(c) }
	a.stall.end = func() { _ = a.reset() }
	return a
}

// Write resets the connection of a client that takes nothing any more.
func (a *accepted) Write(p []byte) (int, error) {
	a.stall.wait()
	defer a.stall.over()
	return a.Conn.Write(p)
}

// CloseWrite ends our side of the connection, where it has sides.
func (a *accepted) CloseWrite() error {
	if c, ok := a.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// reset closes with a TCP reset: an answer that ends with its connection must not look complete when it
// is not.
func (a *accepted) reset() error {
	if c, ok := a.Conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	return a.Close()
}

// Close may be called more than once.
func (a *accepted) Close() error {
	err := a.Conn.Close()
	a.closed.Do(func() {
		a.gauge.Closed()
		a.open.Add(-1)
	})
	return err
}
