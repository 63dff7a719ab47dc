package judge

import "math"

// usual is the quantile of the normal distribution for 95 %.
const usual = 1.959964

// wilson is the 95 % interval of a share (Wilson 1927).
func wilson(t Tally) (low, high float64) {
	n := t.Requests
	if n <= 0 {
		return 0, 1
	}
	p, z := t.Share(), usual
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}

// difference is the 95 % interval of how much the candidate's share lies above the baseline's
// (Newcombe 1998, method 10). It is for display: unlike the evidence it holds at one look only.
func difference(candidate, baseline Tally) (low, high float64) {
	q, p := candidate.Share(), baseline.Share()
	ql, qh := wilson(candidate)
	pl, ph := wilson(baseline)
	return q - p - math.Hypot(q-ql, ph-p), q - p + math.Hypot(qh-q, p-pl)
}
