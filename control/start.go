package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// Start reads the states, lets the file speak where its weights changed since, and puts the first table
// in force. When it returns without error requests may come.
//
// A store that can be read but refuses writes does not stop it: what the file decided is in force, marked
// not durable, and written when the store takes it.
func (l *Loop) Start(ctx context.Context) error {
	l.ctx = ctx
	for range attempts {
		if err := l.list(ctx); err != nil {
			return err
		}
		if err := l.listFlags(ctx); err != nil {
			return err
		}
		err := l.first()
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("write states: %w", store.ErrConflict)
}

// list reads every state. One that cannot be read is as good as lost.
func (l *Loop) list(ctx context.Context) error {
	entries, at, err := l.o.Store.List(ctx, prefix)
	if err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	l.listed = at
	clear(l.records)
	for _, e := range entries {
		name := strings.TrimPrefix(e.Key, prefix)
		state, err := rollout.Decode(e.Value)
		if err != nil {
			l.log.Warn("state unreadable", zap.String("service", name), zap.Error(err))
		}
		l.records[name] = record{state: state, revision: e.Revision, lost: err != nil}
	}
	return nil
}

func (l *Loop) first() error {
	p, err := l.plan(l.o.Config, l.o.Now(), nil)
	if err != nil {
		return err
	}
	for _, d := range p.drafts {
		switch err := l.write(d); {
		case errors.Is(err, store.ErrConflict):
			return err
		case errors.Is(err, errStore):
			d.ahead = true
			l.log.Warn("state not written yet", zap.String("service", d.service), zap.Error(err))
		case err != nil:
			return err
		}
	}
	for _, d := range p.flags {
		switch err := l.writeFlag(d); {
		case errors.Is(err, store.ErrConflict):
			return err
		case errors.Is(err, errStore):
			d.ahead = true
			l.log.Warn("flag not written yet", zap.String("flag", d.name), zap.Error(err))
		case err != nil:
			return err
		}
	}
	l.commit(p)
	l.started()
	return nil
}
