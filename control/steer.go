package control

import (
	"context"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
)

// StartRollout begins a rollout at its first step, also of a version that was rolled back before. With
// two pools To may be left out.
func (l *Loop) StartRollout(ctx context.Context, service string, r api.StartRequest, call api.Call) (api.Change, error) {
	to := r.To
	if to == "" {
		to = config.RoleCandidate
	}
	l.probed(ctx, service, []string{to}, false)
	return l.command(ctx, service, call, rollout.Commanded{Verb: rollout.VerbStart, To: r.To, Reason: r.Reason})
}

// Promote goes to the next step of the running rollout, or with Full to 100 %.
func (l *Loop) Promote(ctx context.Context, service string, r api.PromoteRequest, call api.Call) (api.Change, error) {
	return l.command(ctx, service, call, rollout.Commanded{Verb: rollout.VerbPromote, Full: r.Full, Reason: r.Reason})
}

// Approve agrees that the running rollout leaves its step once that is proven.
func (l *Loop) Approve(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	return l.simple(ctx, rollout.VerbApprove, service, r, call)
}

// OpenGate opens the gate that the running rollout asks or asked in vain, because a person says so.
func (l *Loop) OpenGate(ctx context.Context, service string, r api.OpenGateRequest, call api.Call) (api.Change, error) {
	return l.command(ctx, service, call, rollout.Commanded{Verb: rollout.VerbOpenGate, Gate: config.GateAt(r.Gate), Reason: r.Reason})
}

// StepBack goes to the previous step of the running rollout, from the first one to 0 and its end.
func (l *Loop) StepBack(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	return l.simple(ctx, rollout.VerbStepBack, service, r, call)
}
