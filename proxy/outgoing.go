package proxy

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// outgoing is a request as it goes to one target after another.
type outgoing struct {
	request *http.Request
	client  client
	service *config.Service
	host    string // as the client named it
	upgrade bool
	got     atomic.Bool // a connection was got: from here on something may have been sent
	interim interim
}

func newOutgoing(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, x *exchange, up *upload) *outgoing {
	o := &outgoing{client: c, service: x.decision.Service.Config, host: r.Host, upgrade: c.upgrade}
	o.interim.w, o.interim.http10 = w, !r.ProtoAtLeast(1, 1)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: o.gotConn, Got1xxResponse: o.interim.got})
	req := &http.Request{
		Method: r.Method, Header: upstreamFields(r, c, x.snap.table),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: r.ContentLength,
	}
	if up != nil {
		req.Body = up
		if r.ContentLength < 0 {
			req.Trailer = up.trailer
			announceTrailers(req.Header, r.Trailer)
		}
	}
	if o.upgrade {
		req.Header["Connection"] = []string{"Upgrade"}
		req.Header["Upgrade"] = []string{"websocket"}
	}
	o.request = req.WithContext(ctx)
	return o
}

// announceTrailers tells which fields will follow the body, as the client told us.
func announceTrailers(h http.Header, announced http.Header) {
	var names []string
	for name := range announced {
		if trailerAllowed(name) {
			names = append(names, name)
		}
	}
	if names != nil {
		h["Trailer"] = []string{strings.Join(names, ", ")}
	}
}

// send tries one target. The response's body must be closed.
func (o *outgoing) send(u *upstream, t *router.Target) (*http.Response, error) {
	o.got.Store(false)
	o.interim.restart()
	o.request.URL = o.url(t)
	o.request.Header["Switchback-Pool"] = []string{t.Pool.Name}
	switch o.service.Host {
	case "preserve":
		o.request.Host = o.host
	case "target":
		o.request.Host = t.Addr
	default:
		o.request.Host = o.service.Host
	}
	res, err := u.transport.RoundTrip(o.request)
	o.interim.stop()
	return res, err
}

// url names the target and carries path and query as the client wrote them. An opaque path that begins
// with "//" would be taken for an authority, so that one is rebuilt from its parts.
func (o *outgoing) url(t *router.Target) *url.URL {
	u := &url.URL{Scheme: "http", Host: t.Addr, RawQuery: o.client.query, ForceQuery: o.client.asked && o.client.query == ""}
	if t.TLS {
		u.Scheme = "https"
	}
	if !strings.HasPrefix(o.client.path, "//") {
		u.Opaque = o.client.path
		return u
	}
	u.RawPath = o.client.path
	u.Path, _ = url.PathUnescape(o.client.path) // Decide refused what does not unescape
	return u
}

func (o *outgoing) gotConn(info httptrace.GotConnInfo) {
	o.got.Store(true)
	if c, ok := info.Conn.(*upstreamConn); ok {
		c.expect(o.request.Method, o.upgrade)
	}
}

// sent reports whether anything of the last attempt may have reached the target.
func (o *outgoing) sent() bool { return o.got.Load() }

// interim forwards 1xx responses but 100, which the server sends by itself when the body is read, and
// 101. It stops when the final response is there, because the header map is the final one's then.
type interim struct {
	w      http.ResponseWriter
	http10 bool
	mu     sync.Mutex // guards ended, and w while a 1xx is written
	ended  bool
}

func (i *interim) got(code int, h textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if code == http.StatusContinue || i.http10 || i.ended {
		return nil
	}
	dst := i.w.Header()
	final := maps.Clone(dst)
	clear(dst)
	copyFields(dst, http.Header(h))
	delete(dst, "Content-Length")
	i.w.WriteHeader(code)
	clear(dst)
	maps.Copy(dst, final)
	return nil
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
