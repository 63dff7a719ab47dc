package control

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
)

// maxReason bounds what a reason adds to a state, in bytes.
const maxReason = 1000

// drainPoll is how often a command that waits looks at the requests in flight.
const drainPoll = 20 * time.Millisecond

// SetWeights puts weights in force, as an intent or, where they are what the file says, as the file's.
func (l *Loop) SetWeights(ctx context.Context, service string, r api.WeightsRequest, call api.Call) (api.Change, error) {
	weights := make(config.Weights, len(r.Weights))
	for name, percent := range r.Weights {
		w, err := config.ParseWeight(percent)
		if err != nil {
			return api.Change{}, api.Problem(api.TypeInvalid, "%s: %v", name, err)
		}
		weights[name] = w
	}
	l.probed(ctx, service, names(weights), false)
	return l.command(ctx, service, call, rollout.Commanded{
		Verb: rollout.VerbWeights, Weights: weights, Reason: r.Reason, Force: r.Force,
	})
}

// DropIntent puts the file's weights in force.
func (l *Loop) DropIntent(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	l.probed(ctx, service, names(l.state(service).Basis), false)
	return l.simple(ctx, rollout.VerbDrop, service, r, call)
}

// Cutover gives one pool everything. It waits for missing first probes, at most the health timeout of
// the service. With Wait it answers when the pools that lost their weight have no request in flight, or
// when Timeout is over.
func (l *Loop) Cutover(ctx context.Context, service string, r api.CutoverRequest, call api.Call) (api.Change, error) {
	timeout, err := waiting(r)
	if err != nil {
		return api.Change{}, err
	}
	l.probed(ctx, service, []string{r.To}, true)
	c, err := l.command(ctx, service, call, rollout.Commanded{
		Verb: rollout.VerbCutover, To: r.To, From: r.From, Reason: r.Reason, Force: r.Force,
	})
	if err == nil && r.Wait != "" && !c.DryRun {
		l.drain(ctx, &c, timeout)
	}
	return c, err
}

// Rollback restores the traffic from before the last change that moved it. When the store is away it is
// in force on this node at once, and Durable is false until the store has it.
func (l *Loop) Rollback(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	if previous := l.state(service).Previous; previous != nil && !r.Force {
		l.probed(ctx, service, names(previous.Weights), false)
	}
	return l.simple(ctx, rollout.VerbRollback, service, r, call)
}

// Pause keeps the file from moving traffic. Commands still do.
func (l *Loop) Pause(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	return l.simple(ctx, rollout.VerbPause, service, r, call)
}

// Resume ends a pause; weights of the file that waited come into force.
func (l *Loop) Resume(ctx context.Context, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	if v := l.view.Load(); v.config.Service(service) != nil {
		l.probed(ctx, service, names(v.records[service].state.Pending(v.config.Service(service))), false)
	}
	return l.simple(ctx, rollout.VerbResume, service, r, call)
}

func (l *Loop) simple(ctx context.Context, verb rollout.Verb, service string, r api.CommandRequest, call api.Call) (api.Change, error) {
	return l.command(ctx, service, call, rollout.Commanded{Verb: verb, Reason: r.Reason, Force: r.Force})
}

// state is what is shown of a service's state; empty for a service unknown.
func (l *Loop) state(service string) rollout.State { return l.view.Load().records[service].state }

// waiting checks the words of a cutover that waits. No timeout is 0.
func waiting(r api.CutoverRequest) (time.Duration, error) {
	if r.Wait != "" && r.Wait != "drained" {
		return 0, api.Problem(api.TypeInvalid, "wait %q is not known; did you mean \"drained\"?", r.Wait)
	}
	if r.Timeout == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(r.Timeout)
	if err != nil || d <= 0 {
		return 0, api.Problem(api.TypeInvalid, "timeout %q is not a duration such as 30s or 5m", r.Timeout)
	}
	return d, nil
}

// drain waits until the previous pools have no request in flight, and notes in c how that went. No
// timeout is that of the service's drain.
func (l *Loop) drain(ctx context.Context, c *api.Change, timeout time.Duration) {
	s := l.view.Load().table.Service(c.Service)
	if s == nil {
		return // its service left the file meanwhile
	}
	if timeout == 0 {
		timeout = s.Config.Drain.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for pools := previous(s, c); ; {
		drained := true
		for _, p := range pools {
			c.InFlight[p.Name] = p.InFlight()
			drained = drained && c.InFlight[p.Name] == 0
		}
		c.Drained = &drained
		if drained {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// previous lists the pools to drain: those that lost their weight or, when the cutover was made before
// and only the waiting is left, all that have none.
func previous(s *router.Service, c *api.Change) []*router.Pool {
	var pools []*router.Pool
	for _, p := range s.Pools {
		if _, lost := c.InFlight[p.Name]; lost || !c.Changed && c.Weights[p.Name] == 0 {
			pools = append(pools, p)
		}
	}
	return pools
}

// plain makes a reason fit for one line.
func plain(reason string) (string, error) {
	if len(reason) > maxReason {
		return "", api.Problem(api.TypeInvalid, "the reason has %d bytes; at most %d are kept", len(reason), maxReason)
	}
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, " "))
	return strings.TrimSpace(line), nil
}

func names(w config.Weights) []string {
	var list []string
	for name, v := range w {
		if v > 0 {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
