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
}

func (g *gate) admit(c net.Conn) *accepted {
	a := &accepted{Conn: c, open: &g.open, gauge: g.gauge}
	a.gauge.Opened()
	a.open.Add(1)
	return a
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
