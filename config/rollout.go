package config

import "time"

// Rollout is how a candidate gets the traffic of a service step by step. Percentages are fractions here:
// 0.01 is 1 %.
type Rollout struct {
	Start     StartWhen
	Steps     []Step // at least one; the last has Full
	Bake      *Bake  // nil: none
	Deadline  time.Duration
	Undecided Undecided
	OnFail    OnFail
	Alpha     float64 // chance that an acceptable candidate is ever rolled back, over the whole rollout
	Beta      float64 // chance that an unacceptable one is promoted in a step
	Checks    []Check // in the order errors, p50, p95, p99, slow
}

// StartWhen says what begins a rollout.
type StartWhen string

// The ways to begin.
const (
	StartManual  StartWhen = "manual"  // a person
	StartVersion StartWhen = "version" // the idle pool's version changes
)

// Step is one weight of a rollout. It lasts For at least, longer until every check is proven.
type Step struct {
	Weight  Weight
	For     time.Duration
	Approve bool // a person has to agree as well
}

// Bake keeps Holdback of the traffic on the baseline for a while after the last step.
type Bake struct {
	For      time.Duration
	Holdback Weight
}

// Undecided is what happens at a step's deadline while a check is not proven.
type Undecided string

// The choices at a deadline. Lean promotes only a candidate that leans good.
const (
	UndecidedHold     Undecided = "hold"
	UndecidedRollback Undecided = "rollback"
	UndecidedLean     Undecided = "lean"
)

// OnFail is what happens when a check fails.
type OnFail string

// The choices at a failure.
const (
	FailRollback OnFail = "rollback"
	FailStepBack OnFail = "step_back"
	FailHold     OnFail = "hold"
)

// Check is one comparison of candidate and baseline. An acceptable candidate's share of bad requests is
// at most MaxRatio times the baseline's plus MaxIncrease.
type Check struct {
	Name        string        // errors, p50, p95, p99, slow
	Quantile    float64       // 0.5, 0.95, 0.99 for latency; 0 otherwise
	MaxRatio    float64       // errors, slow: of the shares; latency: of the quantiles. At least 1
	MaxIncrease float64       // fraction: 0.002 is 0.2 points; errors and slow
	Max         float64       // fraction the candidate alone may reach; 0: no limit. errors and slow
	Over        time.Duration // slow: what counts as slow
	Also        []int         // errors: statuses below 500 that count as failed
}
