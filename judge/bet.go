package judge

import "math"

// The limits of a line and of the stakes on it.
const (
	maxIncrease = 0.9   // a line beyond it would leave the guess no room
	maxLine     = 0.999 // the candidate's share on the line, at most
	legal       = 0.98  // of the stake at which one request could cost everything
)

// line is the boundary q = ratio·p + add between the bad shares of candidate (q) and baseline (p). With
// a ratio of 0 it is an absolute limit and the baseline does not matter.
type line struct{ ratio, add float64 }

// wager is a point of the line to bet around, and the odds of the draw.
type wager struct {
	p    float64 // guess of the baseline's bad share
	q    float64 // the candidate's on the line
	x    float64 // ratio·odds: the baseline's part of a stake
	most float64 // largest legal stake on "worse than the line"
	less float64 // largest legal stake, as a positive number, on "better than the line"

	apart bool // what is hoped of and what is good are counted apart
}

// around prepares bets near the guess. Keeping q below 1 lowers the guess, never q alone: only pairs on
// the line make a bet that cannot win on average within it.
func (l line) around(guess, odds float64) wager {
	if l.ratio > 0 {
		guess = min(guess, (maxLine-l.add)/l.ratio)
	}
	w := wager{p: guess, q: l.ratio*guess + l.add, x: l.ratio * odds}
	w.most = legal * min(1/w.q, 1/(w.x*(1-w.p)))
	w.less = legal * min(1/(1-w.q), 1/(w.x*w.p))
	return w
}

// gain is the log of the return of a stake in a window: positive stakes bet that the candidate is worse
// than the line, negative ones that it is better.
//
// With y the outcome of a request (1 bad), each candidate's request returns 1+s(y−q) and each of the
// baseline's 1−sx(y−p). By 1+y ≤ eʸ the expected product is at most exp(n·s·(q̄−R·p̄−D)), where the
// guess has cancelled: it can cost speed, never validity. With the odds of a coin the same holds request
// by request for fixed outcomes, however dependent. The bet is the growth-optimal e-variable for two
// Bernoulli streams (Turner, Ly, Grünwald 2024) and, read differently, a betting martingale
// (Waudby-Smith, Ramdas 2024).
func (w wager) gain(stake float64, c *Counts) float64 {
	if w.apart {
		return w.gainApart(stake, c)
	}
	x := stake * w.x
	return times(c.Candidate.Bad, stake*(1-w.q)) + times(c.Candidate.Requests-c.Candidate.Bad, -stake*w.q) +
		times(c.Baseline.Bad, -x*(1-w.p)) + times(c.Baseline.Requests-c.Baseline.Bad, x*w.p)
}

// times is n·ln(1+y), without asking for a logarithm that counts for nothing.
func times(n, y float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log1p(y)
}
