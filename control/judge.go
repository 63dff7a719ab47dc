package control

import (
	"math"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/rollout"
)

// judge is the leader's second of one service: what was counted is turned into evidence, evidence into
// a verdict, and the verdict is handed to the rules.
func (l *Loop) judge(svc *config.Service, now time.Time, elapsed time.Duration) {
	t := l.trialOf(svc)
	if t == nil {
		return
	}
	l.prepare(svc, now)
	l.adjust(svc, t)
	l.feed(svc, t, now)
	l.values(svc, t, now)
	state := l.records[svc.Name].state
	if r := state.Running(); r != nil && l.leads() {
		t.pass(state, elapsed)
		l.publishThresholds(svc, t, r, now)
		l.rule(svc, t, r, now)
		l.adjust(svc, t)
	}
	if l.leads() {
		l.keep(svc, t, now, l.records[svc.Name].state.Running() != nil)
	}
}

// prepare makes earlier leaders' decisions stale and starts what waits for its start.
func (l *Loop) prepare(svc *config.Service, now time.Time) {
	state := l.records[svc.Name].state
	if r := state.Running(); r != nil && r.Term < l.term.N {
		_ = l.decide(svc, rollout.Elected{At: now, Term: l.term.N}, false) // tried again every second
	}
	if state.Wanted != nil {
		f := facts(l.table.Service(svc.Name))
		_ = l.decide(svc, rollout.Ticked{At: now, Term: l.term.N, Facts: f}, false) // the same
	}
}

// adjust starts anew what the state says, also when nobody told this node of it.
func (l *Loop) adjust(svc *config.Service, t *trial) {
	r := l.records[svc.Name].state.Running()
	if r == nil {
		t.thin = nil
		return
	}
	if r.Mark(t.Rollout, t.Began, t.Epoch) == (rollout.Mark{}) {
		return
	}
	if t.Rollout == r.ID {
		l.flush(svc, t, r) // it belongs to what ends now
	}
	if t.Rollout != r.ID || !t.Began.Equal(r.Began) {
		t.thin, t.weights = nil, nil
	}
	t.follow(r)
	t.unsure, t.dirty = min(t.unsure, t.Observed), true
	t.failures = [groups]float64{}
	clear(t.outcomes)
}

// feed gives the judge the seconds whose outcomes are known by now.
func (l *Loop) feed(svc *config.Service, t *trial, now time.Time) {
	state := l.records[svc.Name].state
	r := state.Running()
	baseline, candidate := state.Baseline, ""
	if r != nil {
		baseline, candidate = r.Baseline, r.Candidate
	}
	if svc.Pool(baseline) == nil {
		return
	}
	m := t.memory(baseline)
	upto := l.o.Sampler.Second(now.Add(-m.Lag(&t.policy))) - 1
	others := l.gather(svc, t, now)
	if len(others) > 0 || len(t.nodes) > 0 {
		upto -= fleetGrace
	}
	parts := takeParts(others, upto)
	own := l.o.Sampler.Cells(svc.Name, baseline).Take(upto, nil)
	var tried []metrics.Window
	if svc.Pool(candidate) != nil {
		tried = l.o.Sampler.Cells(svc.Name, candidate).Take(upto, nil)
	}
	seen := l.join(svc.Name, append(own, windowsOf(parts, baseline)...), append(tried, windowsOf(parts, candidate)...))
	t.Upto = max(t.Upto, upto)
	l.travel(svc, t, r, baseline, candidate, upto, parts)
	if len(seen) == 0 {
		return
	}
	t.learned = true
	for i := range seen {
		c := &seen[i]
		g, _ := l.generation(svc.Name, c.number)
		if r != nil && svc.Pool(candidate) != nil {
			l.bet(svc, t, r, g, c)
		} else {
			m.Learn(&t.policy, t.window(c))
		}
	}
	// Latencies are not known by second, and only the thresholds to come are made of them.
	m.Latency.Learn(append(t.news(l, svc.Name, baseline), binsOf(parts, baseline)...), 0)
	for i, slot := range t.slots {
		if slot >= metrics.Latencies {
			told := append(t.measured(l, svc.Name, baseline, slot), binsOf(parts, measureKey(baseline, slot))...)
			m.LearnMeasured(&t.policy, t.policy.Checks[i].Name, told)
		}
	}
}

// measured is news for a time that answers told, by its threshold.
func (t *trial) measured(l *Loop, service, pool string, slot int) []judge.Bin {
	key, now := measureKey(pool, slot), readMeasure(l.o.Sampler.Cells(service, pool), slot-metrics.Latencies)
	bins := now.since(t.read[key])
	t.read[key] = now
	return bins
}

// news is the latencies of a pool on this node since the last look.
func (t *trial) news(l *Loop, service, pool string) []judge.Bin {
	now := read(l.o.Sampler.Cells(service, pool))
	bins := now.since(t.read[pool])
	t.read[pool] = now
	return bins
}

// pass adds to the observed time of the step. Nothing is observed in a pause or while the store is away.
func (t *trial) pass(s rollout.State, elapsed time.Duration) {
	if s.Paused != nil || t.away {
		return
	}
	t.Observed += elapsed
	t.unsure += elapsed
}

// publishAhead is how many seconds before they count thresholds are made known.
const publishAhead = 2

// publishThresholds makes the latencies known that requests of both pools will be held against.
func (l *Loop) publishThresholds(svc *config.Service, t *trial, r *rollout.Rollout, now time.Time) {
	m := t.memory(r.Baseline)
	p := publication{From: l.o.Sampler.Second(now) + publishAhead}
	for i, slot := range t.slots {
		if slot < 0 {
			continue
		}
		if baseline, candidate, ok := m.Thresholds(&t.policy.Checks[i]); ok {
			p.Baseline[slot], p.Candidate[slot] = baseline, candidate
		}
	}
	if ear := t.ear(); ear >= 0 {
		p.Baseline[ear], p.Candidate[ear] = ever, ever
	}
	if len(t.nodes) > 0 {
		p.From += fleetGrace
	}
	if n := len(t.published); n == 0 || t.published[n-1].Baseline != p.Baseline || t.published[n-1].Candidate != p.Candidate {
		l.hold(svc, r, p)
		t.published = append(t.published, p)
		t.published = t.published[max(0, len(t.published)-keepGenerations):]
	}
	l.tell(svc, t, r, m.Lag(&t.policy))
}

// hold holds the requests of both pools on this node against thresholds.
func (l *Loop) hold(svc *config.Service, r *rollout.Rollout, p publication) {
	if svc.Pool(r.Baseline) != nil && svc.Pool(r.Candidate) != nil {
		l.o.Sampler.Cells(svc.Name, r.Baseline).Publish(p.From, p.Baseline)
		l.o.Sampler.Cells(svc.Name, r.Candidate).Publish(p.From, p.Candidate)
	}
}

// rule hands the verdict to the rules. A failure is in force on this node although the store refuses it.
func (l *Loop) rule(svc *config.Service, t *trial, r *rollout.Rollout, now time.Time) {
	v := t.Trial.Verdict(&t.policy)
	lacking := t.lacks(&t.policy)
	sound := t.fresh && (t.ear() < 0 || !t.Silence.holds(&t.policy)) && lacking < 0
	e := rollout.Judged{
		At: now, Term: l.term.N, Rollout: r.ID, Epoch: r.Epoch, Observed: t.Observed,
		Verdict: rollout.Undecided, Lean: v.Lean && sound, Checks: numbers(&t.evidence, &t.policy),
		Facts: facts(l.table.Service(svc.Name)),
	}
	if v.Check < 0 || v.Outcome != judge.Fail && lacking >= 0 {
		v.Check = lacking
	}
	if v.Check >= 0 {
		e.Check = t.policy.Checks[v.Check].Name
	}
	switch {
	case v.Outcome == judge.Fail:
		e.Verdict = rollout.Fail
	case v.Outcome == judge.Pass && sound:
		e.Verdict = rollout.Pass
	}
	if e.Verdict != rollout.Undecided || t.Observed >= r.Least(svc.Rollout) {
		e.Sentence = t.sentence(svc, r, e)
	}
	l.countVerdicts(svc.Name, t, e.Checks)
	was := l.records[svc.Name].state.Seq
	_ = l.decide(svc, e, e.Verdict == rollout.Fail) // what was refused is judged again in a second
	t.dirty = t.dirty || l.records[svc.Name].state.Seq != was
}

// countVerdicts counts each verdict about a check once, when it is found.
func (l *Loop) countVerdicts(service string, t *trial, checks []rollout.CheckNumbers) {
	for _, c := range checks {
		if t.outcomes[c.Name] != c.Verdict {
			t.outcomes[c.Name] = c.Verdict
			l.count.Verdict(service, c.Name, c.Verdict)
		}
	}
}

// numbers are what each check has to say.
func numbers(e *evidence, p *judge.Policy) []rollout.CheckNumbers {
	all := make([]rollout.CheckNumbers, len(p.Checks))
	for i := range p.Checks {
		f := e.Trial.Finding(p, i)
		if f.Outcome != judge.Fail && e.Outside[p.Checks[i].Name].missing() {
			f.Outcome = judge.Missing
		}
		all[i] = rollout.CheckNumbers{
			Name: p.Checks[i].Name, Verdict: f.Outcome.String(), For: oneIn(f.For), Against: oneIn(f.Against),
			Candidate: total(f.Candidate), Baseline: total(f.Baseline),
			Observed: p.Checks[i].ObserveOnly, Values: e.Outside[p.Checks[i].Name].Values,
		}
	}
	return all
}

// mostEvidence is what is shown at most: rarer is not worth a number.
const mostEvidence = 1e6

// oneIn is evidence, given as a logarithm, as "1 in N".
func oneIn(log float64) float64 { return min(math.Exp(log), mostEvidence) }

func total(t judge.Tally) rollout.Counts {
	return rollout.Counts{Requests: int64(math.Round(t.Requests)), Bad: int64(math.Round(t.Bad))}
}

// sentence is the evidence in words, without what is decided because of it.
func (t *trial) sentence(svc *config.Service, r *rollout.Rollout, e rollout.Judged) string {
	s := scene(r)
	var said string
	switch e.Verdict {
	case rollout.Fail:
		s.Target = t.culprit(svc, r)
		said = t.Trial.RolledBack(&t.policy, s)
	case rollout.Pass:
		said = t.Trial.Promoted(&t.policy, s)
	case rollout.Undecided:
		if r.Phase != rollout.Stepping || r.Basis.Next == 0 {
			return ""
		}
		if i := t.lacks(&t.policy); i >= 0 {
			return t.sayLacking(&t.policy, i)
		}
		s.Elapsed = e.Observed.String()
		said = t.Trial.Undecided(&t.policy, s, "")
	}
	_, said, _ = strings.Cut(said, ": ")
	return strings.TrimSuffix(strings.TrimSpace(said), ";")
}

func scene(r *rollout.Rollout) judge.Scene {
	return judge.Scene{Candidate: r.Candidate, Baseline: r.Baseline, Since: r.Since.UTC().Format("15:04")}
}

// culprit is the one of several targets of the candidate that more than four fifths of the failures come
// from. Requests with a key are not counted by target.
func (t *trial) culprit(svc *config.Service, r *rollout.Rollout) string {
	pool := svc.Pool(r.Candidate)
	if pool == nil || len(pool.Targets) < 2 || len(pool.Targets) > groups || len(svc.Sticky.Key) > 0 {
		return ""
	}
	sum, most := 0.0, 0
	for i, n := range t.failures {
		sum += n
		if n > t.failures[most] {
			most = i
		}
	}
	if sum > 0 && t.failures[most] > 0.8*sum && most < len(pool.Targets) {
		return pool.Targets[most].URL
	}
	return ""
}
