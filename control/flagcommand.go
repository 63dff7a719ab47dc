package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// SetFlag gives a flag a definition, or with Merge changes the one in force. A flag that is not there is
// made. The percentage of a flag with a rollout is moved like the weights of a service.
func (l *Loop) SetFlag(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	if file := l.view.Load().config.Flag(name); file != nil && file.Rollout != nil {
		return l.setShare(ctx, name, q, call)
	}
	return l.flagCommand(ctx, name, q, call, flags.VerbSet)
}

// DropFlag returns a flag to what the file says; a flag of run time is gone.
func (l *Loop) DropFlag(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	if file := l.view.Load().config.Flag(name); file != nil && file.Rollout != nil {
		return l.dropShare(ctx, name, q, call)
	}
	return l.flagCommand(ctx, name, q, call, flags.VerbDrop)
}

// KillFlag gives everybody the off variant until RestoreFlag. When the store is away it is in force on this
// node at once, and Durable is false until the store has it.
func (l *Loop) KillFlag(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	return l.flagCommand(ctx, name, q, call, flags.VerbKill)
}

// RestoreFlag ends a kill.
func (l *Loop) RestoreFlag(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	return l.flagCommand(ctx, name, q, call, flags.VerbRestore)
}

// flagCommand carries out one command: when it returns without error, what it changed is durable and in
// force. Once Run has taken it up it is carried out whatever becomes of ctx.
func (l *Loop) flagCommand(ctx context.Context, name string, q api.FlagRequest, call api.Call, verb flags.Verb) (api.FlagChange, error) {
	reason, err := plain(q.Reason)
	if err != nil {
		return api.FlagChange{}, err
	}
	c := flags.Command{Verb: verb, Name: name, Remote: call.From, Cause: flags.Cause{By: cmp.Or(call.By, "anonymous"), Reason: reason}}
	var change api.FlagChange
	if failed := l.do(ctx, func() { change, err = l.executeFlag(c, q, call) }); failed != nil {
		err = failed
	}
	return change, problem(err)
}

// executeFlag starts again from what is there as long as somebody else was faster.
func (l *Loop) executeFlag(c flags.Command, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	c.At = l.o.Now().Round(0).UTC()
	for range attempts {
		change, err := l.tryFlag(c, q, call)
		if !errors.Is(err, store.ErrConflict) {
			return change, err
		}
	}
	return api.FlagChange{}, store.ErrConflict
}

func (l *Loop) tryFlag(c flags.Command, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	away := l.refreshFlag(c.Name)
	if r, found, err := l.known().answered(call, flagPrefix+c.Name, c.At); err != nil {
		return api.FlagChange{}, err
	} else if found {
		return l.replayedFlag(c.Name, r)
	}
	alone := false // the store is away, and a kill does not wait for it
	if away != nil {
		if alone = c.Verb == flags.VerbKill && errors.Is(away, errStore); !alone {
			return api.FlagChange{}, away
		}
	}
	c.File = l.config.Flag(c.Name)
	was := l.datedFlag(c.Name)
	_, _, there := was.InForce(c.File)
	if err := l.allowed(c, q, there); err != nil {
		return api.FlagChange{}, err
	}
	if c.Verb == flags.VerbSet {
		f, err := l.definition(c.Name, q)
		if err != nil {
			return api.FlagChange{}, err
		}
		c.Flag = f
	}
	state := flags.Step(was, c)
	changed := state.Seq != was.Seq
	created := changed && !there
	switch {
	case call.DryRun:
		answer, err := l.foreseenFlag(c.Name, state)
		answer.Changed, answer.Created, answer.DryRun = changed, created, true
		return answer, err
	case changed:
		answer, err := l.foreseenFlag(c.Name, state)
		if err != nil {
			return api.FlagChange{}, err
		}
		answer.Changed, answer.Created = changed, created
		state = signedFlag(state, call, c.At, answer)
		if err := l.carryOutFlag(&flagDraft{name: c.Name, state: state, ahead: alone}, c.Verb == flags.VerbKill); err != nil {
			return api.FlagChange{}, err
		}
	}
	answer := api.FlagChange{Flag: l.view.Load().flag(c.Name), Changed: changed, Created: created}
	if !changed {
		l.keepAnswer(flagPrefix+c.Name, call, c.At, int64(l.flags[c.Name].revision), answer)
	}
	return answer, nil
}

// allowed refuses commands that are about another flag than the caller thinks, or about none.
func (l *Loop) allowed(c flags.Command, q api.FlagRequest, there bool) error {
	tag := l.view.Load().flag(c.Name).Tag
	switch {
	case !there && (c.Verb != flags.VerbSet || q.IfMatch != ""):
		return unknownFlag(c.Name)
	case there && q.New:
		return api.Problem(api.TypeStaleRevision, "flag %s is there already; leave If-None-Match out to change it", c.Name)
	case q.IfMatch != "" && q.IfMatch != "*" && q.IfMatch != tag:
		return api.Problem(api.TypeStaleRevision, "flag %s is at %s, not %s; look at it again before you change it", c.Name, tag, q.IfMatch)
	case !there && len(l.table.Flags.Flags) >= config.MaxFlags:
		return api.Problem(api.TypeInvalid, "there are %d flags, which is the limit; delete those nobody asks for any more", config.MaxFlags)
	case c.Verb == flags.VerbDrop && c.File == nil:
		return l.unasked(c.Name)
	}
	return nil
}

// unasked refuses to delete a flag that others ask.
func (l *Loop) unasked(name string) error {
	for _, f := range l.table.Flags.Flags {
		if slices.Contains(f.Config.References(), name) {
			return api.Problem(api.TypeInvalid, "flag %s asks %s; change that first", f.Name, name)
		}
	}
	return nil
}

// carryOutFlag writes and enforces a draft. One that is ahead is not written now; one that is urgent does not
// fail because the store does.
func (l *Loop) carryOutFlag(d *flagDraft, urgent bool) error {
	if !d.ahead {
		if err := l.makeRoom(d.name); err != nil {
			return err
		}
		err := l.writeFlag(d)
		d.ahead = urgent && errors.Is(err, errStore)
		if err != nil && !d.ahead {
			return err
		}
	}
	l.settleFlag(d)
	l.enforceFlags()
	l.announceFlag(d.name)
	l.sayFlagProblems()
	return nil
}

// makeRoom forgets the flag that was deleted longest ago when as many are remembered as there may be flags.
func (l *Loop) makeRoom(name string) error {
	if _, known := l.flags[name]; known || len(l.flags) < config.MaxFlags {
		return nil
	}
	oldest := ""
	for _, other := range sortedKeys(l.flags) {
		rec := l.flags[other]
		_, _, there := rec.state.InForce(l.config.Flag(other))
		if !there && !rec.ahead && (oldest == "" || rec.revision < l.flags[oldest].revision) {
			oldest = other
		}
	}
	if oldest == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	if err := l.o.Store.Delete(ctx, flagPrefix+oldest, l.flags[oldest].revision); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	delete(l.flags, oldest)
	return nil
}

// announceFlag writes the last decision about a flag to the log.
func (l *Loop) announceFlag(name string) {
	rec := l.flags[name]
	d := rec.state.Recent[len(rec.state.Recent)-1]
	l.count.Decision("", string(d.Type))
	l.log.Info("flag decided",
		zap.String("flag", name), zap.Int64("revision", int64(rec.revision)), zap.String("by", d.By),
		zap.String("from", d.Remote), zap.String("reason", d.Reason), zap.String("sentence", d.Sentence))
}

// sayFlagProblems logs conditions of flags that cannot hold, each time they changed.
func (l *Loop) sayFlagProblems() {
	said := strings.Join(l.table.Flags.Problems, "; ")
	if said != "" && said != l.flagProblems {
		l.log.Warn("flags with conditions that cannot hold", zap.String("problems", said))
	}
	l.flagProblems = said
}

// definition is the flag that a request asks for.
func (l *Loop) definition(name string, q api.FlagRequest) (*config.Flag, error) {
	definition := q.Definition
	if q.Merge {
		var err error
		if definition, err = l.merged(name, q.Definition); err != nil {
			return nil, err
		}
	}
	f, err := config.ParseFlag(name, definition)
	if err != nil {
		return nil, notAFlag(err)
	}
	for _, other := range f.References() {
		if l.table.Flags.Flag(other) == nil && other != name {
			return nil, api.Problem(api.TypeInvalid, "targeting asks flag %q, which is not there", other)
		}
	}
	if t, found := config.Tangles(l.flagsWith(f))[name]; found {
		return nil, api.Problem(api.TypeInvalid, "targeting %s", t.Why)
	}
	if size := len(definition); size > store.MaxValue/2 {
		return nil, api.Problem(api.TypeInvalid, "the definition has %d bytes; at most %d are kept", size, store.MaxValue/2)
	}
	return f, nil
}

// flagsWith is every flag as it is in force, and f in place of the one of its name.
func (l *Loop) flagsWith(f *config.Flag) []*config.Flag {
	all := []*config.Flag{f}
	for _, other := range l.table.Flags.Flags {
		if other.Name != f.Name {
			all = append(all, other.Config)
		}
	}
	return all
}

// merged puts what is given over the definition in force. A value belongs to a percentage: another strategy
// drops it.
func (l *Loop) merged(name string, given json.RawMessage) (json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if f := l.table.Flags.Flag(name); f != nil {
		b, err := json.Marshal(f.Config)
		if err == nil {
			err = json.Unmarshal(b, &all)
		}
		if err != nil {
			return nil, err
		}
	}
	change := map[string]json.RawMessage{}
	if err := json.Unmarshal(given, &change); err != nil {
		return nil, notAFlag(err)
	}
	if strategy, ok := change["strategy"]; ok && string(strategy) != `"percentage"` {
		delete(all, "value")
	}
	maps.Copy(all, change)
	return json.Marshal(all)
}

// notAFlag says what is wrong with a definition, in one line.
func notAFlag(err error) error {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return api.Problem(api.TypeInvalid, "%v", err)
	}
	said := make([]string, len(problems))
	for i, p := range problems {
		said[i] = strings.TrimPrefix(p.Path+" "+p.Msg, " ")
		if p.Path != "" {
			said[i] = p.Path + ": " + p.Msg
		}
		if p.Hint != "" {
			said[i] += "; " + p.Hint
		}
	}
	return api.Problem(api.TypeInvalid, "%s", strings.Join(said, " | "))
}

func unknownFlag(name string) error {
	return api.Problem(api.TypeNotFound, "there is no flag %q", name)
}
