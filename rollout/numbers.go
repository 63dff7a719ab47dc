package rollout

import "slices"

// CheckNumbers is what one check had to say about a decision. For and Against are evidence as "1 in N".
type CheckNumbers struct {
	Name      string  `json:"name"`
	Verdict   string  `json:"verdict"` // pass, fail, undecided, missing
	For       float64 `json:"for"`
	Against   float64 `json:"against"`
	Candidate Counts  `json:"candidate"`
	Baseline  Counts  `json:"baseline"`
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
	}
	return kept
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
