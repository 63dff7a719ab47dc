package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// upload is a request's body on its way up. Close does nothing, because a transport closes the body of
// an attempt that failed and another attempt may still need it; the server closes the real one.
type upload struct {
	w       http.ResponseWriter
	r       *http.Request
	trailer http.Header // filled at the end of the body; the transport sends what it finds there
	read    atomic.Bool
	ended   atomic.Bool
	failed  atomic.Pointer[error]
}

// newUpload is nil for a request without a body.
func newUpload(w http.ResponseWriter, r *http.Request) *upload {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ProtoMajor == 1 {
		// Without it the server would not read the body any more once the answer begins.
		_ = http.NewResponseController(w).EnableFullDuplex() // an error means that it is so already
	}
	return &upload{w: w, r: r, trailer: http.Header{}}
}

// Read notes that the body was touched, how it ended, and the trailers behind it.
func (u *upload) Read(p []byte) (int, error) {
	u.read.Store(true)
	n, err := u.r.Body.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		for name, values := range u.r.Trailer {
			if trailerAllowed(name) && values != nil {
				u.trailer[name] = values
			}
		}
		u.ended.Store(true)
	case err != nil:
		u.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Close leaves the body to the server.
func (u *upload) Close() error { return nil }

func (u *upload) touched() bool { return u != nil && u.read.Load() }

// err is why the client's body could not be read to its end, nil when it could.
func (u *upload) err() error {
	if e := u.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// abandon stops reading a body that nobody waits for any more: an answer that came before the end of
// its request. The connection is closed after the answer.
func (u *upload) abandon() {
	if u == nil || u.ended.Load() {
		return
	}
	_ = http.NewResponseController(u.w).SetReadDeadline(time.Unix(1, 0)) // wakes a reader; HTTP/2 resets the stream instead
}
