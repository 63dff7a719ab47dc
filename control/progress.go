package control

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
)

// progress is what readers are told of the evidence of a rollout.
type progress struct {
	observed time.Duration
	proven   bool // every check passes
	checks   []api.Check
	waiting  string // for proof; "": it does not
}

// judged is the evidence of a running rollout as it was a moment ago. It is not changed.
type judged struct {
	evidence
	rate float64 // requests a second, of all nodes; 0: this one is alone, or does not know
}

// report keeps for readers what is known of a service.
func (l *Loop) report(svc *config.Service) {
	r := l.records[svc.Name].state.Running()
	var now judged
	if t := l.trials[svc.Name]; t != nil && l.leads() {
		now.evidence, now.Memory = t.evidence, nil
		if len(t.nodes) > 0 {
			now.rate = t.flow.rate()
		}
		if r != nil {
			m := *t.memory(r.Baseline) // it goes on learning
			now.Memory = map[string]*judge.Memory{r.Baseline: &m}
		}
	} else if h := l.helpers[svc.Name]; h != nil {
		now.evidence = h.evidence
	}
	if r == nil || now.Rollout != r.ID {
		delete(l.judged, svc.Name)
		return
	}
	l.judged[svc.Name] = &now
}

// progress is what is told of a running rollout; empty when nothing is known of its step.
func (v *view) progress(svc *config.Service, s rollout.State) *progress {
	r, j := s.Running(), v.judged[svc.Name]
	if r == nil || j == nil || j.Rollout != r.ID || j.Epoch != r.Epoch || svc.Rollout == nil {
		return &progress{}
	}
	p := policyOf(svc)
	return progressOf(&j.evidence, &p, r, v.traffic(svc, s, j.rate))
}

// traffic is what the service's requests are like now.
func (v *view) traffic(svc *config.Service, s rollout.State, rate float64) judge.Traffic {
	r := s.Running()
	if rate == 0 && v.sampler != nil {
		now := v.now()
		for _, pool := range []string{r.Baseline, r.Candidate} {
			if svc.Pool(pool) != nil {
				rate += v.sampler.Cells(svc.Name, pool).Traffic(now).Rate()
			}
		}
	}
	return judge.Traffic{
		Rate: rate, Weight: float64(s.InForce()[r.Candidate]) / float64(config.Full),
		Next: proofWeight(r), Deadline: svc.Rollout.Deadline,
	}
}

func progressOf(e *evidence, p *judge.Policy, r *rollout.Rollout, tr judge.Traffic) *progress {
	v := e.Trial.Verdict(p)
	out := &progress{observed: e.Observed, proven: v.Outcome == judge.Pass}
	m := e.known(r.Baseline)
	for i, n := range numbers(e, p) {
		c := checkOf(n)
		o := e.Outside[n.Name]
		switch {
		case n.Verdict == judge.Undecided.String():
			c.Waiting = sayNeed(n.Candidate.Requests, e.Trial.Remaining(p, i, m, e.pace(&p.Checks[i], tr)), unit(&p.Checks[i]), r.Candidate)
		case o.missing():
			c.MissingSince, c.Waiting = new(o.Since), e.sayLacking(p, i)
		}
		c.Error = o.Err
		out.checks = append(out.checks, c)
	}
	if said := e.Silence.say(p, r.Candidate); said != "" {
		out.proven, out.waiting = false, said
	} else if lacking := e.lacks(p); lacking >= 0 && v.Outcome != judge.Fail {
		out.proven, out.waiting = false, e.sayLacking(p, lacking)
	} else if !out.proven && v.Check >= 0 {
		out.waiting = sayWaiting(e, p, r, v, tr)
	}
	return out
}

// powers is the evidence of a running rollout for metrics; nil: none is known of its step.
func (v *view) powers(svc *config.Service, s rollout.State) []Evidence {
	r, j := s.Running(), v.judged[svc.Name]
	if r == nil || j == nil || j.Rollout != r.ID || svc.Rollout == nil {
		return nil
	}
	var all []Evidence
	p := policyOf(svc)
	for i := range p.Checks {
		f := j.Trial.Finding(&p, i)
		all = append(all, Evidence{Check: p.Checks[i].Name, For: f.For / math.Ln10, Against: f.Against / math.Ln10})
	}
	return all
}

func checkOf(n rollout.CheckNumbers) api.Check {
	return api.Check{
		Name: n.Name, Verdict: n.Verdict, For: n.For, Against: n.Against,
		Candidate: api.Counts(n.Candidate), Baseline: api.Counts(n.Baseline),
		Observed: n.Observed, Values: n.Values,
	}
}

// pace is the traffic that a check sees.
func (e *evidence) pace(c *judge.Check, tr judge.Traffic) judge.Traffic {
	if c.Kind == judge.Ratio {
		tr.Rate = e.Outside[c.Name].Rate
	}
	return tr
}

// unit is what a check counts.
func unit(c *judge.Check) string {
	switch c.Kind {
	case judge.Value:
		return "values"
	case judge.Errors, judge.Latency, judge.Slow, judge.Ratio:
	}
	return "requests"
}

// sayWaiting is what the proof of a step waits for.
func sayWaiting(e *evidence, p *judge.Policy, r *rollout.Rollout, v judge.Verdict, tr judge.Traffic) string {
	m := e.known(r.Baseline)
	if said, ok := e.Trial.Trouble(p, m, scene(r)); ok {
		return said
	}
	if v.Outcome == judge.Missing && p.Checks[v.Check].Kind == judge.Latency && r.Step == 1 && e.Observed < judge.WarmUp {
		return fmt.Sprintf("the warm-up of %s, %s more", r.Candidate, sayTime(judge.WarmUp-e.Observed))
	}
	need := e.Trial.Remaining(p, v.Check, m, e.pace(&p.Checks[v.Check], tr))
	f := e.Trial.Finding(p, v.Check)
	if v.Outcome == judge.Undecided && f.For < -math.Log(p.Beta) {
		if said := sayNeed(total(f.Candidate).Requests, need, unit(&p.Checks[v.Check]), r.Candidate); said != "" {
			return said
		}
	}
	return strings.TrimPrefix(e.Trial.Waiting(p, scene(r), need), "waiting: ")
}

// sayNeed is "212 of about 300 requests on green (2m at the present rate)"; "" when it cannot be told.
func sayNeed(have int64, need judge.Need, unit, pool string) string {
	if math.IsInf(need.Requests, 0) || math.IsNaN(need.Requests) || need.Requests <= 0 {
		return ""
	}
	said := fmt.Sprintf("%d of about %.0f %s on %s", have, roundUp(float64(have)+need.Requests), unit, pool)
	if need.Time > 0 && need.Time < math.MaxInt64 {
		said += fmt.Sprintf(" (about %s at the present rate)", sayTime(max(need.Time, time.Second)))
	}
	return said
}

// roundUp keeps two figures.
func roundUp(n float64) float64 {
	scale := math.Pow(10, max(0, math.Floor(math.Log10(max(n, 1)))-1))
	return math.Ceil(n/scale) * scale
}

// sayTime is a duration without its zeros: "30m", "1h5m".
func sayTime(d time.Duration) string {
	said := d.Round(time.Second).String()
	if strings.HasSuffix(said, "m0s") {
		said = strings.TrimSuffix(said, "0s")
	}
	if strings.HasSuffix(said, "h0m") {
		said = strings.TrimSuffix(said, "0m")
	}
	return said
}

// rollout is the running rollout of a service, or the last one; nil: none ran.
func (v *view) rollout(svc *config.Service, s rollout.State) *api.Rollout {
	r := s.Rollout
	if r == nil {
		return nil
	}
	out := &api.Rollout{
		ID: r.ID, Phase: string(r.Phase), Step: r.Step, Candidate: r.Candidate, Baseline: r.Baseline,
		Version: r.Version, Since: r.Since, Began: r.Began, Observed: "0s", Approved: r.Approved,
		Sentence: r.Sentence, Weight: s.InForce()[r.Candidate].Percent(), Checks: lastChecks(s),
	}
	if svc.Rollout == nil {
		return out
	}
	out.Steps = len(svc.Rollout.Steps)
	out.Least, out.Deadline = sayTime(r.Least(svc.Rollout)), sayTime(svc.Rollout.Deadline)
	if s.Running() == nil {
		return out
	}
	if w, approve, ok := r.Next(svc.Rollout); ok {
		out.Next = &api.NextStep{Weight: w.Percent(), Approve: approve}
	}
	p := v.progress(svc, s)
	out.Observed = sayTime(p.observed)
	out.Checks = p.checks
	if out.Checks == nil {
		out.Checks = []api.Check{}
	}
	out.Awaits, out.Waiting = awaits(svc, s, p, v.now())
	if k := v.flags[config.FlagOf(svc.Name)].state.Killed; k != nil && s.Paused == nil {
		out.Awaits, out.Waiting = api.AwaitsResume, "the flag is killed by "+k.By // nobody has it, so nothing is compared
	}
	return out
}

// lastChecks are the numbers behind the last decision of the judge about the rollout.
func lastChecks(s rollout.State) []api.Check {
	checks := []api.Check{}
	for i := len(s.Recent) - 1; i >= 0; i-- {
		d := &s.Recent[i]
		if d.Rollout != s.Rollout.ID || len(d.Checks) == 0 {
			continue
		}
		for _, n := range d.Checks {
			checks = append(checks, checkOf(n))
		}
		break
	}
	return checks
}

// awaits is what a running rollout waits for: a person, data, or nothing but time.
func awaits(svc *config.Service, s rollout.State, p *progress, now time.Time) (what, why string) {
	r := s.Running()
	least := r.Least(svc.Rollout)
	proof := r.Phase == rollout.Stepping && r.Basis.Next > 0
	_, approve, moves := r.Next(svc.Rollout)
	gate, closed := sayGate(svc, s, now)
	switch {
	case s.Paused != nil:
		return api.AwaitsResume, "paused by " + s.Paused.By
	case closed:
		return api.AwaitsGate, gate
	case gate != "":
		return "", gate
	case r.Unbegun:
		return "", rollout.SayWindow(svc.Rollout, now)
	case proof && !p.proven && r.DeadlinePassed:
		return api.AwaitsData, p.waiting
	case proof && !p.proven && p.waiting != "":
		return "", p.waiting
	case p.observed < least:
		return "", sayTime(least-p.observed) + " more"
	case approve:
		return api.AwaitsApproval, "an approval"
	case moves:
		return "", rollout.SayWindow(svc.Rollout, now)
	}
	return "", ""
}
