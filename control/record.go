package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// prefix is where states are kept: service/<name>.
const prefix = "service/"

// storeTimeout bounds one call of the store: everybody else waits behind it.
const storeTimeout = 2 * time.Second

// attempts is how often a change that lost a race starts again from what is there.
const attempts = 16

// errStore is wrapped by every error of the store but a conflict.
var errStore = errors.New("state cannot be written")

// record is what this node knows of one service's state.
type record struct {
	state    rollout.State  // in force here, when the service is in the file
	revision store.Revision // the newest known of the key; 0: never written
	absent   bool           // the key is gone since
	ahead    bool           // the store does not have this state yet
	local    int64          // what tells a state that is ahead from others here; 0: revision does
	lost     bool           // the store has something that cannot be read, and there is no state
}

// prev is what the next write must find.
func (r record) prev() store.Revision {
	if r.absent {
		return 0
	}
	return r.revision
}

// generation tells weights apart that were in force one after the other: requests are counted by it.
func (r record) generation() int64 {
	if r.local != 0 {
		return r.local
	}
	return int64(r.revision)
}

// draft is the next state of a service on its way into force.
type draft struct {
	service  string
	state    rollout.State
	actions  []rollout.Action
	revision store.Revision // once written
	ahead    bool           // goes into force although the store did not take it
}

// write makes a draft durable. It changes nothing else: what is in force stays.
func (l *Loop) write(d *draft) error {
	rev, err := l.put(d.service, d.state)
	if errors.Is(err, store.ErrConflict) {
		rev, err = l.own(d.service, d.state, err)
	}
	d.revision = rev
	return err
}

// own looks whether a conflict is with this node itself: a store that says it is unavailable may have
// written even so. If it is not, the conflict stays.
func (l *Loop) own(service string, s rollout.State, conflict error) (store.Revision, error) {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	e, err := l.o.Store.Get(ctx, prefix+service)
	if err != nil || !holds(e, s) {
		return 0, conflict
	}
	return e.Revision, nil
}

// holds reports whether an entry is a state as this node writes it.
func holds(e store.Entry, s rollout.State) bool {
	value, err := s.Encode()
	return err == nil && bytes.Equal(value, e.Value)
}

// put writes a state over the one known. ErrConflict, errStore.
func (l *Loop) put(service string, s rollout.State) (store.Revision, error) {
	value, err := s.Encode()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	rev, err := l.o.Store.Put(ctx, prefix+service, value, l.records[service].prev())
	if errors.Is(err, store.ErrConflict) {
		return 0, err
	}
	l.noteWrite(err)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errStore, err)
	}
	return rev, nil
}

// noteWrite shows whether the store takes writes.
func (l *Loop) noteWrite(err error) {
	was := l.writeErr
	l.writeErr = ""
	if err != nil {
		l.writeErr = err.Error()
	}
	if was != l.writeErr {
		l.storeChanged(was, l.writeErr)
		if l.config != nil { // else Start has not come to anything that readers could see
			l.publish()
		}
	}
}

// refresh makes sure that this node goes on from what the store has now.
func (l *Loop) refresh(service string) error {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	e, err := l.o.Store.Get(ctx, prefix+service)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.vanished(service, 0)
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", errStore, err)
	case e.Revision <= l.records[service].revision:
		return nil
	}
	return l.adopt(service, e)
}

// adopt puts a state in force that somebody else wrote. One that cannot be read changes nothing: what
// this node has is the previous copy.
func (l *Loop) adopt(service string, e store.Entry) error {
	rec := l.records[service]
	state, err := rollout.Decode(e.Value)
	if err != nil {
		l.log.Warn("state unreadable", zap.String("service", service), zap.Error(err))
		rec.revision, rec.absent, rec.lost = e.Revision, false, rec.state.Empty()
		l.records[service] = rec
		l.publish()
		return nil
	}
	if rec.ahead && !holds(e, rec.state) {
		l.log.Warn("change made without the store was superseded", zap.String("service", service))
		l.stateHappened(api.EventStateSuperseded, service, "what was in force on "+service+" without being durable gave way to what another node decided")
	}
	known := record{state: state, revision: e.Revision}
	if l.config.Service(service) == nil {
		l.records[service] = known
		return nil
	}
	table, err := l.compile(l.config, l.table, next{services: map[string]rollout.State{service: state}})
	if err != nil {
		return fmt.Errorf("apply state of %s at revision %d: %w", service, e.Revision, err)
	}
	l.records[service] = known
	l.enforce(l.settled(table))
	l.log.Info("state followed", zap.String("service", service), zap.Int64("revision", int64(e.Revision)))
	return nil
}

// vanished notes that the key is gone. What is in force stays and is written again.
func (l *Loop) vanished(service string, at store.Revision) {
	rec, ok := l.records[service]
	if !ok || rec.absent || rec.revision == 0 {
		return
	}
	l.log.Warn("state vanished from the store", zap.String("service", service))
	l.stateHappened(api.EventStateVanished, service, "the store has no state of "+service+" any more; it is written again")
	rec.revision, rec.absent, rec.ahead = max(at, rec.revision), true, !rec.state.Empty()
	l.records[service] = rec
	l.publish()
}

// compile makes the table for a configuration from the states known, with next in place of some.
func (l *Loop) compile(c *config.Config, prev *router.Table, n next) (*router.Table, error) {
	in := make(map[string]router.Intent, len(c.Services))
	for i := range c.Services {
		name := c.Services[i].Name
		s := l.serviceState(name, n)
		in[name] = router.Intent{
			Weights: s.InForce(), Baseline: s.Baseline, Candidate: s.Candidate(), Revision: l.records[name].generation(),
		}
	}
	var before *flags.Set
	if prev != nil {
		before = prev.Flags
	}
	return router.Compile(c, in, flags.Compile(l.definitions(c, n), before), prev)
}

// settled is a table that was compiled before its states were written, with the revisions they have now.
func (l *Loop) settled(t *router.Table) *router.Table {
	again, err := l.compile(l.config, t, next{})
	if err != nil {
		return t // it compiled a moment ago
	}
	return again
}

// enforce puts a table in force and shows it. It cannot fail.
func (l *Loop) enforce(t *router.Table) {
	l.table = t
	l.remember(t)
	l.o.Swapper.Swap(t)
	if l.reload != nil && l.reload.next != nil {
		l.o.Prober.Sync(l.reload.next, t)
	} else {
		l.o.Prober.Sync(t)
	}
	l.publish()
}

// announce writes decisions to the log.
func (l *Loop) announce(service string, rev store.Revision, actions []rollout.Action) {
	for _, a := range actions {
		announce, ok := a.(rollout.Announce)
		if !ok {
			continue
		}
		d := announce.Decision
		l.count.Decision(service, string(d.Type))
		fields := []zap.Field{
			zap.String("service", service), zap.Int64("revision", int64(rev)),
			zap.String("verb", string(d.Verb)), zap.String("by", d.By), zap.String("from", d.Remote),
			zap.String("reason", d.Reason), zap.String("sentence", d.Sentence),
		}
		if announce.Warn {
			l.log.Warn("traffic decided", fields...)
		} else {
			l.log.Info("traffic decided", fields...)
		}
	}
}
