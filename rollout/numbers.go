package rollout

import (
	"math"
	"slices"
)

// CheckNumbers is what one check had to say about a decision. For and Against are evidence as "1 in N".
type CheckNumbers struct {
	Name      string  `json:"name"`
	Verdict   string  `json:"verdict"` // pass, fail, undecided, missing
	For       float64 `json:"for"`
	Against   float64 `json:"against"`
	Candidate Counts  `json:"candidate"`
	Baseline  Counts  `json:"baseline"`

	Observed bool      `json:"observed,omitempty"` // shown, decided nothing
	Values   []float64 `json:"values,omitempty"`   // of single values the last: the candidate's, and the baseline's if there is one
}

// Counts is requests of the step and how many of them were bad.
type Counts struct {
	Requests int64 `json:"requests"`
	Bad      int64 `json:"bad"`
}

// bounded is a copy of the numbers that JSON can hold, small enough to be kept.
func bounded(checks []CheckNumbers) []CheckNumbers {
	if len(checks) == 0 {
		return nil
	}
	kept := slices.Clone(checks[:min(len(checks), mostChecks)])
	for i := range kept {
		kept[i].For, kept[i].Against = oneIn(kept[i].For), oneIn(kept[i].Against)
		kept[i].Values = finite(kept[i].Values)
	}
	return kept
}

// finite is a copy of the values that JSON can hold; a candidate's that it cannot makes it nil.
func finite(values []float64) []float64 {
	for i, x := range values {
		if math.IsNaN(x) || math.IsInf(x, 0) || i == 2 {
			return slices.Clone(values[:i])
		}
	}
	return slices.Clone(values)
}

const (
	mostChecks   = 16
	mostEvidence = 1e6 // more is as good as sure
)

// oneIn keeps evidence between 0 and a million; what is no number counts for nothing.
func oneIn(n float64) float64 {
	if n > 0 {
		return min(n, mostEvidence)
	}
	return 0
}
