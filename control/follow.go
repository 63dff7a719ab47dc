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

// follow hands Run every change of a state, until ctx ends. Trouble with the store is said once and
// tried again.
func (l *Loop) follow(ctx context.Context, after store.Revision) {
	said := false
	for ctx.Err() == nil {
		next, err := l.watch(ctx, after)
		after = next
		if errors.Is(err, store.ErrCompacted) {
			after, err = l.relist(ctx, after)
		}
		if err == nil {
			said = false
			continue
		}
		if !said && ctx.Err() == nil {
			l.log.Warn("states not followed", zap.Error(err))
		}
		said = true
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// watch hands over changes until the watch ends, and returns the revision of the last one.
func (l *Loop) watch(ctx context.Context, after store.Revision) (store.Revision, error) {
	for c, err := range l.o.Store.Watch(ctx, prefix, after) {
		if err != nil {
			return after, fmt.Errorf("watch states: %w", err)
		}
		if err := l.do(ctx, func() { l.observe(c) }); err != nil {
			return after, err
		}
		after = c.Revision
	}
	return after, ctx.Err()
}

// relist hands over every state as it is now, because changes were missed.
func (l *Loop) relist(ctx context.Context, after store.Revision) (store.Revision, error) {
	entries, at, err := l.o.Store.List(ctx, prefix)
	if err != nil {
		return after, fmt.Errorf("read states: %w", err)
	}
	return at, l.do(ctx, func() {
		there := map[string]bool{}
		for _, e := range entries {
			there[strings.TrimPrefix(e.Key, prefix)] = true
			l.observe(store.Change{Entry: e})
		}
		for name, rec := range l.records {
			if !there[name] && rec.revision <= at {
				l.vanished(name, at)
			}
		}
	})
}

// observe takes in one change. This node's own writes come back here and are known already.
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
