package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// retryEvery is how long what the store refused waits for the next try.
const retryEvery = time.Second

// errEnded is the answer to everything after Run.
var errEnded = errors.New("shutting down: nothing is changed any more")

// Run makes one change after the other: commands, files, what others wrote to the store, and what the
// store refused before. It returns nil after ctx has ended and everything it started has too. Start must
// have returned; Run works once.
func (l *Loop) Run(ctx context.Context) error {
	defer close(l.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer l.wg.Wait()
	defer cancel()
	l.ctx = ctx
	l.wg.Go(func() { l.states().follow(ctx, l.listed) })
	l.wg.Go(func() { l.flagStates().follow(ctx, l.flagsListed) })
	if l.o.Elector != nil && l.o.Sampler != nil {
		l.wg.Go(func() { l.lead(ctx) })
	}
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.leave()
			return nil
		case task := <-l.tasks:
			task()
		case <-retry.C:
			l.retry()
			l.tellHeld()
		case <-tick.C:
			l.tick()
		}
	}
}

// do has Run call f and returns when it has. An error means that f was not called.
func (l *Loop) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	task := func() {
		defer close(done)
		f()
	}
	select {
	case l.tasks <- task:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ended:
		return errEnded
	}
}

// retry writes what the store refused.
func (l *Loop) retry() {
	var behind []string
	for name, rec := range l.records {
		if rec.ahead {
			behind = append(behind, name)
		}
	}
	slices.Sort(behind)
	for _, name := range behind {
		if err := l.catchUp(name); err != nil {
			break // one refusal says enough for now
		}
	}
	if len(behind) > 0 {
		l.publish()
	}
	l.retryFlags()
	if l.reload != nil && l.reload.refused {
		l.attempt()
	}
}

// catchUp gives the store the state that is in force here. What somebody else wrote meanwhile is newer
// and counts instead.
func (l *Loop) catchUp(service string) error {
	rec := l.records[service]
	rev, err := l.put(service, rec.state)
	if errors.Is(err, store.ErrConflict) {
		if err := l.refresh(service); err != nil {
			l.log.Warn("state not written yet", zap.String("service", service), zap.Error(err))
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	l.records[service] = record{state: rec.state, revision: rev}
	if l.config.Service(service) != nil {
		l.enforce(l.settled(l.table))
	}
	l.stateHappened(api.EventStateWritten, service, "what is in force on "+service+" without being durable is durable now")
	l.log.Info("state written", zap.String("service", service), zap.Int64("revision", int64(rev)))
	return nil
}
