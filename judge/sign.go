package judge

import "math"

// Single values allow only the question whether the candidate's is worse than the line in this scrape.
// The null is that it is in at most half of the scrapes, given the past: a factor of 2θ for a worse and
// 2(1−θ) for another scrape cannot win on average then.
var signs = [5]float64{0.6, 0.7, 0.8, 0.9, 0.97}

// sign is the outcome of a scrape.
type sign int8

const (
	undecidable sign = iota
	worse
	notWorse
)

// compare says on which side of the line the candidate's value lies.
func (c *Check) compare(s Scrape) sign {
	switch {
	case !finite(s.Candidate) || !finite(s.Baseline):
		return undecidable
	case s.Candidate > c.MaxRatio*s.Baseline+c.MaxIncrease:
		return worse
	}
	return notWorse
}

// opposite is the outcome for the promote evidence.
func (s sign) opposite() sign {
	switch s {
	case worse:
		return notWorse
	case notWorse:
		return worse
	case undecidable:
	}
	return undecidable
}

// betSign updates capitals with a scrape; part of the capital starts with it. There is neither a limit
// nor a dispersion: one scrape cannot win more than ln 2.
func betSign(capitals []float64, s sign, part float64) {
	start := math.Log(part / float64(len(signs)))
	for k, theta := range signs {
		gain := 0.0
		switch s {
		case worse:
			gain = math.Log(2 * theta)
		case notWorse:
			gain = math.Log(2 * (1 - theta))
		case undecidable:
		}
		capitals[k] = gain + addLogs(capitals[k], start)
	}
}
