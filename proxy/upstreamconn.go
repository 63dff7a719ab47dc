package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
)

// upstreamConn stands between a target's connection and the transport and lets only vetted responses
// pass: what can be read two ways, what nobody asked for, and what stands behind the end of a response
// ends the connection before another client could read it.
type upstreamConn struct {
	net.Conn
	peek   *peek // into the socket; nil where that cannot be
	sealed bool  // there is TLS above the socket
	counts *metrics.Recorder

	mu      sync.Mutex // guards the next five; never held while reading
	scanner h1.ResponseScanner
	waiting bool        // a request was announced and nothing of it is written
	reused  bool        // it is not the first
	failed  func(error) // told when reading ends before the answer's head
	lost    error       // reading ended before anything was written

	wrote    atomic.Bool // something of the request has left
	spoken   atomic.Bool // something of a response has come
	answered atomic.Bool // the head of the final response is there
	behind   atomic.Bool // more has been read than passed on
	dead     atomic.Bool // the target takes no more
	poisoned atomic.Bool // counted as such

	buf    []byte // read from the connection, not passed on yet
	store  []byte // what buf is cut from
	vetted int
	probe  [1]byte // for looks into TLS
}

// errUnusable ends a kept connection that must not carry another request: the target has closed it, or
// has sent what nobody asked for.
var errUnusable = errors.New("kept connection cannot be used again")

// newUpstreamConn guards c, which is socket or TLS above it, and counts it as opened.
func newUpstreamConn(c, socket net.Conn, counts *metrics.Recorder) *upstreamConn {
	counts.ConnectionOpened()
	u := &upstreamConn{Conn: c, sealed: c != socket, counts: counts}
	if s, ok := socket.(syscall.Conn); ok {
		u.peek = newPeek(s)
	}
	return u
}

// expect says that a request is about to be written. A connection that cannot carry it is closed, and
// the transport finds that nothing was written. failed is called when the connection ends before the
// head of the answer though something was written.
func (c *upstreamConn) expect(method string, upgrade bool, failed func(error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = failed
	c.wrote.Store(false)
	c.spoken.Store(false)
	c.answered.Store(false)
	if c.dead.Load() || !c.scanner.Expect(method, upgrade) {
		_ = c.Close()
		return
	}
	c.waiting = true
}

// Write sends a part of a request. When the target stops reading in the middle of it, the rest counts as
// sent: the target may have answered early, and reading tells.
func (c *upstreamConn) Write(p []byte) (int, error) {
	if !c.wrote.Load() {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(p)
	if n > 0 && !c.wrote.Load() {
		c.began()
	}
	if c.wrote.Load() && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) {
		c.dead.Store(true)
		return len(p), nil
	}
	return n, err
}

// ReadFrom is how the transport copies a body of known length.
func (c *upstreamConn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, r, buf[:])
}

// quiet reports whether a connection that is not used is open, and nothing has come on it that nobody asked for.
func (c *upstreamConn) quiet() bool { return !c.dead.Load() && (c.peek == nil || c.peek.quiet()) }

// begin looks at a kept connection once more before the first byte of a request goes out.
func (c *upstreamConn) begin() error {
	c.mu.Lock()
	look := c.waiting && c.reused && c.peek != nil
	c.mu.Unlock()
	if look && !c.peek.quiet() {
		c.discard()
		return errUnusable
	}
	c.mu.Lock()
	c.waiting, c.reused = false, true
	c.mu.Unlock()
	return nil
}

// discard closes a connection that is not used.
func (c *upstreamConn) discard() {
	if c.peek != nil && c.peek.came() && c.said() {
		c.poison()
	}
	_ = c.Close()
}

// saidWait is how long the rest of a record of TLS is waited for that nobody asked for.
const saidWait = 10 * time.Millisecond

// said reports whether what came on a connection that is not used is more than its end, which TLS tells in
// bytes, too. It may read them: the connection is closed next.
func (c *upstreamConn) said() bool {
	if !c.sealed {
		return true
	}
	_ = c.SetReadDeadline(time.Now().Add(saidWait))
	n, _ := c.Conn.Read(c.probe[:])
	return n > 0
}

// drained reports whether nothing stands behind an answer in what TLS has read already, where the socket does
// not show it any more. Only who reads the connection may ask.
func (c *upstreamConn) drained() bool {
	if !c.sealed {
		return true
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // what is there can be read all the same
	n, err := c.Conn.Read(c.probe[:])
	if n > 0 {
		c.poison()
	}
	_ = c.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// poison notes that the connection carries what nobody asked for, or what cannot be framed: it serves nobody
// else, and counts once.
func (c *upstreamConn) poison() {
	if !c.poisoned.Swap(true) {
		c.counts.ConnectionPoisoned()
	}
}

// began notes that the first bytes of a request have left.
func (c *upstreamConn) began() {
	c.mu.Lock()
	c.wrote.Store(true)
	lost, failed := c.lost, c.failed
	c.mu.Unlock()
	if lost != nil && failed != nil {
		failed(lost)
	}
}

// Read passes on vetted bytes.
func (c *upstreamConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil && !c.answered.Load() {
		c.ended(err)
	}
	return n, err
}

// ended notes that no answer comes any more.
func (c *upstreamConn) ended(err error) {
	c.mu.Lock()
	c.lost = err
	failed := c.failed
	if !c.wrote.Load() {
		failed = nil // began tells, should it still come to that
	}
	c.mu.Unlock()
	if failed != nil {
		failed(err)
	}
}

func (c *upstreamConn) read(p []byte) (int, error) {
	for c.vetted == 0 {
		if n, err, done := c.readAhead(p); done {
			return n, err
		}
		n, event, err := c.scan(c.buf)
		switch {
		case err != nil:
			return 0, err
		case event == h1.More:
			c.buf, c.store = room(c.buf, c.store)
			n, err := c.Conn.Read(c.buf[len(c.buf):cap(c.buf)])
			c.buf = c.buf[:len(c.buf)+n]
			if n > 0 {
				c.spoken.Store(true)
			}
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
	c.behind.Store(len(c.buf) > 0)
	return n, nil
}

// readAhead spares body bytes the way through the buffer.
func (c *upstreamConn) readAhead(p []byte) (n int, err error, done bool) {
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

func (c *upstreamConn) scan(p []byte) (int, h1.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting && len(p) > 0 {
		c.poison()
		return 0, h1.More, errUnusable // no answer comes before its request
	}
	n, event, refusal := c.scanner.Scan(p)
	if refusal != nil {
		c.poison()
		return 0, h1.More, refusal
	}
	if event == h1.Head {
		c.answered.Store(true)
	}
	return n, event, nil
}
