package health

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// probe asks one target again and again.
type probe struct {
	checker *Checker
	state   *router.State
	check   check
	after   <-chan struct{}    // closed when the probe this one replaces has ended; nil for a new target
	cancel  context.CancelFunc // nil until started; the checker's lock guards it
	done    chan struct{}      // closed when run has ended
	against int                // findings in a row that speak against the status; run alone touches it
}

// newProbe returns a probe that is not started. It stops old, which may be nil, and takes its place. The
// caller holds the checker's lock.
func newProbe(c *Checker, state *router.State, check check, old *probe) *probe {
	p := &probe{checker: c, state: state, check: check, done: make(chan struct{})}
	if old != nil {
		old.stop()
		if old.cancel != nil {
			p.after = old.done
		}
	}
	return p
}

// stop ends the probe without waiting for it. The caller holds the checker's lock.
func (p *probe) stop() {
	if p.cancel != nil {
		p.cancel()
	}
}

// run probes until ctx ends: a target that nothing is known of at once, then all of them by the beat.
func (p *probe) run(ctx context.Context) {
	defer close(p.done)
	if p.after != nil {
		<-p.after // one probe at a time for a target
	}
	b := newBeat(p.check)
	if p.after == nil || p.state.Status() == router.Unknown {
		p.once(ctx)
	}
	for b.wait(ctx) {
		p.once(ctx)
	}
}

// once asks the target and books the answer, unless the probe was stopped meanwhile: then the failure is
// our own.
func (p *probe) once(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, p.check.timeout)
	defer cancel()
	hangUp, err := p.checker.asker.ask(limited, p.check)
	if ctx.Err() == nil {
		p.book(err)
	}
	hangUp()
}

// book turns a finding, nil for a good one, into the target's health.
func (p *probe) book(err error) {
	old := p.state.Health()
	h := router.Health{Status: p.judge(err == nil), Since: old.Since}
	if err != nil {
		h.Error = err.Error()
	}
	if h.Status != old.Status {
		h.Since = time.Now()
	}
	if h != old {
		p.state.SetHealth(h)
	}
	if h.Status != old.Status {
		p.announce(old.Status, h)
	}
	p.checker.tell()
}

// judge counts a finding and returns the status that follows from it: the first one decides alone, later
// ones change it when there are as many in a row as the check says.
func (p *probe) judge(good bool) router.Status {
	status, found, needed := p.state.Status(), router.Down, p.check.fails
	if good {
		found, needed = router.Up, p.check.passes
	}
	if found == status {
		p.against = 0
		return status
	}
	p.against++
	if status != router.Unknown && p.against < needed {
		return status
	}
	p.against = 0
	return found
}

// announce tells of a change: once in the log, once to who asked for it.
func (p *probe) announce(was router.Status, h router.Health) {
	c := p.check
	fields := []zap.Field{
		zap.String("service", c.service), zap.String("pool", c.pool), zap.String("target", c.url),
		zap.Stringer("status", h.Status),
	}
	if h.Error != "" {
		fields = append(fields, zap.String("err", h.Error))
	}
	p.checker.log.Info("target status changed", fields...)
	p.checker.onChange(Change{Service: c.service, Pool: c.pool, Target: c.url, Was: was, Health: h})
}

// beat is when a target is probed: at a place of its own within the interval, so that targets known since
// the same moment spread over it, and from there in whole intervals, however long a probe took.
type beat struct {
	next  time.Time
	every time.Duration
}

// newBeat starts now. The place follows from the names alone, so it is the same after a restart.
func newBeat(c check) beat {
	sum := sha256.Sum256([]byte(c.service + " " + c.pool + " " + c.url))
	part := float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
	place := time.Duration(part*float64(c.every)) + 1
	return beat{next: time.Now().Add(place), every: c.every}
}

// wait blocks until the next beat and returns true, or false when ctx ends. Beats that passed while the
// last probe was under way are left out, not caught up with.
func (b *beat) wait(ctx context.Context) bool {
	now := time.Now()
	if late := now.Sub(b.next); late > 0 {
		missed := (late + b.every - 1) / b.every
		b.next = b.next.Add(missed * b.every)
	}
	timer := time.NewTimer(b.next.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		b.next = b.next.Add(b.every)
		return ctx.Err() == nil
	}
}
