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
	if s.closing.Load() && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	if f, bad := refused(r); bad {
		s.refuse(w, r, f, at)
		return
	}
	c := h.client(r)
	x, err := s.begin(&router.Request{
		Host: r.Host, Path: c.path, Pool: h.listener.Pool, Client: c.addr, Header: r.Header,
	}, at)
	defer x.abandon()
	if err != nil {
		f := decideFailure(err)
		x.reason = f.reason
		x.issueCookie(w, c)
		f.answer(w)
		x.finish(r, c, f.outcome, f.status, int64(len(f.detail)+1))
		return
	}
	x.carry(w, r, c)
}

// carry runs the attempts of an exchange and relays the answer.
func (x *exchange) carry(w http.ResponseWriter, r *http.Request, c client) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	x.cancel = cancel
	x.server.running.enter(x)
	if limit := x.decision.Service.Config.Timeouts.Request; limit > 0 && !c.upgrade {
		timer := time.AfterFunc(limit, func() { x.expire() })
		defer timer.Stop()
	}
	up := newUpload(w, r)
	res, f := x.attempt(ctx, r, c, up, w)
	x.issueCookie(w, c)
	if res == nil {
		x.reason = f.reason
		if f.status != statusClientGone {
			f.answer(w)
		}
		up.abandon()
		x.finish(r, c, f.outcome, f.status, int64(len(f.detail)+1))
		return
	}
	x.relay(ctx, w, r, c, up, res)
}

// expire ends the exchange at the service's request timeout, unless it turned out to be long-lived.
func (x *exchange) expire() {
	m := &x.running
	m.shard.mu.Lock()
	long := m.longLived
	m.shard.mu.Unlock()
	if !long {
		x.cancel(errRequestTimeout)
	}
}

// attempt sends the request to targets until one answers or no other may be tried.
func (x *exchange) attempt(ctx context.Context, r *http.Request, c client, up *upload, w http.ResponseWriter) (*http.Response, failure) {
	out := newOutgoing(ctx, w, r, c, x, up)
	for {
		res, err := out.send(x.snap.upstreams[x.target.Pool.Index], x.target)
		if err == nil {
			x.answered(statusOutcome(res.StatusCode))
			return res, failure{}
		}
		f := attemptFailure(ctx, up, err)
		if !x.next(f.outcome, out.sent() || up.touched()) || ctx.Err() != nil {
			return nil, f
		}
		x.running.moved(x.target.Pool)
	}
}

func statusOutcome(status int) metrics.Outcome {
	if status >= http.StatusInternalServerError {
		return metrics.Status5xx
	}
	return metrics.OK
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
	x.end(o, status)
	x.server.access.write(x, r, c, target, o, status, bytes)
}

// refuse answers what is no request of any service: it is counted there and by its reason.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f failure, at time.Time) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	f.answer(w)
	s.refusals.Count(f.reason)
	s.unrouted.Request(f.status, time.Since(at))
}
