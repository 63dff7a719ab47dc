//go:build linux

package main

import (
	"fmt"
	"slices"
)

// series is one value per round.
type series []float64

// of picks a value of every sample.
func of[T any](samples []T, value func(T) float64) series {
	s := make(series, len(samples))
	for i, one := range samples {
		s[i] = value(one)
	}
	return s
}

// with combines two series round by round, so that what a round did to both is not in the result.
func (s series) with(t series, f func(a, b float64) float64) series {
	both := make(series, min(len(s), len(t)))
	for i := range both {
		both[i] = f(s[i], t[i])
	}
	return both
}

func (s series) over(t series) series {
	return s.with(t, func(a, b float64) float64 { return a / b })
}

// median is the middle, or halfway between the two in the middle.
func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// String is the median, the least and the most.
func (s series) String() string {
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s–%s)", short(s.median()), short(slices.Min(s)), short(slices.Max(s)))
}

// short writes three digits, more than a figure here is worth.
func short(v float64) string {
	switch {
	case v >= 99.95 || v <= -99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995 || v <= -9.995:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
