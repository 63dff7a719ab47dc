package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// maxRetries bounds how many other targets of the same pool a request may try.
const maxRetries = router.MaxRetries

// exchange is one request from its decision to its record. Every wire calls begin once, next after each
// attempt that failed, and end once: begin and end are the only places that count.
type exchange struct {
	server   *Server
	snap     *snapshot
	decision router.Decision
	began    time.Time // request head read

	target    *router.Target // of the attempt that runs
	attempted time.Time
	latency   time.Duration   // of the attempt that runs, until its response's head
	verdict   metrics.Outcome // what the head said
	booked    bool            // the attempt that runs is counted already
	tried     [maxRetries + 1]*router.Target
	retries   int
	fellBack  bool
	ended     bool
	sample    metrics.Sample // of a request that was drawn
	marks     router.Marks   // the same
	compared  []compared     // the same request, counted for flags under the judge

	trace      string // for an exemplar; "": none
	reason     string // why we answered ourselves
	reset      int    // what gRPC makes of the code by which the target reset its stream; zero: it did not
	grpcStatus string // of a gRPC call whose trailers came
	running    *membership
	cancel     context.CancelCauseFunc // ends the exchange from outside
}

// begin decides where a request goes and starts to count it; snap is the snapshot in force, nil before
// the first. The exchange is never nil and must be ended, also when err says that it goes nowhere.
func (s *Server) begin(snap *snapshot, q *router.Request, at time.Time) (*exchange, error) {
	x := &exchange{server: s, snap: snap, began: at, running: &membership{}}
	if x.snap == nil {
		return x, errNotReady
	}
	var err error
	x.decision, err = x.snap.table.Decide(q, s.random())
	return x, x.start(q, err)
}

// start counts a request that is decided; err is what Decide said, and what start returns.
func (x *exchange) start(q *router.Request, err error) error {
	x.beginSample()
	if !x.sample.Ended() {
		x.marks = x.decision.Service.Mark(q.Method, q.Path)
	}
	if errors.Is(err, router.ErrNoTarget) {
		x.recorder().Attempt(metrics.NoTarget, 0)
	}
	if err != nil {
		return err
	}
	if x.decision.Fallback {
		x.miss()
	}
	x.use(x.decision.Target)
	return nil
}

// recorder counts for the pool that was chosen, also when another one serves.
func (x *exchange) recorder() *metrics.Recorder {
	if x.decision.Pool == nil {
		return x.server.unrouted
	}
	return x.snap.recorders[x.decision.Pool.Index]
}

// miss books a fallback against the pool that could not serve: a dead canary must not look clean.
func (x *exchange) miss() {
	x.fellBack = true
	x.recorder().Attempt(metrics.NoTarget, 0)
	x.recorder().Fallback()
}

// use starts an attempt on a target.
func (x *exchange) use(t *router.Target) {
	x.target, x.attempted, x.latency, x.booked = t, time.Now(), 0, false
	t.Begin()
}

// answered notes the head of a response: it ends the attempt's latency, and unless the body breaks off
// it tells the outcome.
func (x *exchange) answered(o metrics.Outcome) {
	x.latency, x.verdict = time.Since(x.attempted), o
}

// book counts the attempt that runs, once.
func (x *exchange) book(o metrics.Outcome) {
	if x.target == nil || x.booked {
		return
	}
	x.booked = true
	if x.latency == 0 {
		x.latency = time.Since(x.attempted)
	}
	x.snap.recorders[x.target.Pool.Index].Attempt(o, x.latency)
	x.sampleEnd(o)
}

// stays marks an upgrade or event stream, which ends when its peers want. Its attempt counts now.
func (x *exchange) stays() {
	x.book(x.verdict)
	x.running.stays()
	if x.server.closing.Load() && x.cancel != nil {
		x.cancel(errShutdown)
	}
}

// next ends a failed attempt and says whether another one may follow. sent tells whether anything of
// the request may have reached the target: then it is never repeated. Another target of the same pool
// comes first; only then does the baseline serve what was drawn for another pool.
func (x *exchange) next(o metrics.Outcome, sent bool) bool {
	x.book(o)
	failed := x.target
	x.target.End()
	x.target = nil
	if sent {
		return false
	}
	if x.retries < maxRetries {
		x.tried[x.retries] = failed
		if t := failed.Pool.Pick(x.server.random()[0], x.tried[:x.retries+1]...); t != nil {
			x.retries++
			x.snap.recorders[t.Pool.Index].Retry(o)
			x.use(t)
			return true
		}
	}
	return x.fallBack(failed)
}

func (x *exchange) fallBack(failed *router.Target) bool {
	base := x.decision.Service.Baseline
	if failed.Pool == base || !x.decision.Cause.FallsBack() {
		return false
	}
	t := base.Pick(x.server.random()[0])
	if t == nil {
		return false
	}
	x.fellBack = true
	x.recorder().Fallback()
	x.use(t)
	return true
}

// end books the exchange, lets go of its target and returns the outcome that was booked. o is what became
// of the attempt that runs, if one does: OK leaves it at what the response's head said. status is what
// the client saw.
func (x *exchange) end(o metrics.Outcome, status int) metrics.Outcome {
	if o == metrics.OK {
		o = x.verdict
	}
	x.ended = true
	x.book(o)
	if x.target != nil {
		x.target.End()
	}
	x.running.leave()
	x.recorder().Traced(status, time.Since(x.began), x.trace)
	return o
}
