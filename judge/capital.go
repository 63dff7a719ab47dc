package judge

import "math"

// Capitals are kept as natural logarithms; −Inf is none.
var none = math.Inf(-1)

// addLogs is ln(eᵃ+eᵇ).
func addLogs(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b == none {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// sumLogs is the log of the sum of the capitals and of a part that was not yet bet.
func sumLogs(capitals []float64, rest float64) float64 {
	sum := math.Log(rest)
	for _, c := range capitals {
		sum = addLogs(sum, c)
	}
	return sum
}

// empty takes all capital away, before the first part of it is bet.
func empty(capitals []float64) {
	for i := range capitals {
		capitals[i] = none
	}
}
