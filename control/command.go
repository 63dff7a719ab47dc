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
	if failed := l.do(ctx, func() { change, err = l.execute(service, call.IfMatch, e) }); failed != nil {
		err = failed
	}
	return change, problem(err)
}

// execute starts again from what is there as long as somebody else was faster.
func (l *Loop) execute(service string, ifMatch int64, e rollout.Commanded) (api.Change, error) {
	e.At = l.o.Now()
	for range attempts {
		change, err := l.try(service, ifMatch, e)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		l.attempt() // a file that waits may have waited for this
		return change, err
	}
	return api.Change{}, store.ErrConflict
}

func (l *Loop) try(service string, ifMatch int64, e rollout.Commanded) (api.Change, error) {
	svc := l.config.Service(service)
	if svc == nil {
		return api.Change{}, unknownService(service)
	}
	alone := false // the store is away, and a rollback does not wait for it
	if err := l.refresh(service); err != nil {
		if alone = e.Verb == rollout.VerbRollback && errors.Is(err, errStore); !alone {
			return api.Change{}, err
		}
	}
	rec, before := l.records[service], l.table
	if ifMatch != 0 && ifMatch != int64(rec.revision) {
		return api.Change{}, stale(service, ifMatch, rec.revision)
	}
	e.Facts = facts(before.Service(service))
	next, actions, err := rollout.Step(svc, rec.state, e)
	if err != nil {
		return api.Change{}, l.refused(service, err)
	}
	same, err := equal(rec.state, next)
	if err != nil {
		return api.Change{}, err
	}
	if !same {
		d := &draft{service: service, state: next, actions: actions, ahead: alone}
		if err := l.carryOut(d, e.Verb == rollout.VerbRollback); err != nil {
			return api.Change{}, err
		}
	}
	change := l.change(before, service)
	change.Changed = !same
	if e.Verb == rollout.VerbRollback {
		change.Undo = ""
	}
	return change, nil
}

// carryOut compiles, writes and enforces a draft, in this order: all that can fail comes first. A draft
// that is ahead is not written now; one that is urgent does not fail because the store does.
func (l *Loop) carryOut(d *draft, urgent bool) error {
	table, err := l.compile(l.config, l.table, map[string]rollout.State{d.service: d.state})
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
