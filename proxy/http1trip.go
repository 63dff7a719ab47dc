package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"
)

// http1Trip is one request on one connection. Up to two sides are at work: the one that reads the answer, and
// the one that sends the request's body. The last to leave keeps the connection for the next request, or closes
// it; a side that fails closes it at once, so that the other one ends too.
type http1Trip struct {
	transport *http1Transport
	conn      *http1Conn
	req       *http.Request
	trace     *httptrace.ClientTrace

	unwatch func() bool // ends the watch over the context
	sides   atomic.Int32
	failed  atomic.Bool
	sending chan struct{} // closed once the side that sends has left; nil when there is none
	settled chan struct{} // with Expect: closed once the target has asked for the body, or never will

	mu     sync.Mutex // guards the rest
	heard  bool       // the final head is there
	broken error      // why sending the body ended
	asked  bool       // settled is closed
}

// sendGrace is how long the end of an answer waits for the end of its request, so that the connection can be
// kept: a target may be quicker than the goroutine that has just sent it the last byte.
const sendGrace = 50 * time.Millisecond

func (t *http1Trip) run() (*http.Response, error) {
	t.sides.Store(1)
	t.unwatch = context.AfterFunc(t.req.Context(), func() { _ = t.conn.Close() })
	if err := t.sendHead(); err != nil {
		t.leave(false)
		return nil, err
	}
	if t.req.Body == nil {
		t.sent()
	} else {
		if t.req.Header.Get("Expect") != "" {
			t.settled = make(chan struct{})
		}
		t.sending = make(chan struct{})
		t.sides.Add(1)
		go t.sendBody()
	}
	res, err := t.answer()
	if err != nil {
		t.failed.Store(true)
		t.settle()
		t.leave(false)
		return nil, t.cause(err)
	}
	t.settle()
	t.receive(res)
	return res, nil
}

// sent says that the request is out: from now on the target's time runs.
func (t *http1Trip) sent() {
	limit := t.transport.timeouts.ResponseHeader
	if limit <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.heard {
		_ = t.conn.SetReadDeadline(time.Now().Add(limit))
	}
}

// settle lets the side that sends go on, if it waits.
func (t *http1Trip) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled != nil && !t.asked {
		t.asked = true
		close(t.settled)
	}
}

// answer reads heads up to the final one.
func (t *http1Trip) answer() (*http.Response, error) {
	for {
		res, err := http.ReadResponse(t.conn.read, t.req)
		if err != nil {
			return nil, err
		}
		if res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.heard = true
			return res, t.conn.SetReadDeadline(time.Time{})
		}
		if res.StatusCode == http.StatusContinue {
			if t.trace.Got100Continue != nil {
				t.trace.Got100Continue()
			}
			t.settle()
		}
		if t.trace.Got1xxResponse == nil {
			continue
		}
		if err := t.trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
	}
}

// receive makes the trip last as long as the answer's body.
func (t *http1Trip) receive(res *http.Response) {
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		t.unwatch() // whoever has the connection now
		res.Body = tunnelBody{t.conn}
	case res.Body == http.NoBody:
		t.whole(res)
	default:
		res.Body = &http1Body{trip: t, res: res, from: res.Body}
	}
}

// whole ends the side that reads with an answer that is read to its end. Bytes behind it are nobody's, so the
// connection carries no other request then.
func (t *http1Trip) whole(res *http.Response) {
	surplus := t.conn.read.Buffered() > 0 || t.conn.behind.Load()
	if surplus {
		t.conn.poison()
	}
	t.read(!res.Close && !t.req.Close && !surplus && t.conn.drained())
}

// read ends the side that reads.
func (t *http1Trip) read(ok bool) {
	if ok && t.sending != nil {
		select {
		case <-t.sending:
		case <-time.After(sendGrace):
		}
	}
	t.leave(ok)
}

// leave ends one side.
func (t *http1Trip) leave(ok bool) {
	if !ok {
		t.failed.Store(true)
		_ = t.conn.Close()
	}
	if t.sides.Add(-1) > 0 {
		return
	}
	if t.unwatch() && !t.failed.Load() {
		t.transport.put(t.conn)
		return
	}
	_ = t.conn.Close()
}

// cause is why the answer could not be read: what went wrong with the request's body comes first.
func (t *http1Trip) cause(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken != nil {
		return t.broken
	}
	return err
}

// vain reports whether the target ended the connection before it began to answer.
func (t *http1Trip) vain(err error) bool { return ends(err) && !t.conn.spoken.Load() }

// count books what became of a connection that was kept; again tells that the transport sends the request on
// another one. Where nothing was written, whoever asked does so.
func (t *http1Trip) count(err error, again bool) {
	switch counts := t.transport.counts; {
	case err == nil || t.conn.wrote.Load() && !again:
		counts.ConnectionReused()
	case !t.conn.poisoned.Load() && t.req.Context().Err() == nil:
		counts.ConnectionStale()
	}
}

// http1Body is the body of an answer.
type http1Body struct {
	trip  *http1Trip
	res   *http.Response
	from  io.Reader
	ended bool
}

func (b *http1Body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil {
		b.end(err == io.EOF)
	}
	return n, err
}

// Close before the end of the body ends the connection: nobody wants to wait for the rest.
func (b *http1Body) Close() error {
	b.end(false)
	return nil
}

func (b *http1Body) end(whole bool) {
	if b.ended {
		return
	}
	b.ended = true
	if whole {
		b.trip.whole(b.res)
	} else {
		b.trip.read(false)
	}
}

// tunnelBody is a connection after an upgrade.
type tunnelBody struct{ *http1Conn }

func (b tunnelBody) Read(p []byte) (int, error) { return b.read.Read(p) }
