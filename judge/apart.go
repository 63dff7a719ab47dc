package judge

// Where nobody knows whose good request followed whose first one, both kinds are counted apart: so many
// carts, so many orders, and no cart has an outcome of its own. As every request is drawn anew then, both
// streams of a pool follow the coin.

// Arrived is how many good requests each pool had in a window of a check with Apart.
type Arrived struct{ Candidate, Baseline float64 }

func (a Arrived) clean() Arrived { return Arrived{clean(a.Candidate), clean(a.Baseline)} }

// apart is the wager for streams that are counted apart.
//
// Each first request of the candidate returns 1+s(1−q), each good one 1−s; of the baseline it is 1−sx(1−p)
// and 1+sx. With c the good requests for each first one, the expected product is at most
// exp(λ·s·(c_baseline − c_candidate − D)), where λ is the candidate's rate of first requests and the guess
// has cancelled. What is subtracted is never cut off at 0, which would favour the pool with more requests.
func (l line) apart(guess, odds float64) wager {
	w := l.around(guess, odds)
	w.most = legal * min(1, 1/(w.x*(1-w.p)))
	w.less = legal * min(1/(1-w.q), 1/w.x)
	w.apart = true
	return w
}

// gainApart is gain for it.
func (w wager) gainApart(stake float64, c *Counts) float64 {
	x := stake * w.x
	return times(c.Candidate.Requests, stake*(1-w.q)) + times(c.Arrived.Candidate, -stake) +
		times(c.Baseline.Requests, -x*(1-w.p)) + times(c.Arrived.Baseline, x)
}

// careful is twice the stake on "better" that grows fastest for a candidate that equals the baseline: what is
// tolerated over the variance of what a request returns. The legal limit alone is far beyond it where the
// guess is neither near 0 nor near 1, as errors are and orders are not; such stakes lose even when they are
// right. It depends on the guess only, so it is as valid as any.
func (w wager) careful() float64 {
	spread := w.q*(1-w.q) + w.x*w.p*(1-w.p)
	if w.apart {
		c := 1 - w.p
		spread = (c*c + c) * (1 + w.x)
	}
	return 2 * (w.q - w.p) / spread
}

// leastMissing keeps a guess above 0 where as many good requests come as first ones, or more.
const leastMissing = 0.001

// missing is the guess of the share that misses, when the memory counts what arrived.
func (g *guess) missing() float64 {
	return min(0.95, max(leastMissing, 1-(g.long.Bad+0.5)/(g.long.Requests+1)))
}

// of is the guess of a check's bad share.
func (g *guess) of(c *Check) float64 {
	if c.Apart {
		return g.missing()
	}
	return g.share()
}
