package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// handler is the net/http side of one listener: it fills a router.Request, begins an exchange, and
// carries it.
type handler struct {
	server   *Server
	listener config.Listener
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	s := h.server
	if f, bad := refused(r); bad {
		s.refuse(w, r, f, at)
		return
	}
	snap := s.snap.Load()
	c := h.client(r, snap)
	up := newUpload(w, r, c.idle)
	x, err := s.begin(snap, &router.Request{
		Method: r.Method, Host: r.Host, Path: c.path, Pool: h.listener.Pool, Client: c.addr, Header: r.Header,
	}, at)
	if s.metrics.Exemplars() {
		x.trace = traceOf(r.Header)
	}
	defer x.abandon()
	defer up.stop(errAbandoned)
	if err != nil {
		x.answer(w, r, c, up, decideFailure(err))
		return
	}
	x.carry(w, r, c, up)
}

// carry runs the attempts of an exchange and relays the answer.
func (x *exchange) carry(w http.ResponseWriter, r *http.Request, c client, up *upload) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x.cancel = cancel
	x.running.grpc = c.grpc
	x.server.running.enter(x)
	if limit := x.decision.Service.Config.Timeouts.Request; limit > 0 && !c.upgrade && !c.grpc {
		timer := time.AfterFunc(limit, x.expire)
		defer timer.Stop()
	}
	if up != nil {
		defer context.AfterFunc(ctx, func() { up.stop(context.Cause(ctx)) })()
		if g := guardOf(r); g != nil {
			defer startWatch(g, func() { cancel(context.Canceled) }).stop()
		}
	}
	out := newOutgoing(ctx, w, r, c, x, up)
	defer func() { out.upstream.released() }()
	res, f := x.attempt(ctx, r, c, out)
	if res == nil {
		if f.status == statusClientGone && out.interim.untouched() {
			x.server.takenBack(w, r)
		}
		x.answer(w, r, c, up, f)
		return
	}
	x.relay(ctx, w, r, c, out, res)
}

// answer ends the exchange with an answer of our own.
func (x *exchange) answer(w http.ResponseWriter, r *http.Request, c client, up *upload, f failure) {
	x.reason = f.reason
	if f.status == statusClientGone {
		x.finish(r, c, f.outcome, f.status, 0)
		panic(http.ErrAbortHandler) // or the server would answer 200
	}
	x.issueCookie(w.Header(), c)
	closeAfter(w, r, c.upgrade || up.pending() || x.server.closing.Load())
	if wantsGRPC(r) && x.reset != 0 {
		f.answerGRPC(w, r, x.reset)
		x.finish(r, c, f.outcome, f.status, 0)
		return
	}
	x.finish(r, c, f.outcome, f.status, f.answer(w, r))
}

// closeAfter tells an HTTP/1.1 client that its connection ends with this answer.
func closeAfter(w http.ResponseWriter, r *http.Request, yes bool) {
	if yes && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}

// expire ends the exchange at the service's request timeout, unless it turned out to be long-lived.
func (x *exchange) expire() {
	if !x.running.lasts() {
		x.cancel(errRequestTimeout)
	}
}

// attempt sends the request to targets until one answers or no other may be tried.
func (x *exchange) attempt(ctx context.Context, r *http.Request, c client, out *outgoing) (*http.Response, failure) {
	for {
		res, err := out.send(x.snap.upstreams[x.target.Pool.Index], x.target)
		if err == nil {
			x.answered(headOutcome(c, res))
			x.sampleHead(res.StatusCode, res.Header.Get("Content-Type"), res.Header)
			return res, failure{}
		}
		f := x.overdue(r, c, attemptFailure(ctx, out.upload, err))
		if x.reset = 0; f.outcome == metrics.Reset {
			x.reset = grpcOfReset(err)
		}
		if !x.next(f.outcome, out.sent() && !out.vain(f) || ctx.Err() != nil) {
			return nil, f
		}
		x.running.moved(x.target.Pool)
	}
}

// abandon ends an exchange that nobody finished: a defect of ours must not leave a count behind.
func (x *exchange) abandon() {
	if !x.ended {
		x.end(metrics.Unexpected, http.StatusInternalServerError)
	}
}

// finish ends the exchange and writes its line in the access log.
func (x *exchange) finish(r *http.Request, c client, o metrics.Outcome, status int, bytes int64) {
	target := x.target
	o = x.end(o, status)
	x.server.access.write(x, logEntry{r.Method, r.Host, c.path, c.addr}, target, o, status, bytes)
}
