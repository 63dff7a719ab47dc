package judge

import (
	"math"
	"time"
)

// metric is the evidence of one comparison or one absolute limit: 208 bytes. Capitals mean something
// only after the first window of their kind, so that the zero metric is a fresh start.
type metric struct {
	against [len(stakes)]float64    // log capitals of the roll-back evidence; of a value the first five
	proof   [len(fractions)]float64 // log capitals of the promote evidence; of a value the first five
	bad     float64                 // bad candidate events, or worse scrapes, in the roll-back evidence

	candidate, baseline Tally         // plain totals of the step; of a value scrapes and worse ones
	recent              Tally         // the candidate's counts, fading within seconds
	last                [2]float64    // of a value: candidate's and baseline's
	threshold           time.Duration // of a latency: the baseline's quantile last counted against

	windows uint32 // usable windows since the roll-back evidence started
	proofs  uint32 // the same of the promote evidence
	changes uint8  // changes of weights that have injected capital
	streak  uint8  // of a value: scrapes in a row above the absolute limit
	pending bool   // a change of weights waits for a usable window
	trouble bool   // both pools fail now, far more than the baseline's habit
}

// maxStreak is where a streak stops counting, and limitStreak where an absolute limit on a value fails.
const (
	maxStreak   = math.MaxUint8
	limitStreak = 3
	maxChanges  = 200 // more inject nothing: what is left of their reserve is below 1e-60
)

// What counts as trouble of both pools: within the last seconds the baseline fails so much more often
// than is its habit, or half of the time whatever its habit, and the candidate at least half as often.
const (
	trouble     = 0.05
	collapse    = 0.5
	leastRecent = 20
)

// troubled looks whether baseline and candidate fail together, as they do when something that both
// depend on is broken. Nothing is held against the candidate then, and nothing is concluded for it.
func (m *metric) troubled(kind Kind, g *guess) bool {
	now := g.short.Share()
	unusual := now >= g.long.Share()+trouble || kind == Errors && now >= collapse
	return kind != Latency && kind != Ratio && unusual && g.short.Requests >= leastRecent && m.recent.Share() >= now/2
}

// restart begins the promote evidence and the totals of a step.
func (m *metric) restart() {
	m.proof, m.proofs = [len(fractions)]float64{}, 0
	m.candidate, m.baseline = Tally{}, Tally{}
	m.threshold, m.last = 0, [2]float64{}
}

// forget begins the roll-back evidence again.
func (m *metric) forget() {
	m.against, m.windows = [len(stakes)]float64{}, 0
	m.changes, m.streak, m.bad, m.pending = 0, 0, 0, false
	m.recent, m.trouble = Tally{}, false
}

// observe bets on a usable window. A zero proof line leaves the promote evidence alone.
func (m *metric) observe(r *round, against, proof line) {
	r.betAgainst(&m.against, against, m.start(r.tuning.onset))
	m.bad += r.counts.Candidate.Bad
	if r.apart {
		m.bad += r.counts.Candidate.Requests - r.counts.Candidate.Bad // each was hoped of
	}
	if proof != (line{}) {
		r.betProof(&m.proof, proof, m.startProof())
	}
}

// scrape bets on single values.
func (m *metric) scrape(s sign, prove bool) {
	betSign(m.against[:len(signs)], s, m.start(onset))
	if s == worse {
		m.bad++
	}
	if prove {
		betSign(m.proof[:len(signs)], s.opposite(), m.startProof())
	}
}

// start counts a window of the roll-back evidence and is the part of its capital that starts now.
func (m *metric) start(scale float64) float64 {
	change := 0
	if m.windows == 0 {
		empty(m.against[:])
	} else if m.pending && m.changes < maxChanges {
		m.changes++
		change = int(m.changes)
	}
	m.pending = false
	m.windows = next(m.windows)
	return injectAgainst(float64(m.windows), change, scale)
}

// startProof counts a window of the promote evidence and is the part of its capital that starts now.
func (m *metric) startProof() float64 {
	if m.proofs == 0 {
		empty(m.proof[:])
	}
	m.proofs = next(m.proofs)
	return injectProof(float64(m.proofs))
}

// next counts on without ever beginning anew.
func next(n uint32) uint32 {
	if n == math.MaxUint32 {
		return n
	}
	return n + 1
}

// logAgainst is the log of the roll-back evidence, 0 before the first window.
func (m *metric) logAgainst(scale float64) float64 {
	if m.windows == 0 {
		return 0
	}
	return sumLogs(m.against[:], reserveAgainst(float64(m.windows), int(m.changes), scale))
}

// logProof is the log of the promote evidence, 0 before the first window of the step.
func (m *metric) logProof() float64 {
	if m.proofs == 0 {
		return 0
	}
	return sumLogs(m.proof[:], reserveProof(float64(m.proofs)))
}
