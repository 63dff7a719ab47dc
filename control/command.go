package control

import (
	"context"
	"errors"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
)

// command carries out one command: when it returns without error, what it changed is durable and in
// force. Once Run has taken it up it is carried out whatever becomes of ctx.
func (l *Loop) command(ctx context.Context, service string, call api.Call, e rollout.Commanded) (api.Change, error) {
	var err error
	if e.Reason, err = plain(e.Reason); err != nil {
		return api.Change{}, err
	}
	e.By, e.Remote = call.By, call.From
	if e.By == "" {
		e.By = "anonymous"
	}
	var change api.Change
	if failed := l.do(ctx, func() { change, err = l.execute(service, call, e) }); failed != nil {
		err = failed
	}
	return change, problem(err)
}

// execute starts again from what is there as long as somebody else was faster.
func (l *Loop) execute(service string, call api.Call, e rollout.Commanded) (api.Change, error) {
	e.At = l.o.Now()
	for range attempts {
		change, err := l.try(service, call, e)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if call.DryRun {
			return change, err
		}
		l.attempt() // a file that waits may have waited for this
		return change, err
	}
	return api.Change{}, store.ErrConflict
}

func (l *Loop) try(service string, call api.Call, e rollout.Commanded) (api.Change, error) {
	svc := l.config.Service(service)
	if svc == nil {
		return api.Change{}, unknownService(service)
	}
	away := l.refresh(service)
	if r, found, err := l.known().answered(call, prefix+service, e.At); err != nil {
		return api.Change{}, err
	} else if found {
		return l.replayed(service, r)
	}
	alone := false // the store is away, and a rollback does not wait for it
	if away != nil {
		if alone = e.Verb == rollout.VerbRollback && errors.Is(away, errStore); !alone {
			return api.Change{}, away
		}
	}
	rec, was := l.records[service], l.dated(service)
	if call.IfMatch != 0 && call.IfMatch != int64(rec.revision) {
		return api.Change{}, stale(service, call.IfMatch, rec.revision)
	}
	e.Facts = facts(l.table.Service(service))
	next, actions, err := rollout.Step(svc, was, e)
	if err != nil {
		return api.Change{}, l.refused(service, err)
	}
	same, err := equal(was, next)
	if err != nil {
		return api.Change{}, err
	}
	answer := l.foreseen(svc, next)
	answer.Changed, answer.DryRun = !same, call.DryRun
	if e.Verb == rollout.VerbRollback {
		answer.Undo = ""
	}
	switch {
	case call.DryRun:
		_, err = l.compile(l.config, l.table, alsoService(service, next))
		return answer, err
	case same:
		l.keepAnswer(prefix+service, call, e.At, int64(rec.revision), answer)
		answer.Durable = !rec.ahead
		return answer, nil
	}
	before := l.table
	d := &draft{service: service, state: l.signed(next, call, e.At, answer), actions: actions, ahead: alone}
	if err := l.carryOut(d, e.Verb == rollout.VerbRollback); err != nil {
		return api.Change{}, err
	}
	change := l.change(before, service)
	change.Changed = true
	if e.Verb == rollout.VerbRollback {
		change.Undo = ""
	}
	return change, nil
}

// alsoService is one state on its way into force.
func alsoService(name string, s rollout.State) next {
	return next{services: map[string]rollout.State{name: s}}
}

// carryOut compiles, writes and enforces a draft, in this order: all that can fail comes first. A draft
// that is ahead is not written now; one that is urgent does not fail because the store does.
func (l *Loop) carryOut(d *draft, urgent bool) error {
	d.state = l.pruned(d.service, d.state)
	table, err := l.compile(l.config, l.table, alsoService(d.service, d.state))
	if err != nil {
		return err
	}
	if !d.ahead {
		err := l.write(d)
		d.ahead = urgent && errors.Is(err, errStore)
		if err != nil && !d.ahead {
			return err
		}
	}
	l.settle(d)
	l.enforce(l.settled(table))
	l.announce(d.service, l.records[d.service].revision, d.actions)
	return nil
}

// change describes a service now against the table from before. Its weights in the answer are those of
// every request that arrives from now on.
func (l *Loop) change(before *router.Table, service string) api.Change {
	was, is, rec := before.Service(service), l.table.Service(service), l.records[service]
	c := api.Change{
		Service: service, Revision: int64(rec.revision), Durable: !rec.ahead,
		Previous: percent(was.Config, was.Weights), Weights: percent(is.Config, is.Weights),
		InFlight: map[string]int64{},
	}
	for _, p := range lost(was, is) {
		c.InFlight[p.Name] = p.InFlight()
	}
	if possible, _ := rollout.Undo(is.Config, rec.state, facts(is)); possible {
		c.Undo = undo(service)
	}
	return c
}

// moved is change for a service that was there before and whose weights in force differ now.
func (l *Loop) moved(before *router.Table, service string) (api.Change, bool) {
	was := before.Service(service)
	if was == nil || was.Weights.Equal(l.table.Service(service).Weights) {
		return api.Change{}, false
	}
	c := l.change(before, service)
	c.Changed = true
	return c, true
}

// lost lists the pools that have no weight any more; their requests in flight are still to end.
func lost(was, is *router.Service) []*router.Pool {
	var pools []*router.Pool
	for _, p := range was.Pools {
		if p.Weight > 0 && is.Weights[p.Name] == 0 {
			pools = append(pools, p)
		}
	}
	return pools
}

func undo(service string) string { return "switchback rollback " + service }

// percent is weights as the API has them: every pool of the service, and those with weight that are
// no pool of it any more.
func percent(svc *config.Service, w config.Weights) api.Weights {
	if w == nil {
		return nil
	}
	all := make(api.Weights, len(svc.Pools))
	for _, p := range svc.Pools {
		all[p.Name] = 0
	}
	for name, v := range w {
		all[name] = v.Percent()
	}
	return all
}
