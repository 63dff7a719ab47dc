package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// EffectiveConfig is the configuration in force with every default, and without secrets.
func (l *Loop) EffectiveConfig() (api.ConfigShown, error) {
	v := l.view.Load()
	shown, err := v.config.Effective()
	if err != nil {
		return api.ConfigShown{}, fmt.Errorf("show the configuration: %w", err)
	}
	return api.ConfigShown{File: v.config.File, Digest: v.config.Digest, LoadedAt: v.file.loadedAt, Config: shown}, nil
}

// CheckConfig says what is wrong with the text of a file, as if it stood where the file in force stands.
func (l *Loop) CheckConfig(_ context.Context, text []byte) (api.ConfigCheck, error) {
	_, check, err := l.parse(text)
	return check, err
}

func (l *Loop) parse(text []byte) (*config.Config, api.ConfigCheck, error) {
	c, err := config.Parse(l.view.Load().config.File, text)
	check := api.ConfigCheck{Valid: err == nil, Digest: config.Digest(text), Problems: []api.ConfigProblem{}}
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		return nil, check, err
	}
	for _, p := range problems {
		check.Problems = append(check.Problems, api.ConfigProblem{Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Msg, Hint: p.Hint})
	}
	return c, check, nil
}

// DiffConfig says what a reload of the text of a file would do now. It makes the plan that the reload would carry out,
// and changes nothing.
func (l *Loop) DiffConfig(ctx context.Context, text []byte) (api.ConfigDiff, error) {
	c, check, err := l.parse(text)
	if err != nil {
		return api.ConfigDiff{}, err
	}
	d := api.ConfigDiff{ConfigCheck: check, InForce: l.view.Load().config.Digest, Outcome: api.OutcomeInvalid, Changes: []api.ConfigChange{}}
	if c == nil {
		return d, nil
	}
	err = l.do(ctx, func() { l.diff(c, &d) })
	return d, problem(err)
}

// diff is attempt without the attempt.
func (l *Loop) diff(c *config.Config, d *api.ConfigDiff) {
	d.InForce = l.config.Digest
	if c.Digest == l.config.Digest {
		d.Outcome = api.OutcomeUnchanged
		if l.reload != nil {
			d.Reason = "the file that is on its way into force would be given up"
		}
		return
	}
	prev := l.table
	if l.reload != nil {
		prev = l.reload.prev(l.table) // what waits has found out about targets already
	}
	p, err := l.plan(c, l.o.Now(), prev)
	if err != nil {
		d.Outcome, d.Reason = api.OutcomeRefused, err.Error()
		return
	}
	d.Outcome = api.OutcomeApplies
	if pools := starved(l.table, p.table); len(pools) > 0 {
		d.Outcome, d.Reason = api.OutcomeWaits, sayStarved(pools)+sayUnprobed(pools)
	}
	f := &differ{loop: l, plan: p}
	f.services()
	f.flags()
	f.process()
	d.Changes = append(d.Changes, f.changes...)
	for _, change := range f.changes {
		d.Moves = d.Moves || change.Moves
	}
}

// sayUnprobed says that nobody has looked at targets yet.
func sayUnprobed(pools []*router.Pool) string {
	for _, p := range pools {
		if p.Count(router.Unknown) > 0 {
			return "; those that are new are probed as soon as the file is read"
		}
	}
	return ""
}

// differ collects what a plan would change.
type differ struct {
	loop    *Loop
	plan    *plan
	changes []api.ConfigChange
}

func (f *differ) add(c api.ConfigChange) { f.changes = append(f.changes, c) }

// say adds a sentence about a service, or the flag it stands for.
func (f *differ) say(area, service string, moves bool, format string, args ...any) {
	c := api.ConfigChange{Area: area, Service: service, Moves: moves, Sentence: fmt.Sprintf(format, args...)}
	if flag := config.FlagOf(service); flag != "" {
		c.Service, c.Flag = "", flag
	}
	f.add(c)
}
