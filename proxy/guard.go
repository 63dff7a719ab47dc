package proxy

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// guard stands between a client's HTTP/1.1 connection and net/http, which accepts messages that can be
// read two ways and hides the evidence from handlers. Nothing passes that the scanner has not vetted. In
// place of what it refuses it puts a request of its own that the handler answers, so a refusal comes
// after the answers before it and ends the connection.
type guard struct {
	net.Conn           // plain or TLS
	socket   *accepted // below
	scanner  h1.RequestScanner
	header   time.Duration // from the first byte of a head to its end
	buf      []byte        // read from the connection, not passed on yet
	store    []byte        // what buf is cut from
	vetted   int           // bytes at the front of buf that may pass
	inside   bool          // a head has passed whose message has not ended
	timed    bool          // the head that is incomplete has its deadline
	refused  bool

	undecided bool // the preface of HTTP/2 may come
	http2     bool // it came: frames follow, which need no guard

	spoke     func()      // called at the first request or the end; nil afterwards
	serving   atomic.Bool // a request is being answered
	hung      atomic.Bool // nothing more is passed on
	lingering atomic.Bool // the client may still be sending when we close
	broken    atomic.Bool // closing must look like an accident
	refusal   atomic.Pointer[h1.Refusal]
}

const (
	guardBuffer = 4 << 10
	// lingerTime and lingerBytes bound how long a refused client may go on sending: closing earlier
	// would reset the connection and take the answer with it.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

func newGuard(c net.Conn, socket *accepted, header time.Duration) *guard {
	return &guard{Conn: c, socket: socket, header: header}
}

type guardKey struct{}

// guardOf is nil for HTTP/2.
func guardOf(r *http.Request) *guard {
	if r.ProtoMajor != 1 {
		return nil
	}
	g, _ := r.Context().Value(guardKey{}).(*guard)
	return g
}

// noteState follows net/http, which calls it in one goroutine for each connection.
func noteState(c net.Conn, state http.ConnState) {
	g, ok := c.(*guard)
	if !ok || state == http.StateNew {
		return
	}
	g.serving.Store(state == http.StateActive)
	if g.spoke != nil {
		g.spoke()
		g.spoke = nil
	}
}

// Read passes on vetted bytes, never of two messages at once.
func (g *guard) Read(p []byte) (int, error) {
	if g.hung.Load() {
		return 0, io.EOF
	}
	if g.undecided {
		if err := g.choose(); err != nil {
			return 0, err
		}
	}
	if g.http2 {
		return g.readFrames(p)
	}
	for g.vetted == 0 {
		if len(g.buf) == 0 {
			if ahead := g.scanner.Ahead(); ahead > 0 && len(p) > 0 {
				return g.readAhead(p, ahead)
			}
		}
		if g.refused {
			return 0, io.EOF
		}
		if err := g.scan(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.buf[:g.vetted])
	g.vetted -= n
	g.buf = g.buf[n:]
	return n, nil
}

// readAhead spares body bytes the way through the buffer.
func (g *guard) readAhead(p []byte, ahead int64) (int, error) {
	n, err := g.Conn.Read(p[:min(int64(len(p)), ahead)])
	for seen := 0; seen < n; {
		passed, _, bad := g.scanner.Scan(p[seen:n])
		if bad != nil || passed == 0 {
			break // cannot be: the scanner said that these pass
		}
		seen += passed
	}
	return n, err
}

// scan moves one event forward.
func (g *guard) scan() error {
	n, event, refusal := g.scanner.Scan(g.buf)
	switch {
	case refusal != nil && g.inside:
		g.lingering.Store(true)
		g.refusal.Store(refusal)
		return refusal
	case refusal != nil:
		g.refuse(refusal)
		return nil
	}
	switch event {
	case h1.More:
		return g.fill()
	case h1.Drop:
		g.buf = g.buf[n:]
	case h1.End:
		g.inside = false
	case h1.Head:
		g.inside, g.timed, g.vetted = true, false, n
	case h1.Body, h1.Tunnel, h1.Interim:
		g.vetted = n
	}
	return nil
}

// fill reads behind buf.
func (g *guard) fill() error {
	if len(g.buf) > 0 && !g.inside && !g.timed && !g.serving.Load() {
		// net/http counts this wait as idle time, since no byte has reached it.
		g.timed = true
		_ = g.SetReadDeadline(time.Now().Add(g.header))
	}
	g.buf, g.store = room(g.buf, g.store)
	n, err := g.Conn.Read(g.buf[len(g.buf):cap(g.buf)])
	g.buf = g.buf[:len(g.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// room makes space behind buf, which is a part of store: by moving it to the front, else by growing.
func room(buf, store []byte) (newBuf, newStore []byte) {
	if len(buf) < cap(buf) {
		return buf, store
	}
	if len(buf) < len(store) {
		n := copy(store, buf)
		return store[:n], store
	}
	bigger := make([]byte, max(guardBuffer, 2*len(buf)))
	n := copy(bigger, buf)
	return bigger[:n], bigger
}

// refuse puts the request in place that the handler answers.
func (g *guard) refuse(r *h1.Refusal) {
	g.refused = true
	g.lingering.Store(true)
	g.refusal.Store(r)
	g.buf = []byte(refusedMethod + " / HTTP/1.1\r\nHost: switchback\r\nConnection: close\r\n\r\n")
	g.vetted = len(g.buf)
}

// upgraded lets the bytes after an accepted upgrade pass. No Read may be under way.
func (g *guard) upgraded() { g.scanner.Upgraded() }

// hangUp stops reading in the middle of a request: what else the client sends is passed on to nobody,
// least of all as if it were the next request. A Read under way ends.
func (g *guard) hangUp() {
	g.lingering.Store(true)
	g.hung.Store(true)
	_ = g.SetReadDeadline(time.Unix(1, 0))
}

// abort makes closing look like an accident, where the end of the connection is the end of the answer.
func (g *guard) abort() { g.broken.Store(true) }

// CloseWrite ends our side of the connection, where it has sides.
func (g *guard) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close does not wait. A client that may still be sending is heard out behind it, within bounds; a
// second Close ends that too.
func (g *guard) Close() error {
	switch {
	case g.broken.Load():
		return g.socket.reset()
	case g.lingering.CompareAndSwap(true, false):
		go g.linger()
		return nil
	}
	return g.Conn.Close()
}

// linger ends with the connection, for which Serve waits.
func (g *guard) linger() {
	_ = g.CloseWrite()
	_ = g.socket.CloseWrite()
	_ = g.socket.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, g.socket, lingerBytes)
	_ = g.socket.Close()
}
