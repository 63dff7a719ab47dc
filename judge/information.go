package judge

import "math"

// information is the growth of the best possible evidence for each request of the candidate, in nats,
// when its bad share is q and the baseline's is p: how far the pair lies from the nearest pair on the
// line. Golden section finds the minimum of the sum of two convex functions. No test can need fewer
// than ln(1/alpha) / information requests on average (Wald 1947; Lai 1998 for onsets).
func (l line) information(q, p, odds float64) float64 {
	cost := func(x float64) float64 { return divergence(q, l.ratio*x+l.add) + divergence(p, x)/odds }
	low, high := 0.0, 1.0
	if l.ratio > 0 {
		high = min(1, (1-l.add)/l.ratio)
	}
	golden := (math.Sqrt(5) - 1) / 2
	a, b := high-golden*(high-low), low+golden*(high-low)
	fa, fb := cost(a), cost(b)
	for range 80 {
		if fa <= fb {
			high, b, fb = b, a, fa
			a = high - golden*(high-low)
			fa = cost(a)
		} else {
			low, a, fa = a, b, fb
			b = low + golden*(high-low)
			fb = cost(b)
		}
	}
	return cost((low + high) / 2)
}

// divergence is KL(a‖b) of two coins, with 0·ln 0 = 0.
func divergence(a, b float64) float64 { return relative(a, b) + relative(1-a, 1-b) }

func relative(a, b float64) float64 {
	switch {
	case a <= 0:
		return 0
	case b <= 0:
		return math.Inf(1)
	}
	return a * math.Log(a/b)
}
