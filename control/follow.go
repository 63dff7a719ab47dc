package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// source is a part of the store that others may write too.
type source struct {
	loop    *Loop
	prefix  string
	what    string                                         // in words
	observe func(store.Change)                             // in Run: takes in one change
	missing func(there map[string]bool, at store.Revision) // in Run: takes in that other keys are gone
}

// states are the states of services.
func (l *Loop) states() *source {
	return &source{loop: l, prefix: prefix, what: "states", observe: l.observe, missing: func(there map[string]bool, at store.Revision) {
		for name, rec := range l.records {
			if !there[name] && rec.revision <= at {
				l.vanished(name, at)
			}
		}
	}}
}

// flagStates are what was decided about flags.
func (l *Loop) flagStates() *source {
	return &source{loop: l, prefix: flagPrefix, what: "flags", observe: l.observeFlag, missing: func(there map[string]bool, at store.Revision) {
		for _, name := range sortedKeys(l.flags) {
			if !there[name] {
				l.flagGone(name, at)
			}
		}
	}}
}

// follow hands Run every change, until ctx ends. Trouble with the store is said once and tried again.
func (s *source) follow(ctx context.Context, after store.Revision) {
	said := false
	for ctx.Err() == nil {
		next, err := s.watch(ctx, after)
		after = next
		if errors.Is(err, store.ErrCompacted) {
			after, err = s.relist(ctx, after)
		}
		if err == nil {
			said = false
			continue
		}
		if !said && ctx.Err() == nil {
			s.loop.log.Warn(s.what+" not followed", zap.Error(err))
		}
		said = true
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// watch hands over changes until the watch ends, and returns the revision of the last one.
func (s *source) watch(ctx context.Context, after store.Revision) (store.Revision, error) {
	for c, err := range s.loop.o.Store.Watch(ctx, s.prefix, after) {
		if err != nil {
			return after, fmt.Errorf("watch %s: %w", s.what, err)
		}
		if err := s.loop.do(ctx, func() { s.observe(c) }); err != nil {
			return after, err
		}
		after = c.Revision
	}
	return after, ctx.Err()
}

// relist hands over every entry as it is now, because changes were missed.
func (s *source) relist(ctx context.Context, after store.Revision) (store.Revision, error) {
	entries, at, err := s.loop.o.Store.List(ctx, s.prefix)
	if err != nil {
		return after, fmt.Errorf("read %s: %w", s.what, err)
	}
	return at, s.loop.do(ctx, func() {
		there := map[string]bool{}
		for _, e := range entries {
			there[strings.TrimPrefix(e.Key, s.prefix)] = true
			s.observe(store.Change{Entry: e})
		}
		s.missing(there, at)
	})
}

// observe takes in one change of a service's state. This node's own writes come back here and are known
// already.
func (l *Loop) observe(c store.Change) {
	service := strings.TrimPrefix(c.Key, prefix)
	if c.Revision <= l.records[service].revision {
		return
	}
	if c.Deleted {
		l.vanished(service, c.Revision)
		return
	}
	if err := l.adopt(service, c.Entry); err != nil {
		l.log.Warn("state not followed", zap.String("service", service), zap.Error(err))
		return
	}
	l.attempt()
}
