package judge

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// What a policy may hold at most, so that a Trial is a plain value.
const (
	MaxChecks  = 16 // checks of a policy
	MaxMetrics = 24 // of these, and of the absolute limits beside them, together
)

// Policy is what a rollout is judged by. Evidence is kept by the position of a check, so the checks must
// not change unless both kinds of evidence begin anew, see Trial.Forgive. A Policy is only read.
type Policy struct {
	Alpha  float64 // chance that an acceptable candidate is ever rolled back, over the whole rollout; 0 takes 0.01
	Beta   float64 // chance that an unacceptable candidate is promoted in a step; 0 takes 0.05
	Checks []Check // at most MaxChecks
}

// Kind says what a check counts.
type Kind uint8

// The kinds of a check. All but Value are counted: requests, and how many of them were bad.
const (
	Errors  Kind = iota // bad: failed
	Latency             // bad: slower than the baseline's quantile, for the candidate MaxRatio times as slow
	Slow                // bad: slower than Over
	Ratio               // bad: without the good outcome that was hoped for; business ratios
	Value               // single values, one of each pool a scrape
)

// Check is one thing that is compared. Shares are fractions: 0.2 points are 0.002.
//
// The line between acceptable and not is: candidate = MaxRatio × baseline + MaxIncrease.
type Check struct {
	Name string // unique within a policy; the memory of a pool is kept under it
	Kind Kind

	Quantile    float64       // Latency: 0.5, 0.95 or 0.99, say
	MaxRatio    float64       // at least 1; 0: not compared with the baseline (Errors, Slow, Value)
	MaxIncrease float64       // share of requests (Errors, Slow) or in the value's own unit (Value)
	MaxDecrease float64       // Ratio: how far the share of good outcomes may fall below the baseline's
	Max         float64       // absolute limit on the bad share or on the value; 0: none
	Over        time.Duration // Slow: the fixed threshold

	// Measured: the latency is a time that responses tell, and Unit what it is called. Unit is also that of
	// a value, "" for one that says it by its name.
	Measured bool
	Unit     string
	Apart    bool // Ratio: first and good requests are counted apart, see Arrived
	Verdicts bool // Value: 1 is somebody's "fail" and 0 a "pass"; there is no comparison, and Max lies between

	ObserveOnly bool // shown, but takes no share of alpha, fails nothing and holds nothing up
}

// Validate reports everything about the policy that Observe could not work with.
func (p *Policy) Validate() error {
	var errs []error
	if !within(p.Alpha, 0, 0.5) || !within(p.Beta, 0, 0.5) {
		errs = append(errs, errors.New("alpha and beta lie between 0 and 0.5"))
	}
	if len(p.Checks) > MaxChecks {
		errs = append(errs, fmt.Errorf("%d checks, at most %d", len(p.Checks), MaxChecks))
	}
	metrics := 0
	names := map[string]bool{}
	for i := range p.Checks {
		c := &p.Checks[i]
		metrics += c.metrics()
		if err := c.validate(); err != nil {
			errs = append(errs, fmt.Errorf("check %s: %w", c.Name, err))
		}
		if names[c.Name] {
			errs = append(errs, fmt.Errorf("check %s: named twice", c.Name))
		}
		names[c.Name] = true
	}
	if measured := p.measured(); measured > MaxMeasures {
		errs = append(errs, fmt.Errorf("%d latency checks of measured times, at most %d", measured, MaxMeasures))
	}
	if metrics > MaxMetrics {
		errs = append(errs, fmt.Errorf("%d checks and absolute limits, at most %d", metrics, MaxMetrics))
	}
	return errors.Join(errs...)
}

func (p *Policy) measured() (n int) {
	for i := range p.Checks {
		if p.Checks[i].Measured {
			n++
		}
	}
	return n
}

func (c *Check) validate() error {
	switch {
	case c.Name == "":
		return errors.New("has no name")
	case c.Kind > Value:
		return fmt.Errorf("kind %d is unknown", c.Kind)
	case c.metrics() == 0:
		return errors.New("has neither a comparison with the baseline nor a limit")
	case c.Kind == Latency && !within(c.Quantile, 0.01, 0.9999):
		return errors.New("the quantile lies between 0.01 and 0.9999")
	case c.Kind == Latency && c.MaxRatio < 1:
		return errors.New("a latency ratio is at least 1")
	case c.MaxRatio != 0 && !within(c.MaxRatio, 1, 1000):
		return errors.New("a ratio is 0 or lies between 1 and 1000")
	case c.Kind == Slow && c.Over <= 0:
		return errors.New("a fixed threshold is longer than 0")
	case c.Kind != Value && !(within(c.MaxIncrease, 0, maxIncrease) && within(c.MaxDecrease, 0, maxIncrease) && within(c.Max, 0, 1)):
		return fmt.Errorf("increase and decrease lie between 0 and %v, max between 0 and 1", maxIncrease)
	case !finite(c.MaxIncrease) || !finite(c.Max):
		return errors.New("increase and max are finite")
	}
	return nil
}

func within(x, low, high float64) bool { return x >= low && x <= high }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// alpha and beta are the chances in force.
func (p *Policy) alpha() float64 { return orDefault(p.Alpha, 0.01) }
func (p *Policy) beta() float64  { return orDefault(p.Beta, 0.05) }

func orDefault(x, otherwise float64) float64 {
	if x > 0 && x < 1 {
		return x
	}
	return otherwise
}

// compared reports whether the check has a line relative to the baseline.
func (c *Check) compared() bool {
	return c.Kind == Latency || c.Kind == Ratio || c.MaxRatio > 0
}

// limited reports whether the check has an absolute limit that is a bet of its own. The limit on a
// single value is a plain rule, see Value.
func (c *Check) limited() bool { return c.Kind != Value && c.Max > 0 }

// metrics is how many bets the check places: the comparison and the absolute limit each have their own
// capital. A single value always has one.
func (c *Check) metrics() int {
	n := 0
	if c.compared() || c.Kind == Value && c.Max > 0 {
		n++
	}
	if c.limited() {
		n++
	}
	return n
}

// bets reports whether a metric of the check has a share of alpha.
func (c *Check) bets() bool { return c.Kind != Value || c.compared() }

// line is the tolerance of the roll-back evidence.
func (c *Check) line() line {
	switch c.Kind {
	case Latency: // MaxRatio is in the candidate's threshold
		return line{ratio: 1}
	case Ratio:
		return line{ratio: 1, add: c.MaxDecrease}
	case Errors, Slow, Value:
	}
	return line{ratio: c.MaxRatio, add: c.MaxIncrease}
}

// widened is the tolerance of the promote evidence on the way to weight next: the extra bad requests
// over all users at that weight stay within the tolerance. At 1 it is the tolerance itself.
func (c *Check) widened(next float64) line {
	l := c.line()
	if c.Kind == Latency {
		return line{ratio: 1 / next}
	}
	return line{ratio: 1 + (l.ratio-1)/next, add: min(l.add/next, maxIncrease)}
}

// share is the part of alpha that one metric of check i may spend. The comparison of errors takes half
// and the others share the rest equally; alone it takes all, and without it all are equal. An average
// of evidences is evidence again, so no further correction of alpha is needed.
func (p *Policy) share(i int, absolute bool) float64 {
	errorsToo, others := false, 0
	for k := range p.Checks {
		c := &p.Checks[k]
		if c.ObserveOnly || !c.bets() {
			continue
		}
		n := c.metrics()
		if c.Kind == Errors && c.compared() && !errorsToo {
			errorsToo = true
			n--
		}
		others += n
	}
	if p.Checks[i].ObserveOnly {
		return 1
	}
	return part(errorsToo, others, !absolute && p.leads(i))
}

// leads reports whether check i is the first that compares errors.
func (p *Policy) leads(i int) bool {
	for k := range p.Checks {
		c := &p.Checks[k]
		if c.Kind == Errors && c.compared() && !c.ObserveOnly {
			return k == i
		}
	}
	return false
}

func part(errorsToo bool, others int, leads bool) float64 {
	switch {
	case leads && others == 0:
		return 1
	case leads:
		return 0.5
	case errorsToo:
		return 0.5 / float64(others)
	}
	return 1 / float64(max(others, 1))
}
