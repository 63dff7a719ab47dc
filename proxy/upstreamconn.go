package proxy

import (
	"net"
	"sync"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// upstreamConn stands between a target's connection and the transport and lets only vetted responses
// pass: what can be read two ways, what nobody asked for, and what stands behind the end of a response
// ends the connection before another client could read it.
type upstreamConn struct {
	net.Conn
	mu      sync.Mutex // guards scanner; never held while reading
	scanner h1.ResponseScanner
	buf     []byte // read from the connection, not passed on yet
	store   []byte // what buf is cut from
	vetted  int
}

func newUpstreamConn(c net.Conn) *upstreamConn { return &upstreamConn{Conn: c} }

// expect says that a request is about to be written. A connection that cannot carry it is closed, and
// the transport takes another one, because nothing was written.
func (c *upstreamConn) expect(method string, upgrade bool) {
	c.mu.Lock()
	free := c.scanner.Expect(method, upgrade)
	c.mu.Unlock()
	if !free {
		_ = c.Close()
	}
}

// Read passes on vetted bytes.
func (c *upstreamConn) Read(p []byte) (int, error) {
	for c.vetted == 0 {
		if n, err, done := c.readAhead(p); done {
			return n, err
		}
		n, event, refusal := c.scan(c.buf)
		switch {
		case refusal != nil:
			return 0, refusal
		case event == h1.More:
			c.buf, c.store = room(c.buf, c.store)
			n, err := c.Conn.Read(c.buf[len(c.buf):cap(c.buf)])
			c.buf = c.buf[:len(c.buf)+n]
			if n == 0 && err != nil {
				return 0, err
			}
		default:
			c.vetted = n
		}
	}
	n := copy(p, c.buf[:c.vetted])
	c.vetted -= n
	c.buf = c.buf[n:]
	return n, nil
}

// readAhead spares body bytes the way through the buffer.
func (c *upstreamConn) readAhead(p []byte) (n int, err error, done bool) { //nolint:revive // done says whether the error is one
	c.mu.Lock()
	ahead := c.scanner.Ahead()
	c.mu.Unlock()
	if len(c.buf) > 0 || ahead == 0 || len(p) == 0 {
		return 0, nil, false
	}
	n, err = c.Conn.Read(p[:min(int64(len(p)), ahead)])
	for seen := 0; seen < n; {
		passed, _, bad := c.scan(p[seen:n])
		if bad != nil || passed == 0 {
			break // cannot be: the scanner said that these pass
		}
		seen += passed
	}
	return n, err, true
}

func (c *upstreamConn) scan(p []byte) (int, h1.Event, *h1.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scanner.Scan(p)
}
