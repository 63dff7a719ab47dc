package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// flagPrefix is where what was decided about flags at run time is kept: flag/<name>.
const flagPrefix = "flag/"

// flagRecord is what this node knows of what was decided about one flag.
type flagRecord struct {
	state    flags.State
	revision store.Revision // 0: never written
	ahead    bool           // the store does not have this state yet: a kill does not wait for it
}

// next are states on their way into force, in place of those known.
type next struct {
	services map[string]rollout.State
	flags    map[string]flags.State
}

// flagDraft is the next state of a flag.
type flagDraft struct {
	name     string
	state    flags.State
	revision store.Revision
	ahead    bool
}

// definitions are the flags of a configuration and of run time as they would be in force.
func (l *Loop) definitions(c *config.Config, n next) []flags.Definition {
	var all []flags.Definition
	for i := range c.Flags {
		file := &c.Flags[i]
		d, _, _ := l.flagState(file.Name, n).InForce(file)
		if file.Rollout != nil {
			w := l.serviceState(config.FlagService(file.Name), n).InForce()[config.VariantOn]
			d.Share = &w
		}
		all = append(all, d)
	}
	for name := range l.flags {
		if d, _, ok := l.flagState(name, n).InForce(nil); ok && c.Flag(name) == nil {
			all = append(all, d)
		}
	}
	for name, s := range n.flags {
		if _, known := l.flags[name]; !known && c.Flag(name) == nil {
			if d, _, ok := s.InForce(nil); ok {
				all = append(all, d)
			}
		}
	}
	return all
}

func (l *Loop) flagState(name string, n next) flags.State {
	if s, ok := n.flags[name]; ok {
		return s
	}
	return l.flags[name].state
}

func (l *Loop) serviceState(name string, n next) rollout.State {
	if s, ok := n.services[name]; ok {
		return s
	}
	return l.records[name].state
}

// listFlags reads what was decided about every flag. What cannot be read counts for nothing, and is kept
// until somebody decides anew.
func (l *Loop) listFlags(ctx context.Context) error {
	entries, at, err := l.o.Store.List(ctx, flagPrefix)
	if err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	l.flagsListed = at
	clear(l.flags)
	for _, e := range entries {
		l.flags[strings.TrimPrefix(e.Key, flagPrefix)] = l.readFlag(e)
	}
	return nil
}

func (l *Loop) readFlag(e store.Entry) flagRecord {
	state, err := flags.Decode(e.Value)
	if err != nil {
		l.log.Warn("flag unreadable: as the file says", zap.String("flag", strings.TrimPrefix(e.Key, flagPrefix)), zap.Error(err))
	}
	return flagRecord{state: state, revision: e.Revision}
}

// reloadFlags lets a file speak about the flags that were changed at run time.
func (l *Loop) reloadFlags(c *config.Config, at time.Time) []*flagDraft {
	var drafts []*flagDraft
	for _, name := range sortedKeys(l.flags) {
		cause := flags.Cause{By: "file", At: at.Round(0).UTC()}
		if s, changed := flags.Reload(l.datedFlag(name), name, c.Flag(name), cause); changed {
			drafts = append(drafts, &flagDraft{name: name, state: s})
		}
	}
	return drafts
}

// writeFlag makes a draft durable. ErrConflict, errStore.
func (l *Loop) writeFlag(d *flagDraft) error {
	value, err := d.state.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	d.revision, err = l.o.Store.Put(ctx, flagPrefix+d.name, value, l.flags[d.name].revision)
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	l.noteWrite(err)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

// settleFlag makes a draft the state of its flag.
func (l *Loop) settleFlag(d *flagDraft) {
	rec := flagRecord{state: d.state, revision: d.revision}
	if d.ahead {
		rec.revision, rec.ahead = l.flags[d.name].revision, true
	}
	l.flags[d.name] = rec
}

// refreshFlag makes sure that this node goes on from what the store has now.
func (l *Loop) refreshFlag(name string) error {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	e, err := l.o.Store.Get(ctx, flagPrefix+name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l.flagGone(name, 0)
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", errStore, err)
	case e.Revision > l.flags[name].revision:
		l.adoptFlag(name, e)
	}
	return nil
}

// adoptFlag puts in force what somebody else decided about a flag.
func (l *Loop) adoptFlag(name string, e store.Entry) {
	l.flags[name] = l.readFlag(e)
	l.enforceFlags()
	l.log.Info("flag followed", zap.String("flag", name), zap.Int64("revision", int64(e.Revision)))
}

// flagGone notes that the store has nothing about a flag any more. What is ahead stays and is written again.
func (l *Loop) flagGone(name string, at store.Revision) {
	rec, ok := l.flags[name]
	if !ok || rec.revision == 0 || at != 0 && rec.revision > at {
		return
	}
	if rec.ahead {
		rec.revision = 0
		l.flags[name] = rec
		return
	}
	delete(l.flags, name)
	l.enforceFlags()
}

// enforceFlags puts the flags as they are known now in force.
func (l *Loop) enforceFlags() {
	if l.table != nil {
		l.enforce(l.settled(l.table))
	}
}

// observeFlag takes in one change. This node's own writes come back here and are known already.
func (l *Loop) observeFlag(c store.Change) {
	name := strings.TrimPrefix(c.Key, flagPrefix)
	switch {
	case c.Revision <= l.flags[name].revision:
	case c.Deleted:
		l.flagGone(name, c.Revision)
	default:
		l.adoptFlag(name, c.Entry)
	}
}

// retryFlags writes the kills that the store refused.
func (l *Loop) retryFlags() {
	for _, name := range sortedKeys(l.flags) {
		rec := l.flags[name]
		if !rec.ahead {
			continue
		}
		d := &flagDraft{name: name, state: rec.state}
		err := l.writeFlag(d)
		if errors.Is(err, store.ErrConflict) {
			err = l.refreshFlag(name) // what somebody else decided meanwhile is newer
		}
		if err != nil {
			return // one refusal says enough for now
		}
		if d.revision != 0 {
			l.settleFlag(d)
			l.log.Info("flag written", zap.String("flag", name), zap.Int64("revision", int64(d.revision)))
		}
		l.publish()
	}
}
