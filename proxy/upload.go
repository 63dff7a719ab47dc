package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/proxy/loop"
)

// upload is a request's body on its way up; nil stands for none. Close does nothing, because a transport
// closes the body of an attempt that failed and another attempt may still need it; the server closes the
// real one.
type upload struct {
	w       http.ResponseWriter
	r       *http.Request
	trailer http.Header // filled at the end of the body; the transport sends what it finds there
	wanted  func() bool // asked before the first byte is read; nil: always
	use     atomic.Int32
	ended   atomic.Bool
	slow    stall       // of reading
	patient atomic.Bool // the rest may come when it likes
	failed  atomic.Pointer[error]

	once    sync.Once
	stopped chan struct{}
	why     error // set before stopped is closed
}

// What a body is used for.
const (
	unread   = iota
	sending  // to the target
	unwanted // the target has answered without asking for it
)

// errAbandoned ends the reading of a body that nobody waits for any more.
var errAbandoned = errors.New("answered before the end of the request")

// newUpload is nil for a request without a body.
func newUpload(w http.ResponseWriter, r *http.Request, idle time.Duration) *upload {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 { // HTTP/2 has a body for all, to close
		return nil
	}
	if r.ProtoMajor == 1 {
		// Without it the server would not read the body any more once the answer begins.
		_ = http.NewResponseController(w).EnableFullDuplex() // an error means that it is so already
	}
	u := &upload{w: w, r: r, trailer: http.Header{}, stopped: make(chan struct{})}
	u.slow.after, u.slow.end = idle, u.late
	u.patient.Store(isGRPC(r)) // which has deadlines
	for name := range r.Trailer {
		if trailerAllowed(name) {
			u.trailer[name] = nil // announced
		}
	}
	return u
}

// Read notes that the body was touched, how it ended, and the trailers behind it.
func (u *upload) Read(p []byte) (int, error) {
	if u.use.Load() == unread {
		use := int32(sending)
		if u.wanted != nil && !u.wanted() {
			use = unwanted
		}
		u.use.CompareAndSwap(unread, use)
	}
	if u.use.Load() == unwanted {
		<-u.stopped // the transport would take an error here as a reason to cut the answer short
	}
	if why := u.cut(); why != nil {
		return 0, why
	}
	n, err := u.read(p)
	switch {
	case errors.Is(err, io.EOF):
		for name, values := range u.r.Trailer {
			if trailerAllowed(name) && values != nil {
				u.trailer[name] = values
			}
		}
		u.ended.Store(true)
	case err != nil:
		err = u.fail(err)
	}
	return n, err
}

func (u *upload) read(p []byte) (int, error) {
	if !u.patient.Load() {
		u.slow.wait()
		defer u.slow.over()
	}
	return u.r.Body.Read(p)
}

// late ends a body that does not come, while there is no answer.
func (u *upload) late() {
	if !u.patient.Load() {
		u.stop(loop.ErrSlowBody)
	}
}

// answered notes that the target has: from then on it is for the two of them how long they wait.
func (u *upload) answered() {
	if u != nil {
		u.patient.Store(true)
	}
}

// fail tells apart what the client did and what we did by stop.
func (u *upload) fail(err error) error {
	if why := u.cut(); why != nil {
		return why
	}
	u.failed.CompareAndSwap(nil, &err)
	return err
}

// cut is why stop ended the reading, nil when it did not.
func (u *upload) cut() error {
	if u == nil {
		return nil
	}
	select {
	case <-u.stopped:
		return u.why
	default:
		return nil
	}
}

// Close leaves the body to the server.
func (u *upload) Close() error { return nil }

func (u *upload) touched() bool { return u != nil && u.use.Load() != unread }

// discard reads a body that nobody wants, once the head of the answer is out. Else nobody would notice
// that the client goes away: its end stands behind what it has sent. The caller calls end.
func (u *upload) discard() (end func()) {
	u.use.CompareAndSwap(unread, unwanted)
	if u.use.Load() != unwanted {
		return func() {}
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		if _, err := io.Copy(io.Discard, u.r.Body); err == nil {
			u.ended.Store(true)
		}
	})
	return func() {
		u.stop(errAbandoned)
		reading.Wait()
	}
}

// pending reports whether a part of the body has not been read.
func (u *upload) pending() bool { return u != nil && !u.ended.Load() }

// err is why the client's body could not be read to its end, nil when it could or nobody tried. The
// guard's refusal comes first: the server may have lost it on the way, or cancelled the request for it.
func (u *upload) err() error {
	if !u.pending() {
		return nil
	}
	if g := guardOf(u.r); g != nil && g.refusal.Load() != nil {
		return g.refusal.Load()
	}
	if e := u.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// stop ends the reading of a body that has not ended, also one that waits for the client: the transport
// does not return an error while it reads a body. Nothing of this client is read afterwards: its
// connection ends after the answer, an HTTP/2 stream with it.
func (u *upload) stop(why error) {
	if !u.pending() || u.err() != nil {
		return
	}
	u.once.Do(func() {
		u.why = why
		close(u.stopped)
		if g := guardOf(u.r); g != nil {
			g.hangUp()
			return
		}
		_ = http.NewResponseController(u.w).SetReadDeadline(time.Unix(1, 0))
	})
}
