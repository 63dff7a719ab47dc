package judge

import (
	"math"
	"time"
)

// What the mixtures and the guards cost over the best bet that knew everything; found by simulation.
const (
	clearCost = 1.6
	catchCost = 1.9
)

// Need is how much traffic a decision takes. Requests is +Inf, and Time the longest duration, when no
// amount will do.
type Need struct {
	Requests float64       // of the candidate; of a Value check scrapes
	Time     time.Duration // at the assumed rate; 0 for a Value check, whose scrapes have a pace of their own
}

// Traffic is what a plan assumes.
type Traffic struct {
	Rate     float64       // requests a second to baseline and candidate together
	Weight   float64       // the candidate's share of them, between 0 and 1
	Next     float64       // the weight that the step leads to
	Deadline time.Duration // of the step; 0: none
}

// Plan says what one check can do with the traffic of a step. Its numbers are estimates.
type Plan struct {
	Clear    Need    // to promote a candidate that equals the baseline
	Catch    []Catch // to roll back worse ones
	Fits     bool    // Clear comes before the deadline
	Smallest float64 // tolerance that could be cleared before the deadline; NaN: none, or nothing to compare
}

// Catch is what it takes to roll back a candidate that is worse in one way. One of the first two is 0;
// of a Value check both are, and every scrape is worse.
type Catch struct {
	Increase float64 // of the share of bad requests
	Factor   float64 // of the latencies
	Need     Need
}

// The ways of being worse that a plan lists.
var (
	increases = [3]float64{0.002, 0.01, 0.05}
	slower    = 1.5
)

// Plan estimates for the check at position i, from what the memory knows of the baseline. Smallest is in
// the terms of the check: MaxIncrease, MaxDecrease or, of latencies, MaxRatio.
func (p *Policy) Plan(i int, m *Memory, tr Traffic) Plan {
	c := p.Checks[i]
	if c.Kind == Value {
		return p.planScrapes(i)
	}
	plan := Plan{Clear: tr.need(p.toClear(&c, m, tr)), Smallest: math.NaN()}
	if !c.compared() {
		plan.Clear = Need{}
	}
	plan.Fits = tr.Deadline == 0 || plan.Clear.Time <= tr.Deadline
	for _, bad := range catches(&c) {
		bad.Need = tr.need(p.toCatch(i, m, tr, bad))
		plan.Catch = append(plan.Catch, bad)
	}
	if tr.Deadline > 0 && c.compared() {
		plan.Smallest = p.smallest(c, m, tr)
	}
	return plan
}

func catches(c *Check) []Catch {
	if c.Kind == Latency {
		return []Catch{{Factor: slower}}
	}
	var all []Catch
	for _, by := range increases {
		all = append(all, Catch{Increase: by})
	}
	return all
}

// need puts requests of the candidate into time.
func (tr Traffic) need(requests float64) Need {
	seconds := requests / (tr.Rate * tr.Weight)
	if math.IsNaN(seconds) || seconds >= math.MaxInt64/float64(time.Second) {
		return Need{Requests: requests, Time: math.MaxInt64}
	}
	return Need{Requests: requests, Time: time.Duration(seconds * float64(time.Second))}
}

func (tr Traffic) odds() float64 { return tr.Weight / (1 - tr.Weight) }

// shares are the bad shares of the baseline and of a candidate whose latencies are so many times as
// long, or who fails so much more often. False: the memory does not know enough.
func (m *Memory) shares(c *Check, bad Catch) (baseline, candidate float64, ok bool) {
	if c.Kind != Latency {
		h := m.find(c.Name)
		p := h.guess.of(c)
		return p, min(p+bad.Increase, 1), true
	}
	latency := m.latency(c)
	theta, ok := latency.Quantile(c.Quantile)
	if !ok {
		return 0, 0, false
	}
	longer := 0
	if bad.Factor > 1 {
		longer = int(octave * math.Log2(bad.Factor))
	}
	all := latency.Total()
	return latency.Above(theta) / all, latency.Above(theta+Shift(c.MaxRatio)-longer) / all, true
}

// toClear is about how many requests prove a candidate that equals the baseline.
func (p *Policy) toClear(c *Check, m *Memory, tr Traffic) float64 {
	baseline, candidate, ok := m.shares(c, Catch{})
	l := c.widened(tr.Next)
	if !ok || candidate >= l.ratio*baseline+l.add {
		return math.Inf(1)
	}
	return clearCost * -math.Log(p.beta()) / l.information(candidate, baseline, tr.odds())
}

// toCatch is about how many requests roll a bad candidate back: never fewer than three bad ones take.
func (p *Policy) toCatch(i int, m *Memory, tr Traffic, bad Catch) float64 {
	c := &p.Checks[i]
	baseline, candidate, ok := m.shares(c, bad)
	l, absolute := c.line(), !c.compared()
	if absolute {
		l = line{add: c.Max}
	}
	if !ok || candidate <= l.ratio*baseline+l.add {
		return math.Inf(1)
	}
	rate := l.information(candidate, baseline, tr.odds())
	return max(catchCost*-math.Log(p.alpha()*p.share(i, absolute))/rate, standard.least/candidate)
}

// smallest is the tightest tolerance that can be cleared before the deadline.
func (p *Policy) smallest(c Check, m *Memory, tr Traffic) float64 {
	fits := func() bool { return tr.need(p.toClear(&c, m, tr)).Time <= tr.Deadline }
	if c.Kind == Latency {
		for shift := range buckets {
			if c.MaxRatio = math.Exp2(float64(shift) / octave); fits() {
				return c.MaxRatio
			}
		}
		return math.NaN()
	}
	set := &c.MaxIncrease
	if c.Kind == Ratio {
		set = &c.MaxDecrease
	}
	low, high := 0.0, maxIncrease
	if *set = high; !fits() {
		return math.NaN()
	}
	for range 40 {
		*set = (low + high) / 2
		if fits() {
			high = *set
		} else {
			low = *set
		}
	}
	return high
}

// planScrapes counts scrapes in a row.
func (p *Policy) planScrapes(i int) Plan {
	if !p.Checks[i].compared() {
		return Plan{Fits: true, Smallest: math.NaN(), Catch: []Catch{{Need: Need{Requests: limitStreak}}}}
	}
	alarm := -math.Log(p.alpha() * p.share(i, false))
	return Plan{
		Clear: Need{Requests: inARow(notWorse, func(m *metric) bool { return m.logProof() >= -math.Log(p.beta()) })},
		Catch: []Catch{{Need: Need{Requests: inARow(worse, func(m *metric) bool { return m.logAgainst(onset) >= alarm })}}},
		Fits:  true, Smallest: math.NaN(),
	}
}

// inARow is how many scrapes of one sign it takes.
func inARow(s sign, done func(*metric) bool) float64 {
	var m metric
	n := 0
	for n < 1000 && !done(&m) {
		m.scrape(s, true)
		n++
	}
	return float64(n)
}

// Remaining is about how much more the check at position i needs before it passes, when the candidate
// equals the baseline.
func (t *Trial) Remaining(p *Policy, i int, m *Memory, tr Traffic) Need {
	f := t.Finding(p, i)
	if f.Outcome == Pass {
		return Need{}
	}
	tr.Next = t.Next()
	whole := p.Plan(i, m, tr).Clear.Requests
	goal := -math.Log(p.beta())
	best := clearCost * goal / whole // nats a request at best
	more := max((goal-f.For)/best, whole-f.Candidate.Requests)
	if p.Checks[i].Kind == Value {
		return Need{Requests: max(1, math.Ceil(whole*(goal-f.For)/goal))}
	}
	return tr.need(more)
}
