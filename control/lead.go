package control

import (
	"context"
	"errors"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

const (
	// tickEvery is how often the leader judges, and everybody else hands over what was counted.
	tickEvery = time.Second
	// longestTick is what one tick can add to the observed time of a step: a clock that jumps or a
	// machine that slept has observed nothing meanwhile.
	longestTick = 2 * time.Second
)

// lead makes this node a candidate for as long as ctx runs.
func (l *Loop) lead(ctx context.Context) {
	said := false
	for ctx.Err() == nil {
		err := l.serveTerm(ctx)
		if err == nil || ctx.Err() != nil {
			said = false
			continue
		}
		if !said {
			l.log.Warn("no election", zap.Error(err))
		}
		said = true
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// serveTerm waits until this node leads and then until it does not any more.
func (l *Loop) serveTerm(ctx context.Context) error {
	ctx, resign := context.WithCancel(ctx)
	defer resign()
	term, err := l.o.Elector.Campaign(ctx)
	if err != nil {
		return err
	}
	if err := l.do(ctx, func() { l.elected(term, resign) }); err != nil {
		return err
	}
	<-term.Done
	if err := l.do(ctx, l.deposed); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// elected begins a term. What others have judged meanwhile is read anew.
func (l *Loop) elected(term store.Term, resign context.CancelFunc) {
	l.term, l.resign = term, resign
	clear(l.trials)
	l.hush()
	l.ticked = time.Time{}
	l.log.Info("leading", zap.Int64("term", term.N))
	l.led(api.EventNodeLeading, term.N, "this node decides about rollouts")
	l.publish()
}

// deposed ends a term. Nothing is decided any more.
func (l *Loop) deposed() {
	if l.term.N == 0 {
		return
	}
	l.log.Info("not leading any more", zap.Int64("term", l.term.N))
	l.led(api.EventNodeFollowing, l.term.N, "this node does not decide about rollouts any more")
	l.term, l.resign = store.Term{}, nil
	clear(l.trials)
	l.hush()
	l.publish()
}

// abdicate ends the term because another node has a later one.
func (l *Loop) abdicate(later int64) {
	if l.resign == nil {
		return
	}
	l.log.Warn("another node leads", zap.Int64("term", l.term.N), zap.Int64("later", later))
	l.resign()
	l.deposed()
}

// leave writes what was found since the last time, for whoever leads next. Another leader may be faster;
// what it wrote counts.
func (l *Loop) leave() {
	l.ctx = context.WithoutCancel(l.ctx)
	for name, t := range l.trials {
		svc := l.config.Service(name)
		if svc == nil || l.term.N == 0 || l.save(svc, t) != nil {
			return
		}
	}
}

// leads reports whether this node decides now.
func (l *Loop) leads() bool {
	if l.term.N == 0 {
		return false
	}
	select {
	case <-l.term.Done:
		return false
	default:
		return true
	}
}

// tick is one second of every service with a rollout: the leader judges, the others hand over what they
// counted and look at what was judged.
func (l *Loop) tick() {
	if l.o.Sampler == nil || l.o.Elector == nil {
		return
	}
	now := l.o.Now()
	elapsed := time.Duration(0)
	if !l.ticked.IsZero() {
		elapsed = min(max(now.Sub(l.ticked), 0), longestTick)
	}
	l.ticked = now
	l.away, l.decided, l.jobs = false, false, nil
	for i := range l.config.Services {
		svc := &l.config.Services[i]
		switch {
		case svc.Rollout == nil:
			delete(l.trials, svc.Name)
			delete(l.helpers, svc.Name)
			delete(l.judged, svc.Name)
			continue
		case l.leads():
			l.judge(svc, now, elapsed)
		default:
			l.assist(svc, now)
		}
		l.report(svc)
	}
	if l.o.Scraper != nil {
		l.o.Scraper.Want(l.jobs)
	}
	l.outside()
	l.publish()
	if l.decided {
		l.attempt() // a file that waits may have waited for this
	}
}

// decide hands an event of the leader to the rules and carries out what they say. An error means that
// nothing changed, except for the record when somebody else was faster.
func (l *Loop) decide(svc *config.Service, e rollout.Event, urgent bool) error {
	was := l.dated(svc.Name)
	next, actions, err := rollout.Step(svc, was, e)
	if err != nil {
		var refusal *rollout.Refusal
		if errors.As(err, &refusal) && refusal.Kind == rollout.StaleLeader {
			l.abdicate(was.Rollout.Term)
		}
		return err
	}
	if _, judged := e.(rollout.Judged); judged && len(actions) == 0 {
		return nil
	}
	same, err := equal(was, next)
	if err != nil || same {
		return err
	}
	d := &draft{service: svc.Name, state: next, actions: actions}
	err = l.carryOut(d, urgent)
	if errors.Is(err, store.ErrConflict) {
		return errors.Join(err, l.refresh(svc.Name))
	}
	l.decided = l.decided || err == nil
	return err
}
