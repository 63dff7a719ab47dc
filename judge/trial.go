package judge

import (
	"math"
	"time"
)

// WarmUp is how long after its start a rollout is not judged by latencies, in time that windows cover:
// slow first requests are not the version's fault. Failures count from the first request.
const WarmUp = 30 * time.Second

// Trial is the evidence of one rollout so far: a plain value without pointers, about 200 bytes a check.
// The zero Trial is a rollout that begins; call Step before the first window. Its JSON brings every
// number back bit for bit.
type Trial struct {
	next    float64 // weight that the current step leads to, from 0 to 1; 0 is taken as 1
	seconds float64 // observed so far, for the warm-up
	metrics [MaxMetrics]metric
}

// Step begins a step whose success leads to weight next, above 0 and at most 1, else taken as 1: promote
// evidence and the totals start anew, roll-back evidence goes on. It also serves where evidence for
// promotion must be gathered again: after a step back, a resume, a change of targets.
func (t *Trial) Step(next float64) {
	t.next = 1
	if next > 0 && next < 1 {
		t.next = next
	}
	for i := range t.metrics {
		t.metrics[i].restart()
	}
}

// Forgive restarts the roll-back evidence, after a person or a step back has answered it. The rollout's
// alpha is then spent once more. Together with Step it leaves nothing but the warm-up, as changed checks
// need it.
func (t *Trial) Forgive() {
	for i := range t.metrics {
		t.metrics[i].forget()
	}
}

// Next is the weight that the current step leads to.
func (t *Trial) Next() float64 {
	if t.next == 0 {
		return 1
	}
	return t.next
}

// Observe takes the counts of one window: it bets with what m knew before, then lets m learn from the
// window. The same counts must never be given twice. A window without requests of both pools (with a
// coin's odds: of either) leaves the evidence of a check as it is; only the memory learns from it, and a
// change of weights stays marked for the next window that can be used. Nonsense counts as nothing: what
// is negative or not a number as 0, more bad requests than requests as all of them.
func (t *Trial) Observe(p *Policy, m *Memory, w Window) {
	warm := t.seconds < WarmUp.Seconds()
	for slot, role := range p.roles() {
		c := &p.Checks[role.check]
		counts := w.counts(role.check)
		r := &t.metrics[slot]
		r.pending = r.pending || w.Changed
		switch {
		case c.Kind == Value:
			r.observeScrape(c, counts.Scrape, !w.Past)
		case warm && (c.Kind == Latency || c.Kind == Slow):
		case c.Kind == Latency && counts.Threshold <= 0:
		default:
			t.observeCounts(r, c, role.absolute, &counts, m, &w)
		}
	}
	if !w.Paused {
		t.seconds = min(t.seconds+w.seconds(), most)
	}
	m.Learn(p, w)
}

// observeCounts adds up a counted check and bets on it when the window can be used.
func (t *Trial) observeCounts(r *metric, c *Check, absolute bool, counts *Counts, m *Memory, w *Window) {
	r.threshold = counts.Threshold
	r.recent.fade(w.seconds(), shortHalfLife)
	r.recent.add(counts.Candidate)
	if !w.Past || c.Kind == Ratio { // a journey shows only when it is over, which may be in the next step
		r.candidate.add(counts.Candidate)
		r.baseline.add(counts.Baseline)
	}
	h := m.find(c.Name)
	r.trouble = r.troubled(c.Kind, &h.guess)
	odds, usable := w.odds(counts)
	if !usable {
		return
	}
	bet := round{counts: counts, odds: odds, guess: h.guess.of(c), phi: h.dispersion.phi(), tuning: standard, ratio: c.Kind == Ratio, apart: c.Apart}
	if absolute {
		r.observe(&bet, line{add: c.Max}, line{})
		return
	}
	proof := line{}
	if !w.Past {
		proof = c.widened(t.Next())
	}
	r.observe(&bet, c.line(), proof)
}

// observeScrape takes a pair of single values. Its absolute limit is a plain rule on the candidate's.
func (m *metric) observeScrape(c *Check, s Scrape, current bool) {
	if !s.Taken {
		return
	}
	if c.Max > 0 && finite(s.Candidate) {
		m.streak = streak(m.streak, s.Candidate > c.Max)
	}
	side := c.compare(s)
	known := side != undecidable || !c.compared() && finite(s.Candidate)
	if known && (current || c.compared()) {
		m.candidate.Requests++
		if side == worse && c.compared() {
			m.candidate.Bad++
		}
		m.last = [2]float64{s.Candidate, orZero(s.Baseline)}
	}
	if c.compared() {
		m.scrape(side, current)
	}
}

func streak(n uint8, above bool) uint8 {
	if !above {
		return 0
	}
	return min(n, maxStreak-1) + 1
}

func orZero(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
