package proxy

import (
	"maps"
	"net/http"
	"net/textproto"
	"sync"
)

// interim forwards 1xx responses other than 101. It stops when the final response is there, because the
// header map is the final one's then.
type interim struct {
	w        http.ResponseWriter
	mute     bool       // HTTP/1.0 knows no 1xx
	explicit bool       // 100 is sent by us; with HTTP/2 the server does it when the body is read
	mu       sync.Mutex // guards ended, and w while a 1xx is written
	ended    bool
}

// got is called by the transport. 100 is not forwarded when it comes but when the body is read, since a
// target that stays silent is sent the body, too.
func (i *interim) got(code int, h textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if code == http.StatusContinue || i.mute || i.ended {
		return nil
	}
	fields := http.Header(h)
	delete(fields, "Content-Length")
	i.write(code, fields)
	return nil
}

// goOn sends the 100 that asks for the body. The server would do so by itself in the reading goroutine,
// where it could meet another 1xx on its way.
func (i *interim) goOn() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.explicit && !i.mute && !i.ended {
		i.write(http.StatusContinue, http.Header{})
	}
}

func (i *interim) write(code int, fields http.Header) {
	dst := i.w.Header()
	final := maps.Clone(dst)
	clear(dst)
	copyFields(dst, fields)
	i.w.WriteHeader(code)
	clear(dst)
	maps.Copy(dst, final)
}

func (i *interim) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
}

// restart lets the next attempt speak.
func (i *interim) restart() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = false
}
