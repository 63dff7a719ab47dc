package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
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
	upload  *upload
	interim interim
	trace   httptrace.ClientTrace

	conn      *upstreamConn // got last; nil while another one is looked for
	kept      bool          // conn has carried requests before
	continued atomic.Bool   // the target has asked for the body
}

func newOutgoing(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, x *exchange, up *upload) *outgoing {
	o := &outgoing{client: c, service: x.decision.Service.Config, host: r.Host, upload: up}
	o.interim = interim{w: w, r: r}
	req := &http.Request{
		Method: r.Method, Header: upstreamFields(r, c, x.snap.table),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: r.ContentLength,
		// A body sent to HEAD by mistake may come late, when another request waits for its answer.
		Close: r.Method == http.MethodHead,
	}
	if up != nil {
		req.Body = up
		if r.ContentLength < 0 {
			req.TransferEncoding = []string{"chunked"} // said so, the transport does not wait for the first byte
			req.Trailer = up.trailer
		}
		if req.Header.Get("Expect") != "" {
			up.wanted = o.wantsBody
		}
	}
	if c.upgrade {
		req.Header["Connection"] = []string{"Upgrade"}
		req.Header["Upgrade"] = []string{"websocket"}
	}
	o.trace = httptrace.ClientTrace{GetConn: o.getConn, GotConn: o.gotConn, Got1xxResponse: o.interim.got}
	if up != nil {
		o.trace.Got100Continue = func() { o.continued.Store(true) }
	}
	o.request = req.WithContext(httptrace.WithClientTrace(ctx, &o.trace))
	return o
}

// send tries one target. The response's body must be closed.
func (o *outgoing) send(u *upstream, t *router.Target) (*http.Response, error) {
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
	for {
		res, err := u.transport.RoundTrip(o.request)
		if err == nil || o.sent() || !o.kept || o.conn == nil || o.request.Context().Err() != nil {
			return o.heard(res, err)
		}
		// A kept connection had died and nothing was sent: the next one, at last a new one, serves.
	}
}

// heard ends the time of interim responses.
func (o *outgoing) heard(res *http.Response, err error) (*http.Response, error) {
	if o.interim.stop() {
		return res, err
	}
	if err == nil {
		_ = res.Body.Close()
	}
	return nil, errStreamGone
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

func (o *outgoing) getConn(string) { o.conn = nil }

func (o *outgoing) gotConn(info httptrace.GotConnInfo) {
	o.kept = info.Reused
	o.conn, _ = info.Conn.(*upstreamConn)
	if o.conn == nil {
		return // cannot be
	}
	var failed func(error)
	if o.upload != nil {
		failed = o.targetFailed
	}
	o.conn.expect(o.request.Method, o.client.upgrade, failed)
}

// targetFailed wakes a transport that waits for the client's body, unless we closed the connection.
func (o *outgoing) targetFailed(err error) {
	if o.request.Context().Err() == nil {
		o.upload.stop(err)
	}
}

// sent reports whether anything of the last attempt may have reached the target.
func (o *outgoing) sent() bool { return o.upload.touched() || o.conn != nil && o.conn.wrote.Load() }

// bodyWaits reports whether a part of the response's body is there already.
func (o *outgoing) bodyWaits() bool { return o.conn != nil && o.conn.behind.Load() }

// wantsBody is asked before the body of a request with Expect is read. A target that answers without
// asking for it does not get it, nor does the client get its 100 (RFC 9110 §10.1.1).
func (o *outgoing) wantsBody() bool {
	if o.conn.answered.Load() && !o.continued.Load() {
		return false
	}
	o.interim.goOn()
	return true
}

// refusesBody reports whether a target that has answered will not ask for the body any more.
func (o *outgoing) refusesBody() bool {
	return o.upload.pending() && o.upload.wanted != nil && !o.continued.Load()
}
