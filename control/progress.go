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

// progress is what readers are told of the evidence of a rollout. It is not changed once it is shown.
type progress struct {
	rollout  string
	epoch    rollout.Epoch
	observed time.Duration
	proven   bool // every check passes
	checks   []api.Check
	logs     []Evidence
	waiting  string // for proof; "": it does not
}

// about reports whether p is about the step that a rollout is at.
func (p *progress) about(r *rollout.Rollout) bool {
	return p != nil && p.rollout == r.ID && p.epoch == r.Epoch
}

// report works out what readers are told of a service.
func (l *Loop) report(svc *config.Service) {
	r := l.records[svc.Name].state.Running()
	var e *evidence
	var rate float64
	if t := l.trials[svc.Name]; t != nil && l.leads() {
		e, rate = &t.evidence, t.flow.rate()
	} else if h := l.helpers[svc.Name]; h != nil {
		e = &h.evidence
	}
	if r == nil || e == nil || e.Rollout != r.ID {
		delete(l.progress, svc.Name)
		return
	}
	p := rollout.Policy(svc.Rollout)
	l.progress[svc.Name] = progressOf(e, &p, r, l.traffic(svc, r, rate))
}

// traffic is what the service's requests are like now.
func (l *Loop) traffic(svc *config.Service, r *rollout.Rollout, rate float64) judge.Traffic {
	if rate == 0 {
		now := l.o.Now()
		for _, pool := range []string{r.Baseline, r.Candidate} {
			if svc.Pool(pool) != nil {
				rate += l.o.Sampler.Cells(svc.Name, pool).Traffic(now).Rate()
			}
		}
	}
	w := l.records[svc.Name].state.InForce()
	return judge.Traffic{
		Rate: rate, Weight: float64(w[r.Candidate]) / float64(config.Full),
		Next: proofWeight(r), Deadline: svc.Rollout.Deadline,
	}
}

func progressOf(e *evidence, p *judge.Policy, r *rollout.Rollout, tr judge.Traffic) *progress {
	v := e.Trial.Verdict(p)
	out := &progress{
		rollout: e.Rollout, epoch: e.Epoch, observed: e.Observed, proven: v.Outcome == judge.Pass,
	}
	m := e.memory(r.Baseline)
	for i, n := range numbers(e, p) {
		c := checkOf(n)
		if n.Verdict == judge.Undecided.String() {
			c.Waiting = sayNeed(n.Candidate.Requests, e.Trial.Remaining(p, i, m, tr), r.Candidate)
		}
		out.checks = append(out.checks, c)
		f := e.Trial.Finding(p, i)
		out.logs = append(out.logs, Evidence{Check: n.Name, For: f.For / math.Ln10, Against: f.Against / math.Ln10})
	}
	if !out.proven && v.Check >= 0 {
		out.waiting = sayWaiting(e, p, r, v, tr)
	}
	return out
}

func checkOf(n rollout.CheckNumbers) api.Check {
	return api.Check{
		Name: n.Name, Verdict: n.Verdict, For: n.For, Against: n.Against,
		Candidate: api.Counts(n.Candidate), Baseline: api.Counts(n.Baseline),
	}
}

// sayWaiting is what the proof of a step waits for.
func sayWaiting(e *evidence, p *judge.Policy, r *rollout.Rollout, v judge.Verdict, tr judge.Traffic) string {
	m := e.memory(r.Baseline)
	if said, ok := e.Trial.Trouble(p, m, scene(r)); ok {
		return said
	}
	need := e.Trial.Remaining(p, v.Check, m, tr)
	f := e.Trial.Finding(p, v.Check)
	if v.Outcome == judge.Undecided && f.For < -math.Log(p.Beta) {
		if said := sayNeed(total(f.Candidate).Requests, need, r.Candidate); said != "" {
			return said
		}
	}
	return strings.TrimPrefix(e.Trial.Waiting(p, scene(r), need), "waiting: ")
}

// sayNeed is "212 of about 300 requests on green (2m at the present rate)"; "" when it cannot be told.
func sayNeed(have int64, need judge.Need, pool string) string {
	if math.IsInf(need.Requests, 0) || math.IsNaN(need.Requests) || need.Requests <= 0 {
		return ""
	}
	said := fmt.Sprintf("%d of about %.0f requests on %s", have, roundUp(float64(have)+need.Requests), pool)
	if need.Time < math.MaxInt64 {
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
	p := v.progress[svc.Name]
	if !p.about(r) {
		p = &progress{}
	}
	out.Observed = sayTime(p.observed)
	out.Checks = p.checks
	if out.Checks == nil {
		out.Checks = []api.Check{}
	}
	out.Awaits, out.Waiting = awaits(svc, s, p)
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
func awaits(svc *config.Service, s rollout.State, p *progress) (what, why string) {
	r := s.Running()
	least := r.Least(svc.Rollout)
	proof := r.Phase == rollout.Stepping && r.Basis.Next > 0
	_, approve, _ := r.Next(svc.Rollout)
	switch {
	case s.Paused != nil:
		return api.AwaitsResume, "paused by " + s.Paused.By
	case proof && !p.proven && r.DeadlinePassed:
		return api.AwaitsData, p.waiting
	case proof && !p.proven && p.waiting != "":
		return "", p.waiting
	case p.observed < least:
		return "", sayTime(least-p.observed) + " more"
	case approve:
		return api.AwaitsApproval, "an approval"
	}
	return "", ""
}
