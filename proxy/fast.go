package proxy

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/proxy/loop"
	"github.com/switchback-proxy/switchback/router"
)

// fastPath is what the event loops of one listener know of the server.
type fastPath struct {
	server  *Server
	handler *handler
}

// fastExchange is an exchange on the fast path. It is used for one request after the other, so that none costs
// an allocation.
type fastExchange struct {
	exchange
	own     membership
	client  client
	request router.Request
	fields  rawFields // of the request
	answer  rawFields // of the answer's head, while it is looked at
	status  int       // of the target's answer
	failure failure
	uri     string // the request's target as it was sent

	peer     netip.Addr
	peerText [48]byte // of peer
	peerLen  int
}

// Begin decides about a request.
func (f *fastPath) Begin(again loop.Exchange, q *loop.Request) (loop.Exchange, loop.Verdict) {
	x, _ := again.(*fastExchange)
	if x == nil {
		x = &fastExchange{}
		x.letGo()
	}
	return x, x.begin(f, q)
}

func (x *fastExchange) begin(f *fastPath, q *loop.Request) loop.Verdict {
	s := f.server
	x.server, x.snap, x.began, x.ended = s, s.snap.Load(), q.At, false
	x.fields = q.Head
	x.ask(f.handler, q)
	if x.snap == nil {
		x.failure = decideFailure(errNotReady)
		return loop.Answer
	}
	var err error
	x.decision, err = x.snap.table.Decide(&x.request, s.random())
	if p := x.decision.Pool; p != nil && !x.snap.plain[p.Index] {
		x.letGo()
		return loop.HandOver
	}
	err = x.start(&x.request, err)
	if s.metrics.Exemplars() {
		x.trace = traceOf(&x.fields)
	}
	if err != nil {
		x.failure = decideFailure(err)
		return loop.Answer
	}
	x.own.wake = q.Wake
	s.running.enter(&x.exchange)
	return loop.Go
}

// ask fills in the request and who asks.
func (x *fastExchange) ask(h *handler, q *loop.Request) {
	c := client{peer: q.Peer, addr: q.Peer, path: cutTarget(q.Parsed.Target)}
	if x.snap != nil && x.snap.table.TrustsProxy(c.peer) {
		c.trusted = true
		c.addr = x.snap.table.Origin(c.peer, x.fields.Values("X-Forwarded-For"))
		c.https = strings.EqualFold(x.fields.Get("X-Forwarded-Proto"), "https")
	}
	x.client = c
	x.uri = alias(q.Parsed.Target)
	x.request = router.Request{
		Method: alias(q.Parsed.Method), Host: alias(q.Parsed.Host), Path: c.path,
		Pool: h.listener.Pool, Client: c.addr, Header: &x.fields,
	}
	if x.peer != q.Peer || x.peerLen == 0 {
		x.peer, x.peerLen = q.Peer, 0
		if q.Peer.IsValid() {
			x.peerLen = len(q.Peer.AppendTo(x.peerText[:0]))
		}
	}
}

// plainPools are the pools of services whose targets are all reached by HTTP/1.1 without TLS.
func plainPools(t *router.Table) []bool {
	plain := make([]bool, len(t.Pools))
	for _, s := range t.Services {
		all := true
		for _, p := range s.Pools {
			for _, target := range p.Targets {
				all = all && !target.TLS && !target.H2C
			}
		}
		for _, p := range s.Pools {
			plain[p.Index] = all
		}
	}
	return plain
}

// Aim tells the loop the target of the attempt that runs.
func (x *fastExchange) Aim() (*loop.Upstream, string) {
	return &x.snap.upstreams[x.target.Pool.Index].fast, x.target.Addr
}

// Forward tells what the target is told beside the client's own fields.
func (x *fastExchange) Forward(f *h1.Forwarding) {
	s := x.decision.Service.Config
	f.Asked, f.Target = x.request.Host, x.uri
	switch {
	case s.Host != "preserve" && s.Host != "target":
		f.Host = s.Host
	case s.Host == "preserve" && f.Asked != "":
		f.Host = f.Asked
	default:
		f.Host = x.target.Addr
	}
	f.Peer = alias(x.peerText[:x.peerLen])
	f.Proto, f.Trusted = "http", x.client.trusted
	if !x.snap.table.MayOverride(x.client.addr) {
		f.Drop = x.snap.table.OverrideHeader()
	}
	f.Pool, f.Flags = x.target.Pool.Name, x.decision.FlagsField()
	// A body sent to HEAD by mistake may come late, when another request waits for its answer.
	f.Close = x.request.Method == http.MethodHead
}

// Answered notes the head of the target's final answer.
func (x *fastExchange) Answered(status int, head []byte) {
	o := metrics.OK
	if status >= http.StatusInternalServerError {
		o = metrics.Status5xx
	}
	x.status, x.answer = status, head
	x.answered(o)
	contentType := x.answer.Get("Content-Type")
	x.sampleHead(status, contentType, &x.answer)
	if isEventStream(contentType) {
		x.stays()
		if x.server.closing.Load() {
			end := x.own.lockedEnd()
			end(errShutdown)
		}
	}
}

// Answering tells what the client is told beside the target's own fields.
func (x *fastExchange) Answering(a *h1.Answering) {
	a.Close = x.server.closing.Load()
	a.Date = x.server.dates.at(x.attempted.Add(x.latency))
	a.Cookie = x.cookie(x.client.https)
}

// Next ends an attempt that failed.
func (x *fastExchange) Next(err error, sent bool) bool {
	x.failure = attemptError(err)
	if !x.next(x.failure.outcome, sent) {
		return false
	}
	x.running.moved(x.target.Pool)
	return true
}

// attemptError tells what an attempt's error means.
func attemptError(err error) failure {
	if errors.Is(err, loop.ErrClientGone) {
		return clientGone
	}
	if f, ok := ourFailure(err); ok {
		return f
	}
	return targetFailure(err)
}

// Malformed ends the attempt of a request with a malformed body.
func (x *fastExchange) Malformed(bad *h1.Refusal) {
	x.failure = malformedBody(bad)
	x.next(x.failure.outcome, true)
}

// Fail answers in the target's place.
func (x *fastExchange) Fail(dst []byte, closes bool) (out []byte, ends bool) {
	f := x.failure
	x.reason = f.reason
	closes = closes || x.server.closing.Load()
	dst, bytes := f.appendAnswer(dst, x.request.Method == http.MethodHead, closes, x.server.dates.at(time.Now()), x.cookie(x.client.https))
	x.finish(f.outcome, f.status, bytes)
	return dst, closes
}

// appendAnswer is answer for a client whose connection is bytes.
func (f failure) appendAnswer(dst []byte, head, closes bool, date, cookie string) (out []byte, bytes int64) {
	body := f.detail + "\n"
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(strconv.AppendInt(dst, int64(f.status), 10), ' ')
	dst = append(append(dst, http.StatusText(f.status)...), "\r\n"...)
	field := func(name, value string) {
		if value != "" {
			dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
		}
	}
	field("Cache-Control", "no-store")
	field("Content-Length", strconv.Itoa(len(body)))
	field("Content-Type", "text/plain; charset=utf-8")
	field("Date", date)
	field("Set-Cookie", cookie)
	field("Switchback-Reason", f.reason)
	field("X-Content-Type-Options", "nosniff")
	if closes {
		field("Connection", "close")
	}
	dst = append(dst, "\r\n"...)
	if head {
		return dst, 0
	}
	return append(dst, body...), int64(len(body))
}

// Gone ends the exchange of a client that did not wait for its answer.
func (x *fastExchange) Gone() {
	x.failure = clientGone
	if x.target != nil {
		x.next(metrics.ClientGone, true)
	}
	x.reason = clientGone.reason
	x.finish(metrics.ClientGone, statusClientGone, 0)
}

// End ends the exchange after its answer.
func (x *fastExchange) End(err error, bytes int64) {
	if err == nil {
		x.finish(metrics.OK, x.status, bytes)
		return
	}
	f := bodyError(err)
	x.reason = f.reason
	x.finish(f.outcome, statusSeen(f, x.status), bytes)
}

// bodyError tells what it means that an answer broke off.
func bodyError(err error) failure {
	if errors.Is(err, loop.ErrClientGone) {
		return clientGone
	}
	if f, ok := ourFailure(err); ok {
		return f
	}
	return brokenBody(err)
}

// finish ends the exchange and writes its line in the access log, which outlives the request's bytes.
func (x *fastExchange) finish(o metrics.Outcome, status int, bytes int64) {
	target := x.target
	o = x.end(o, status)
	if x.logged() {
		q := logEntry{strings.Clone(x.request.Method), strings.Clone(x.request.Host), strings.Clone(x.request.Path), x.client.addr}
		x.server.access.write(&x.exchange, q, target, o, status, bytes)
	}
	x.letGo()
}

// letGo forgets what an exchange was about: until it is used again, which may be never, it must keep no old table.
func (x *fastExchange) letGo() {
	clear(x.compared)
	x.exchange = exchange{running: &x.own, compared: x.compared[:0], ended: true}
}

// Abandon ends an exchange that nobody finished.
func (x *fastExchange) Abandon() {
	x.abandon()
	x.letGo()
}

// Limits are those of the service.
func (x *fastExchange) Limits() (head, whole time.Duration) {
	t := &x.decision.Service.Config.Timeouts
	return t.ResponseHeader, t.Request
}

// Cause is why the exchange has been ended from outside.
func (x *fastExchange) Cause() error { return x.own.ended() }

// Expire ends the exchange at the service's request timeout, unless it turned out to be long-lived.
func (x *fastExchange) Expire() error {
	if x.own.lasts() {
		return nil
	}
	return errRequestTimeout
}
