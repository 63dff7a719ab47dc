package control

import (
	"context"
	"encoding/json"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// setShare moves the percentage of a flag with a rollout. A percentage that is a step of it goes by the
// rollout, so that the judge looks at it: the first one starts it, the next one promotes, the one before steps
// back, nobody rolls back and everybody promotes in full. Any other percentage is set like weights, which a
// running rollout refuses.
func (l *Loop) setShare(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	v := l.view.Load()
	if _, found, err := v.answered(call, prefix+config.FlagService(name), l.o.Now()); err != nil {
		return api.FlagChange{}, err
	} else if found {
		return api.FlagChange{Flag: v.flag(name), Changed: true, Replayed: true}, nil
	}
	if err := v.sameFlag(name, q); err != nil {
		return api.FlagChange{}, err
	}
	share, err := shareOf(name, q)
	if err != nil {
		return api.FlagChange{}, err
	}
	change, err := l.moveShare(ctx, v, config.FlagService(name), share, q.Reason, call)
	if err != nil {
		return api.FlagChange{}, err
	}
	answer := api.FlagChange{Flag: l.view.Load().flag(name), Changed: change.Changed, DryRun: call.DryRun}
	if call.DryRun {
		return foreseenShare(answer, v.config.Flag(name), share), nil
	}
	return answer, nil
}

// dropShare returns a flag with a rollout to what the file says: its percentage, which a running rollout
// refuses, and what was set before the file gave it a rollout.
func (l *Loop) dropShare(ctx context.Context, name string, q api.FlagRequest, call api.Call) (api.FlagChange, error) {
	if err := l.view.Load().sameFlag(name, q); err != nil {
		return api.FlagChange{}, err
	}
	moved, err := l.DropIntent(ctx, config.FlagService(name), api.CommandRequest{Reason: q.Reason}, call)
	if err != nil {
		return api.FlagChange{}, err
	}
	q.IfMatch = "" // it was looked at, and dropping the percentage changed it
	change, err := l.flagCommand(ctx, name, q, call, flags.VerbDrop)
	change.Changed = change.Changed || moved.Changed
	return change, err
}

// sameFlag refuses a request about another flag than the caller thinks.
func (v *view) sameFlag(name string, q api.FlagRequest) error {
	if tag := v.flag(name).Tag; q.New || q.IfMatch != "" && q.IfMatch != "*" && q.IfMatch != tag {
		return api.Problem(api.TypeStaleRevision, "flag %s is at %s; look at it again before you change it", name, tag)
	}
	return nil
}

// shareOf reads the percentage that a request asks for. The rest of the flag is the file's.
func shareOf(name string, q api.FlagRequest) (config.Weight, error) {
	refusal := api.Problem(api.TypeInvalid,
		"flag %s has a rollout: at run time only its percentage moves, by strategy none, all or percentage; change the rest in the file", name)
	all := map[string]json.RawMessage{}
	if json.Unmarshal(q.Definition, &all) != nil || !q.Merge {
		return 0, refusal
	}
	for key := range all {
		if key != "strategy" && key != "value" {
			return 0, refusal
		}
	}
	f, err := config.ParseFlag(name, q.Definition)
	if err != nil {
		return 0, notAFlag(err)
	}
	switch f.Strategy {
	case config.ForNone:
		return 0, nil
	case config.ForAll:
		return config.Full, nil
	case config.ByPercentage:
		return f.Value, nil
	case config.ForUsers:
	}
	return 0, refusal
}

func (l *Loop) moveShare(ctx context.Context, v *view, service string, share config.Weight, reason string, call api.Call) (api.Change, error) {
	svc, state := v.config.Service(service), v.records[service].state
	r := state.Running()
	command := api.CommandRequest{Reason: reason}
	switch {
	case state.InForce()[config.VariantOn] == share && r == nil:
		return api.Change{}, nil
	case r == nil && share == svc.Rollout.Steps[0].Weight && share < config.Full && state.InForce()[config.VariantOn] == 0:
		return l.StartRollout(ctx, service, api.StartRequest{To: config.VariantOn, Reason: reason}, call)
	case r == nil || r.Candidate != config.VariantOn:
		w := api.Weights{config.VariantOn: share.Percent(), config.VariantOff: (config.Full - share).Percent()}
		return l.SetWeights(ctx, service, api.WeightsRequest{Weights: w, Reason: reason}, call)
	case share == r.Weight:
		return api.Change{}, nil
	case share == 0:
		return l.Rollback(ctx, service, command, call)
	case share == config.Full:
		return l.Promote(ctx, service, api.PromoteRequest{Full: true, Reason: reason}, call)
	}
	if next, _, ok := r.Next(svc.Rollout); ok && share == next {
		return l.Promote(ctx, service, api.PromoteRequest{Reason: reason}, call)
	}
	if r.Step > 1 && share == svc.Rollout.Steps[r.Step-2].Weight {
		return l.StepBack(ctx, service, command, call)
	}
	return api.Change{}, api.Problem(api.TypeRolloutInProgress,
		"the rollout of %s is at %v; it can be moved to the step before or behind, to none or to all", config.FlagOf(service), r.Weight)
}

// foreseenShare is the answer to a percentage that nobody has yet.
func foreseenShare(c api.FlagChange, file *config.Flag, share config.Weight) api.FlagChange {
	would := *file
	would.Strategy, would.Value = config.ByPercentage, share
	c.Says = flags.Say(&would)
	c.Definition, _ = json.Marshal(&would) // it was read from text
	return c
}
