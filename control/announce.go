package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/notify"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// announcedPrefix is where the leader notes who was told what: announced/<service>. What is to be
// announced is in the state, so it is as durable as the decision; what was announced is beside it, so it
// moves no revision that somebody holds.
const announcedPrefix = "announced/"

// told is up to which announcement each receiver was told. Receivers are known by a digest: what they are
// called by may be a secret.
type told struct {
	Term int64            `json:"term"`
	Told map[string]int64 `json:"told"`
}

// outbox is the leader's work on the announcements of a service.
type outbox struct {
	told
	revision store.Revision // of told in the store; 0: it is not there
	dirty    bool           // told is not written yet
	sending  map[string]context.CancelFunc
}

func (o *outbox) stop() {
	for _, cancel := range o.sending {
		cancel()
	}
}

// receiver tells receivers apart.
func receiver(a config.Announce) string {
	sum := sha256.Sum256([]byte(a.Post + "\n" + a.SlackFile))
	return hex.EncodeToString(sum[:8])
}

// announceAll tells every receiver what it was not told yet: one after the other each, and none waits for
// another.
func (l *Loop) announceAll(svc *config.Service) {
	if svc.Rollout == nil || len(svc.Rollout.Announce) == 0 {
		if o := l.outboxes[svc.Name]; o != nil {
			o.stop()
			delete(l.outboxes, svc.Name)
		}
		return
	}
	o := l.outboxes[svc.Name]
	if o == nil {
		if o = l.loadOutbox(svc.Name); o == nil {
			return // the store is away
		}
		l.outboxes[svc.Name] = o
	}
	o.match(svc.Rollout.Announce)
	for _, to := range svc.Rollout.Announce {
		l.tellNext(svc, o, to)
	}
	if o.dirty && !l.away {
		l.saveOutbox(svc.Name, o)
	}
}

// match forgets receivers that left the file. A new one begins where the others are.
func (o *outbox) match(receivers []config.Announce) {
	latest, wanted := int64(0), map[string]bool{}
	for _, n := range o.Told {
		latest = max(latest, n)
	}
	for _, to := range receivers {
		key := receiver(to)
		wanted[key] = true
		if _, known := o.Told[key]; !known {
			o.Told[key], o.dirty = latest, true
		}
	}
	for key := range o.Told {
		if wanted[key] {
			continue
		}
		if cancel := o.sending[key]; cancel != nil {
			cancel()
			delete(o.sending, key)
		}
		delete(o.Told, key)
		o.dirty = true
	}
}

// tellNext begins to tell a receiver the oldest decision it was not told, unless it is being told one.
func (l *Loop) tellNext(svc *config.Service, o *outbox, to config.Announce) {
	key := receiver(to)
	if o.sending[key] != nil {
		return
	}
	var next *rollout.Announcement
	box := l.records[svc.Name].state.Outbox
	for i := range box {
		if box[i].N > o.Told[key] {
			next = &box[i]
			break
		}
	}
	if next == nil {
		return
	}
	if lost := next.N - o.Told[key] - 1; lost > 0 && o.Told[key] > 0 {
		l.log.Warn("announcements lost: a receiver was away for too long", zap.String("service", svc.Name), zap.Int64("lost", lost))
	}
	ctx, cancel := context.WithCancel(l.ctx)
	o.sending[key] = cancel
	a, n, service := announcementOf(l.config, svc.Name, next), next.N, svc.Name
	l.wg.Go(func() {
		defer cancel()
		if l.o.Messenger.Announce(ctx, to, a) == nil {
			_ = l.do(ctx, func() { l.wasTold(service, o, key, n) }) // else it is told again
		}
	})
}

// wasTold notes it and goes on with the next one.
func (l *Loop) wasTold(service string, o *outbox, key string, n int64) {
	if l.outboxes[service] != o || !l.leads() {
		return // somebody else announces now
	}
	delete(o.sending, key)
	o.Told[key], o.dirty = n, true
	if svc := l.config.Service(service); svc != nil {
		l.announceAll(svc)
	}
}

func announcementOf(c *config.Config, service string, a *rollout.Announcement) notify.Announcement {
	e := eventOf(service, &a.Decision)
	e.ID = fmt.Sprintf("%s/%d", service, a.Decision.Seq) // the same from every node
	return notify.Announcement{Event: e, Undo: a.Undo, Link: link(c, service)}
}

// pruned is a state without the announcements that everybody was told.
func (l *Loop) pruned(service string, s rollout.State) rollout.State {
	o, svc := l.outboxes[service], l.config.Service(service)
	if o == nil || svc == nil || svc.Rollout == nil || len(s.Outbox) == 0 {
		return s
	}
	least := int64(math.MaxInt64)
	for _, to := range svc.Rollout.Announce {
		least = min(least, o.Told[receiver(to)])
	}
	return s.Told(least)
}

// loadOutbox reads who was told what; nil while the store is away. What cannot be read is announced again.
func (l *Loop) loadOutbox(service string) *outbox {
	o := &outbox{sending: map[string]context.CancelFunc{}}
	e, err := l.fetch(announcedPrefix + service)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil
	default:
		o.revision = e.Revision
		if err := json.Unmarshal(e.Value, &o.told); err != nil {
			l.log.Warn("what was announced is unreadable, it is announced again", zap.String("service", service), zap.Error(err))
		}
	}
	if o.Told == nil {
		o.Told = map[string]int64{}
	}
	return o
}

// saveOutbox writes who was told what. What the store refuses is written a second later; after a crash
// before that it is announced again.
func (l *Loop) saveOutbox(service string, o *outbox) {
	o.Term = l.term.N
	value, err := json.Marshal(&o.told)
	if err != nil {
		return
	}
	rev, err := l.putBeside(announcedPrefix+service, value, o.revision)
	switch {
	case err == nil:
		o.revision, o.dirty = rev, false
	case errors.Is(err, store.ErrConflict):
		if e, err := l.fetch(announcedPrefix + service); err == nil {
			o.revision = e.Revision // and again in a second
		} else if errors.Is(err, store.ErrNotFound) {
			o.revision = 0
		}
	}
}
