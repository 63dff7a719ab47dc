package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// outgoing is a request as it goes to one target after another.
type outgoing struct {
	request  *http.Request
	client   client
	service  *config.Service
	host     string // as the client named it
	upload   *upload
	interim  interim
	upstream *upstream // of the last attempt
	trace    httptrace.ClientTrace

	conn      *upstreamConn // got last; nil while another one is looked for, and for HTTP/2
	kept      bool          // conn has carried requests before
	continued atomic.Bool   // the target has asked for the body
	http2     struct {
		got    atomic.Bool // the connection got last speaks it
		wrote  atomic.Bool // the head may have left
		headed atomic.Bool // an answer has begun
		again  int         // times that the transport has taken up again what may have left
		giveUp context.CancelFunc
	}
}

func newOutgoing(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, x *exchange, up *upload) *outgoing {
	o := &outgoing{client: c, service: x.decision.Service.Config, host: r.Host, upload: up}
	o.interim = interim{w: w, r: r}
	req := &http.Request{
		Method: r.Method, Header: upstreamFields(r, c, x.snap.table),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: r.ContentLength,
	}
	if up != nil {
		if r.ContentLength < 0 {
			req.TransferEncoding = []string{"chunked"} // said so, the transport does not wait for the first byte
			req.Trailer = up.trailer
		}
		if req.Header.Get("Expect") != "" {
			up.wanted = o.wantsBody
		}
	}
	if told := x.decision.FlagsField(); told != "" {
		req.Header["Switchback-Flags"] = []string{told}
	}
	if c.upgrade {
		req.Header["Connection"] = []string{"Upgrade"}
		req.Header["Upgrade"] = []string{"websocket"}
	}
	o.trace = httptrace.ClientTrace{
		GetConn: o.getConn, GotConn: o.gotConn, Got1xxResponse: o.interim.got,
		WroteHeaders: o.wroteHeaders, GotFirstResponseByte: o.gotFirstByte,
	}
	if up != nil {
		o.trace.Got100Continue = func() { o.continued.Store(true) }
	}
	o.request = req.WithContext(httptrace.WithClientTrace(ctx, &o.trace))
	return o
}

// send tries one target. The response's body must be closed.
func (o *outgoing) send(u *upstream, t *router.Target) (*http.Response, error) {
	o.upstream = u
	transport := u.transport(t, o.service.HTTP2, o.client)
	if transport == nil {
		return nil, errNoUpgrade
	}
	o.interim.restart()
	o.http2.got.Store(false)
	o.http2.wrote.Store(false)
	o.http2.headed.Store(false)
	o.carryBody(transport == u.http1)
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
	if transport != u.http1 {
		return o.heard(o.stream(transport))
	}
	for {
		res, err := transport.RoundTrip(o.request)
		if err == nil || o.sent() || !o.kept || o.conn == nil || o.request.Context().Err() != nil {
			return o.heard(res, err)
		}
		// A kept connection had died and nothing was sent: the next one, at last a new one, serves.
	}
}

var errRefused = errors.New("the target refuses the request's streams")

// mayRepeat bounds how often the transport may send again by itself a request without a body whose stream the
// target has reset. It would do so with any method, for a minute.
func (o *outgoing) mayRepeat() int {
	if o.request.Method == http.MethodGet || o.request.Method == http.MethodHead {
		return 1
	}
	return 0
}

// stream makes one attempt by HTTP/2.
func (o *outgoing) stream(transport http.RoundTripper) (*http.Response, error) {
	ctx, cancel := context.WithCancel(o.request.Context())
	o.http2.again, o.http2.giveUp = 0, cancel
	res, err := transport.RoundTrip(o.request.WithContext(ctx))
	if err != nil {
		cancel()
	}
	if err != nil && o.http2.again > o.mayRepeat() {
		err = errRefused
	}
	return res, err // the context of an answer ends with its parent
}

// heard ends the time of interim responses.
func (o *outgoing) heard(res *http.Response, err error) (*http.Response, error) {
	usable := o.interim.stop()
	if err == nil && res.ProtoMajor == 2 {
		o.http2.headed.Store(true)
		err = vetStream(res)
	}
	if usable && err == nil {
		return res, nil
	}
	if res != nil {
		_ = res.Body.Close()
	}
	if !usable {
		return nil, errStreamGone
	}
	return nil, err
}

// carryBody gives the request the body that fits the protocol of the next attempt.
func (o *outgoing) carryBody(http1 bool) {
	// A body sent to HEAD by mistake may come late, when another request waits for its answer.
	o.request.Close = http1 && o.request.Method == http.MethodHead
	switch {
	case o.upload == nil:
	case http1:
		o.request.Body = o.upload
	case o.interim.r.ProtoMajor == 1:
		o.request.Body = newPumpedBody(o.upload)
	default:
		o.request.Body = streamBody{o.upload}
	}
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
	o.http2.got.Store(o.conn == nil)
	if o.conn == nil {
		if o.http2.wrote.Load() {
			o.http2.again++
		}
		if o.http2.again > o.mayRepeat() {
			o.http2.giveUp() // before anything is written
		}
		return
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

// wroteHeaders is called once a head was written, or its writing has failed, maybe late. For HTTP/1.1 the
// connection knows better.
func (o *outgoing) wroteHeaders() { o.http2.wrote.Store(true) }

func (o *outgoing) gotFirstByte() { o.http2.headed.Store(true) }

// sent reports whether anything of the last attempt may have reached the target.
func (o *outgoing) sent() bool {
	if o.conn != nil {
		return o.upload.touched() || o.conn.wrote.Load()
	}
	return o.upload.touched() || o.http2.got.Load() && o.http2.wrote.Load()
}

// vain reports whether the target ended the connection without a byte of an answer to what may be repeated.
func (o *outgoing) vain(f failure) bool {
	return f.outcome == metrics.Reset && o.conn != nil && !o.conn.spoken.Load() && repeatable(o.request)
}

// answered reports whether the target has begun to answer.
func (o *outgoing) answered() bool {
	if o.conn != nil {
		return o.conn.answered.Load()
	}
	return o.http2.headed.Load()
}

// bodyWaits reports whether a part of the response's body, or its end, is there already.
func (o *outgoing) bodyWaits(res *http.Response) bool {
	if o.conn == nil {
		return res.ContentLength == 0 // then its head ended the stream
	}
	return o.conn.behind.Load()
}

// wantsBody is asked before the body of a request with Expect is read. A target that answers without
// asking for it does not get it, nor does the client get its 100 (RFC 9110 §10.1.1).
func (o *outgoing) wantsBody() bool {
	if o.answered() && !o.continued.Load() {
		return false
	}
	o.interim.goOn()
	return true
}

// refusesBody reports whether a target that has answered will not ask for the body any more.
func (o *outgoing) refusesBody() bool {
	return o.upload.pending() && o.upload.wanted != nil && !o.continued.Load()
}
