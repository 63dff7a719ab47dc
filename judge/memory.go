package judge

import "time"

// Memory is what a leader knows about how a pool behaves while it is the baseline: its latencies, a
// guess of the bad share of each check, and how much its parts differ. It outlives rollouts, also
// learns outside them, and has no part in the guarantee. The zero Memory knows nothing yet.
type Memory struct {
	Latency  Histogram
	measures [MaxMeasures]measure
	habits   [MaxChecks]habit
}

// habit is the memory of one check, found by its name.
type habit struct {
	name       string
	guess      guess
	dispersion dispersion
}

// Learn takes over what the baseline did in a window. Observe calls it after betting; outside rollouts
// the caller does, with the counts of the pool that has the traffic as Baseline.
func (m *Memory) Learn(p *Policy, w Window) {
	seconds := w.seconds()
	for i := range p.Checks[:min(len(p.Checks), MaxChecks)] {
		if p.Checks[i].Kind == Value {
			continue
		}
		c, h := w.counts(i), m.claim(p, p.Checks[i].Name)
		if p.Checks[i].Apart {
			h.guess.learn(Tally{c.Baseline.Requests, c.Arrived.Baseline}, seconds)
		} else {
			h.guess.learn(c.Baseline, seconds)
		}
		h.dispersion.learn(c.Cells, seconds)
	}
	m.Latency.Learn(w.Latency, seconds)
	m.fadeMeasures(seconds)
}

// Guess is the expected bad share of a check, from 0.0025 when nothing is known yet.
func (m *Memory) Guess(check string) float64 {
	h := m.find(check)
	return h.guess.share()
}

// Dispersion is how much more the parts of the baseline differ than independent requests would: from 1
// to 100.
func (m *Memory) Dispersion(check string) float64 {
	h := m.find(check)
	return h.dispersion.phi()
}

// Threshold is the baseline's latency quantile: the upper bound of a bucket. False: no latency is known.
func (m *Memory) Threshold(quantile float64) (time.Duration, bool) {
	b, ok := m.Latency.Quantile(quantile)
	return UpperBound(b), ok
}

// Thresholds are the latencies beyond which requests of the baseline and of the candidate count as bad
// in a Latency or Slow check. False: there are none, for want of a known latency or by the kind of the
// check. They are to be in force from the next window on, for both pools alike.
func (m *Memory) Thresholds(c *Check) (baseline, candidate time.Duration, ok bool) {
	switch c.Kind {
	case Slow:
		return c.Over, c.Over, true
	case Latency:
		b, ok := m.latency(c).Quantile(c.Quantile)
		return UpperBound(b), UpperBound(b + Shift(c.MaxRatio)), ok
	case Errors, Ratio, Value:
	}
	return 0, 0, false
}

// The bounds of a lag.
const (
	leastLag = 250 * time.Millisecond
	mostLag  = 60 * time.Second
)

// Lag is how long after a window's end its outcomes are taken as known: long enough for four times the
// baseline's p99 and for the longest threshold and a second more, within 0.25 s and a minute.
func (m *Memory) Lag(p *Policy) time.Duration {
	lag := leastLag
	if p99, ok := m.Threshold(0.99); ok {
		lag = max(lag, 4*p99)
	}
	for i := range p.Checks {
		if _, slow, ok := m.Thresholds(&p.Checks[i]); ok {
			lag = max(lag, slow+time.Second)
		}
	}
	return min(lag, mostLag)
}

// find is the memory of a check, empty when there is none.
func (m *Memory) find(check string) habit {
	for i := range m.habits {
		if m.habits[i].name == check {
			return m.habits[i]
		}
	}
	return habit{}
}

// claim is the place of a check; a check new to the memory gets one that is free or that the policy has
// no use for.
func (m *Memory) claim(p *Policy, check string) *habit {
	for i := range m.habits {
		if m.habits[i].name == check {
			return &m.habits[i]
		}
	}
	for i := range m.habits {
		if h := &m.habits[i]; h.name == "" || !p.has(h.name) {
			*h = habit{name: check}
			return h
		}
	}
	return &m.habits[0] // not reached: a policy has at most as many checks as there are places
}

func (p *Policy) has(check string) bool {
	for i := range p.Checks {
		if p.Checks[i].Name == check {
			return true
		}
	}
	return false
}
