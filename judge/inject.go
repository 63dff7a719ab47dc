package judge

import "math"

// The onset mixture: capital is not bet all at once but spread over the windows in which the candidate
// may turn bad, a Shiryaev prior used as a martingale (Shin, Ramdas, Rinaldo 2023). A part that starts
// late has not lost on the good half hour before, which keeps the evidence quick. The parts add up to 1.
const (
	onset     = 1800 // windows; scale of the drip of roll-back evidence
	retry     = 600  // windows; scale of the drip of promote evidence
	first     = 0.5  // roll-back: in the first window
	onChange  = 0.25 // roll-back: at changes of weights, half of what is left at each
	drip      = 0.25 // roll-back: over all windows
	atStart   = 0.8  // promote: in the first window of the step
	dripAgain = 0.2  // promote: over all windows of the step, as a shared outage ruins running bets
)

// trickle is the part of a drip that starts in window t, counted from 1; over all windows it adds up to 1.
func trickle(t, scale float64) float64 { return scale / ((t + scale - 1) * (t + scale)) }

// left is the part of a drip that has not started after window t.
func left(t, scale float64) float64 { return scale / (t + scale) }

// injectAgainst is the part of roll-back capital that starts in window t. change counts the changes of
// weights that have injected, this one included; 0 when the window is not marked.
func injectAgainst(t float64, change int, scale float64) float64 {
	part := drip * trickle(t, scale)
	if t == 1 {
		part += first
	}
	if change > 0 {
		part += math.Ldexp(onChange, -change)
	}
	return part
}

// reserveAgainst is what has not started after window t and so many changes, in closed form so that it
// does not drift.
func reserveAgainst(t float64, changes int, scale float64) float64 {
	if t == 0 {
		return 1
	}
	return math.Ldexp(onChange, -changes) + drip*left(t, scale)
}

// injectProof is the part of promote capital that starts in window t of the step.
func injectProof(t float64) float64 {
	part := dripAgain * trickle(t, retry)
	if t == 1 {
		part += atStart
	}
	return part
}

// reserveProof is what has not started after window t of the step.
func reserveProof(t float64) float64 {
	if t == 0 {
		return 1
	}
	return dripAgain * left(t, retry)
}
