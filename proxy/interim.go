package proxy

import (
	"maps"
	"net/http"
	"net/textproto"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// maxInterim bounds the 1xx responses of one attempt or more. That of HTTP/1.1 is the scanner's.
const maxInterim = 200

// interim forwards 1xx responses other than 101. It stops when the final response is there, because the
// header map is the final one's then.
type interim struct {
	w     http.ResponseWriter
	r     *http.Request
	mu    sync.Mutex // guards the rest, and w while a 1xx is written
	ended bool
	count int
	final http.Header // what was in the header map; nil while that is its own
	spoke time.Time
}

// settle is how long the header map is left alone after HTTP/2 has taken a 1xx. The server does not wait
// for its writer when the client goes away at that moment, and a map that is read and written at the
// same time ends the process.
const settle = time.Millisecond

// got is called by the transport. 100 is not forwarded when it comes but when the body is read, since a
// target that stays silent is sent the body, too. HTTP/1.0 knows no 1xx.
func (i *interim) got(code int, h textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	switch {
	case code == http.StatusSwitchingProtocols: // comes here over HTTP/2 only, which has none
		return &h1.Refusal{Status: http.StatusBadGateway, Reason: "unasked-101", Detail: "a 101 over HTTP/2"}
	case i.count > maxInterim:
		return &h1.Refusal{Status: http.StatusBadGateway, Reason: "too-many-interim", Detail: "too many interim responses"}
	case code == http.StatusContinue || i.ended || !i.r.ProtoAtLeast(1, 1):
		return nil
	}
	fields := http.Header(h)
	delete(fields, "Content-Length")
	i.write(code, fields)
	return nil
}

// goOn sends the 100 that asks for the body. The HTTP/1.1 server would do so by itself in the reading
// goroutine, where it could meet another 1xx on its way; that of HTTP/2 keeps them apart.
func (i *interim) goOn() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.ended && i.r.ProtoMajor == 1 && i.r.ProtoAtLeast(1, 1) {
		i.write(http.StatusContinue, http.Header{})
	}
}

func (i *interim) write(code int, fields http.Header) {
	if !i.restore() {
		return
	}
	h := i.w.Header()
	i.final = maps.Clone(h)
	clear(h)
	copyFields(h, fields)
	i.w.WriteHeader(code)
	i.spoke = time.Now()
}

// restore gives the header map back its content. It returns false when nobody may touch the map any
// more: the stream has ended.
func (i *interim) restore() bool {
	if i.final == nil {
		return true
	}
	if i.r.ProtoMajor != 1 {
		time.Sleep(settle - time.Since(i.spoke))
		if i.r.Context().Err() != nil {
			return false
		}
	}
	h := i.w.Header()
	clear(h)
	maps.Copy(h, i.final)
	i.final = nil
	return true
}

// stop ends the forwarding, and reports whether the header map may be used.
func (i *interim) stop() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	return i.restore()
}

// untouched reports whether the header map is that of the answer and nobody else reads it.
func (i *interim) untouched() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.final == nil
}

// restart lets the next attempt speak.
func (i *interim) restart() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = false
}
