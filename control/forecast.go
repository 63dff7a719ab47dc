package control

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/store"
)

// Plan says what each step of a rollout needs at the present rate of traffic, whether one runs or not.
// Without traffic it says so.
func (l *Loop) Plan(ctx context.Context, service string) (api.Plan, error) {
	var plan api.Plan
	var err error
	if failed := l.do(ctx, func() { plan, err = l.forecast(service) }); failed != nil {
		err = failed
	}
	return plan, problem(err)
}

func (l *Loop) forecast(service string) (api.Plan, error) {
	svc := l.config.Service(service)
	switch {
	case svc == nil:
		return api.Plan{}, unknownService(service)
	case svc.Rollout == nil:
		return api.Plan{}, api.Problem(api.TypeInvalid, "the file has no rollout for %s; add rollout: {} to the service", service)
	case l.o.Sampler == nil:
		return api.Plan{}, api.Problem(api.TypeInvalid, "nothing is counted here: there is nothing to plan with")
	}
	e, err := l.evidenceOf(service)
	if err != nil {
		return api.Plan{}, err
	}
	state := l.records[service].state
	f := forecast{svc: svc, policy: policyOf(svc), memory: e.known(state.Baseline), rate: l.rate(svc), known: e}
	plan := api.Plan{
		Service: service, Rate: f.rate, Errors: 100 * f.memory.Guess(config.CheckErrors),
		Running: state.Running() != nil, Steps: []api.PlanStep{}, Problems: []string{},
	}
	if f.rate == 0 {
		plan.Problems = append(plan.Problems, "no traffic: without requests nothing is ever proven")
	}
	for i := range svc.Rollout.Steps {
		step, problems := f.step(i)
		plan.Steps = append(plan.Steps, step)
		if f.rate > 0 {
			plan.Problems = append(plan.Problems, problems...)
		}
	}
	return plan, nil
}

// evidenceOf is what is known of a service here: of a node that does not lead, what the leader wrote.
func (l *Loop) evidenceOf(service string) (evidence, error) {
	if t := l.trials[service]; t != nil && l.leads() {
		return t.evidence, nil
	}
	e, err := l.fetch(evidencePrefix + service)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return evidence{}, nil
	case err != nil:
		return evidence{}, fmt.Errorf("%w: %w", errStore, err)
	}
	found, err := decodeEvidence(e.Value)
	if err != nil {
		return evidence{}, nil // the leader says so
	}
	return found, nil
}

// rate is requests a second of a service: what the leader judged of all nodes, or what this one saw when
// it is alone.
func (l *Loop) rate(svc *config.Service) float64 {
	if t := l.trials[svc.Name]; t != nil && len(t.nodes) > 0 {
		return t.flow.rate()
	}
	rate, now := 0.0, l.o.Now()
	for _, p := range svc.Pools {
		rate += l.o.Sampler.Cells(svc.Name, p.Name).Traffic(now).Rate()
	}
	return rate
}

// forecast is what a plan is made of.
type forecast struct {
	svc    *config.Service
	policy judge.Policy
	memory *judge.Memory
	rate   float64
	known  evidence
}

// share is what the candidate has at a step, from 0 to 1.
func (f *forecast) share(i int) float64 {
	w, bake := f.svc.Rollout.Steps[i].Weight, f.svc.Rollout.Bake
	if w == config.Full && bake != nil {
		w -= bake.Holdback
	}
	return float64(w) / float64(config.Full)
}

// step is what one step needs. At 100 % nothing is left to compare, and in a bake nothing to prove.
func (f *forecast) step(i int) (api.PlanStep, []string) {
	plan, at := f.svc.Rollout, f.svc.Rollout.Steps[i]
	out := api.PlanStep{
		Step: i + 1, Weight: 100 * f.share(i), Least: sayTime(at.For), Deadline: sayTime(plan.Deadline),
		Clear: api.PlanNeed{What: "nothing to prove"}, Detect: []api.PlanNeed{},
	}
	if i == len(plan.Steps)-1 {
		if plan.Bake != nil {
			out.Least = sayTime(plan.Bake.For)
			out.Detect = f.detect(judge.Traffic{Rate: f.rate, Weight: f.share(i), Next: 1})
		}
		return out, nil
	}
	tr := judge.Traffic{Rate: f.rate, Weight: f.share(i), Next: f.share(i + 1), Deadline: plan.Deadline}
	var problems []string
	slowest := time.Duration(-1)
	for k, c := range f.policy.Checks {
		pace := f.known.pace(&c, tr)
		if c.ObserveOnly || pace.Rate == 0 && tr.Rate > 0 {
			continue // decides nothing, or nobody came yet whom it is about
		}
		p := f.policy.Plan(k, f.memory, pace)
		if p.Clear.Time > slowest {
			slowest = p.Clear.Time
			out.Clear = need("an equal version, by "+c.Name, p.Clear)
		}
		if !p.Fits {
			problems = append(problems, f.tight(i, &c, p))
		}
	}
	out.Detect = f.detect(tr)
	return out, problems
}

// tight says that a check cannot be cleared in time, and what could.
func (f *forecast) tight(i int, c *judge.Check, p judge.Plan) string {
	at := fmt.Sprintf("step %d (%v): ", i+1, f.svc.Rollout.Steps[i].Weight)
	if _, _, known := f.memory.Thresholds(c); c.Kind == judge.Latency && !known {
		return at + "nothing is known yet of the baseline's " + c.Name
	}
	said := at + fmt.Sprintf("too little traffic for the tolerance of %s within %s", c.Name, sayTime(f.svc.Rollout.Deadline))
	switch {
	case math.IsNaN(p.Smallest):
		return said + "; none fits the deadline"
	case c.Kind == judge.Latency:
		return fmt.Sprintf("%s; the smallest that fits the deadline is max_ratio: %s", said, number(p.Smallest))
	}
	key := "max_increase"
	if c.Kind == judge.Ratio {
		key = "max_decrease"
	}
	return fmt.Sprintf("%s; the smallest that fits the deadline is %s: %s", said, key, number(100*p.Smallest))
}

// number is rounded up to two places: a tolerance that is a little wider fits too.
func number(x float64) string { return strconv.FormatFloat(math.Ceil(x*100)/100, 'f', -1, 64) }

// detect is what it takes to roll a worse candidate back: more failures, or a p99 half as long again.
func (f *forecast) detect(tr judge.Traffic) []api.PlanNeed {
	needs := []api.PlanNeed{}
	for k, c := range f.policy.Checks {
		if c.Kind != judge.Errors && c.Name != config.CheckP99 {
			continue
		}
		for _, bad := range f.policy.Plan(k, f.memory, tr).Catch {
			what := fmt.Sprintf("%s +%s points", c.Name, number(100*bad.Increase))
			if bad.Factor > 0 {
				what = fmt.Sprintf("%s ×%s", c.Name, number(bad.Factor))
			}
			needs = append(needs, need(what, bad.Need))
		}
	}
	return needs
}

func need(what string, n judge.Need) api.PlanNeed {
	out := api.PlanNeed{What: what}
	if !math.IsInf(n.Requests, 0) && !math.IsNaN(n.Requests) {
		out.Requests = math.Ceil(n.Requests)
	}
	switch {
	case n.Time == math.MaxInt64:
		out.Time = "never"
	case n.Time > 0:
		out.Time = sayTime(max(n.Time, time.Second))
	}
	return out
}
