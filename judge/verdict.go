package judge

import (
	"math"
	"time"
)

// Outcome is a verdict in one word.
type Outcome uint8

// The outcomes. No data is never a failure: it is Missing, which holds a promotion up.
const (
	Undecided Outcome = iota
	Pass
	Fail
	Missing
)

// String is the outcome in lower case, as in labels.
func (o Outcome) String() string {
	switch o {
	case Undecided:
		return "undecided"
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	case Missing:
		return "missing"
	}
	return "unknown"
}

// How sure a lean has to be, as evidence.
const (
	leanProof   = 2
	leanAgainst = 3
)

// Verdict is what the evidence says now. The zero Verdict is undecided.
type Verdict struct {
	Outcome Outcome // Pass only when every check passes, Fail as soon as one fails
	Check   int     // the check that failed, or the one that is farthest from a pass; -1 when all pass
	Lean    bool    // leans good: every check has a proof of at least 2 and a suspicion below 3
}

// Verdict judges the evidence so far. It may be called after every window.
func (t *Trial) Verdict(p *Policy) Verdict {
	v := Verdict{Outcome: Pass, Check: -1, Lean: true}
	worst := 0.0
	for i := range p.Checks {
		if p.Checks[i].ObserveOnly {
			continue
		}
		f := t.Finding(p, i)
		v.Lean = v.Lean && f.lean
		if rank := f.rank(); rank > worst {
			worst, v.Outcome, v.Check = rank, f.Outcome, i
		}
	}
	return v
}

// rank orders findings by what deserves attention: failures by their evidence, then what is missing,
// then what is farthest from proven. A pass has none.
func (f *Finding) rank() float64 {
	switch f.Outcome {
	case Fail:
		return 1e6 + clean(f.Against)
	case Missing:
		return 1e5
	case Undecided:
		return 1 + clean(100-f.For)
	case Pass:
	}
	return 0
}

// Finding is the verdict of one check and its numbers. The evidence is given as natural logarithms.
type Finding struct {
	Outcome  Outcome
	Against  float64 // suspicion: ln of the check's share of alpha times its roll-back evidence; fails at ln(1/alpha)
	For      float64 // proof: ln of the promote evidence; proven at ln(1/beta)
	Absolute bool    // Against, or the failure, is that of the absolute limit
	Trouble  bool    // both pools fail far more than the baseline's habit is; no pass until that is over

	// Candidate and Baseline are the plain totals of the step, those of latency without the warm-up, those of
	// a Ratio and of comparisons of single values with what began before the step and showed in it. Of
	// single values Candidate counts the scrapes that could be decided and the worse ones.
	Candidate, Baseline Tally
	Threshold           time.Duration // the baseline's latency quantile last counted against
	Last                Scrape        // single values of the last scrape

	lean bool
}

// Finding is the verdict of the check at position i of the policy.
func (t *Trial) Finding(p *Policy, i int) Finding {
	f := Finding{Outcome: Missing, Against: none, lean: true}
	for slot, role := range p.roles() {
		if role.check == i {
			f.take(p, role, &t.metrics[slot])
		}
	}
	return f
}

// take adds a metric to the finding of its check.
func (f *Finding) take(p *Policy, r role, m *metric) {
	c := &p.Checks[r.check]
	if !r.absolute || !c.compared() {
		f.totals(m)
	}
	suspicion := none
	if c.bets() {
		suspicion = math.Log(p.share(r.check, r.absolute)) + m.logAgainst(onset)
	}
	if suspicion > f.Against {
		f.Against, f.Absolute = suspicion, r.absolute
	}
	f.lean = f.lean && suspicion < math.Log(leanAgainst)
	if c.compared() && !r.absolute {
		f.For, f.Trouble = m.logProof(), m.trouble
		f.lean = f.lean && f.For >= math.Log(leanProof) && !m.trouble
	}
	f.judge(p, c, r, m, suspicion)
}

func (f *Finding) totals(m *metric) {
	f.Candidate, f.Baseline, f.Threshold = m.candidate, m.baseline, m.threshold
	f.Last = Scrape{Taken: m.candidate.Requests > 0, Candidate: m.last[0], Baseline: m.last[1]}
}

// judge turns the numbers of a metric into the outcome of the check so far.
func (f *Finding) judge(p *Policy, c *Check, r role, m *metric, suspicion float64) {
	alarm := -math.Log(p.alpha())
	switch {
	case c.Kind == Value && c.Max > 0 && m.streak >= limitStreak:
		f.Outcome, f.Absolute = Fail, true
		f.lean = false
	case suspicion >= alarm && m.bad >= standard.least:
		f.Outcome = Fail
	case f.Outcome == Fail:
	case r.absolute || !c.compared():
		f.limit(c, m, suspicion < alarm/2)
	default:
		f.Outcome = compared(m, f.For >= -math.Log(p.beta()) && suspicion < alarm/2 && m.streak == 0 && !m.trouble)
	}
}

// compared is the outcome of a comparison that has not failed.
func compared(m *metric, proven bool) Outcome {
	switch {
	case m.candidate.Requests == 0 || m.proofs == 0:
		return Missing
	case proven:
		return Pass
	}
	return Undecided
}

// limit is the outcome with an absolute limit that has not failed. It asks for no proof, only for data
// and for calm.
func (f *Finding) limit(c *Check, m *metric, calm bool) {
	switch {
	case !c.compared() && m.candidate.Requests == 0:
		f.Outcome, f.lean = Missing, false
	case !calm || m.streak > 0:
		f.Outcome, f.lean = Undecided, f.lean && m.streak == 0
	case !c.compared():
		f.Outcome = Pass
	}
}
