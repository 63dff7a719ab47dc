package judge

import (
	"math"
	"time"
)

// What the mixtures and guards cost over the best bet that knew everything, found by simulation.
const (
	clearCost = 1.6
	catchCost = 1.9
)

// Need is how much traffic a decision takes. Both are +Inf, or the longest duration, when no amount
// will do.
type Need struct {
	Requests float64       // of the candidate; of a Value check scrapes
	Time     time.Duration // at the assumed rate; 0 for a Value check, whose scrapes have their own pace
}

// Traffic is what a plan assumes.
type Traffic struct {
	Rate     float64       // requests a second to baseline and candidate together
	Weight   float64       // the candidate's share of them, between 0 and 1
	Next     float64       // the weight the step leads to
	Deadline time.Duration // of the step; 0: none
}

// Plan says what one check can do with the traffic of a step.
type Plan struct {
	Clear    Need    // to promote a candidate that equals the baseline
	Catch    []Catch // to roll back worse ones
	Fits     bool    // Clear comes before the deadline
	Smallest float64 // tolerance in the check's own terms that could be cleared before the deadline; NaN: none
}

// Catch is what it takes to roll back a candidate that is worse in one way.
type Catch struct {
	Increase float64 // extra share of bad requests; 0: Factor
	Factor   float64 // latencies times as long; 0: Increase
	Need     Need
}

// information is the growth of the best possible evidence for each request of the candidate, in nats,
// when its bad share is q and the baseline's is p: how far the pair lies from the nearest pair on the
// line. The sum of two convex functions is searched by golden section.
func (l line) information(q, p, odds float64) float64 {
	cost := func(x float64) float64 { return divergence(q, l.ratio*x+l.add) + divergence(p, x)/odds }
	low, high := 0.0, 1.0
	if l.ratio > 0 {
		high = min(1, (1-l.add)/l.ratio)
	}
	golden := (math.Sqrt(5) - 1) / 2
	a, b := high-golden*(high-low), low+golden*(high-low)
	fa, fb := cost(a), cost(b)
	for range 100 {
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
	if a <= 0 {
		return 0
	}
	if b <= 0 {
		return math.Inf(1)
	}
	return a * math.Log(a/b)
}
