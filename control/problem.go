package control

import (
	"context"
	"errors"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
)

// kinds is the one table from refusals to problem types.
var kinds = map[rollout.Kind]string{
	rollout.Invalid:            api.TypeInvalid,
	rollout.UnexpectedLivePool: api.TypeUnexpectedLivePool,
	rollout.PoolInUse:          api.TypeUnexpectedLivePool,
	rollout.NothingToRollBack:  api.TypeNothingToRollBack,
	rollout.PoolNotReady:       api.TypePoolNotReady,
	rollout.RolloutInProgress:  api.TypeRolloutInProgress,
	rollout.StaleLeader:        api.TypeInternal, // no command is a leader's
}

// problem is err as an *api.Error; nil stays nil.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var (
		known   *api.Error
		refusal *rollout.Refusal
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &refusal):
		return api.Problem(kinds[refusal.Kind], "%v", err)
	case errors.Is(err, errStore), errors.Is(err, store.ErrConflict), errors.Is(err, errEnded):
		return api.Problem(api.TypeStoreUnavailable, "%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return api.Problem(api.TypeStoreUnavailable, "given up before it was its turn; nothing was changed: %v", err)
	}
	return api.Problem(api.TypeInternal, "%v", err)
}

// refused is the answer to a command that must not be carried out, with the targets in its way.
func (l *Loop) refused(service string, err error) error {
	var refusal *rollout.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	p := api.Problem(kinds[refusal.Kind], "%s", refusal.Detail)
	for _, t := range refusal.NotUp {
		p.Targets = append(p.Targets, l.target(service, t))
	}
	return p
}

// target is a target of a refusal with all that is known of it.
func (l *Loop) target(service string, t rollout.Target) api.Target {
	for _, p := range l.table.Service(service).Pools {
		for _, known := range p.Targets {
			if known.URL == t.URL && known.Status().String() == t.Status {
				return targets([]*router.Target{known})[0]
			}
		}
	}
	return api.Target{URL: t.URL, Status: t.Status, Error: t.Error}
}

func unknownService(name string) error {
	return api.Problem(api.TypeNotFound, "there is no service %q", name)
}

func stale(service string, want int64, have store.Revision) error {
	return api.Problem(api.TypeStaleRevision, "%s is at revision %d, not %d; look at it again before you change it", service, have, want)
}
