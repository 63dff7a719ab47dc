package judge

import (
	"math"
	"testing"
	"time"
)

func TestPlanOfErrors(t *testing.T) {
	p := errorsOnly(0.002)
	var m Memory
	m.Learn(&p, Window{Checks: []Counts{{Baseline: Tally{1e6, 0}}}})
	plan := p.Plan(0, &m, Traffic{Rate: 20, Weight: 0.05, Next: 0.25, Deadline: 30 * time.Minute})
	// The rule of three: 0.8 points in 600 requests, at one request a second.
	if n := plan.Clear.Requests; n < 550 || n > 650 || !plan.Fits {
		t.Errorf("to clear %v, fits %v; want about 600 that fit", plan.Clear, plan.Fits)
	}
	if d := plan.Clear.Time; math.Abs(d.Seconds()-plan.Clear.Requests) > 1 {
		t.Errorf("%v for %v requests", d, plan.Clear.Requests)
	}
	if plan.Smallest <= 0 || plan.Smallest >= 0.002 {
		t.Errorf("smallest %v, want one that is tighter than what fits", plan.Smallest)
	}
	p.Checks[0].MaxIncrease = plan.Smallest
	if d := p.Plan(0, &m, Traffic{Rate: 20, Weight: 0.05, Next: 0.25}).Clear.Time; math.Abs(d.Minutes()-30) > 0.1 {
		t.Errorf("the smallest takes %v, want the deadline", d)
	}
	for i, c := range plan.Catch {
		switch {
		case c.Increase <= 0.002 && c.Need.Time != math.MaxInt64:
			t.Errorf("a candidate within the tolerance is caught: %+v", c)
		case i > 1 && c.Need.Requests >= plan.Catch[i-1].Need.Requests:
			t.Errorf("%+v takes longer than %+v", c, plan.Catch[i-1])
		}
	}
}

func TestPlanWithTooLittleTraffic(t *testing.T) {
	p := errorsOnly(0.002)
	var m Memory
	m.Learn(&p, Window{Checks: []Counts{{Baseline: Tally{1e5, 1000}}}})
	plan := p.Plan(0, &m, Traffic{Rate: 2, Weight: 0.05, Next: 0.25, Deadline: 30 * time.Minute})
	if plan.Fits || !(plan.Smallest > 0.002) {
		t.Errorf("%+v, want a wider tolerance", plan)
	}
	plan = p.Plan(0, &m, Traffic{Rate: 0, Weight: 0.05, Next: 0.25, Deadline: time.Minute})
	if plan.Fits || !math.IsNaN(plan.Smallest) || plan.Clear.Time != math.MaxInt64 {
		t.Errorf("without traffic %+v", plan)
	}
}

func TestPlanOfLatency(t *testing.T) {
	p := defaultPolicy()
	m := logNormal(40*time.Millisecond, 0.5)
	tr := Traffic{Rate: 500, Weight: 0.05, Next: 0.25, Deadline: 30 * time.Minute}
	for i := 1; i < len(p.Checks); i++ {
		plan := p.Plan(i, &m, tr)
		catch := plan.Catch[0]
		if plan.Clear.Time > 3*time.Minute || catch.Factor != 1.5 || catch.Need.Time > 2*time.Minute {
			t.Errorf("%s: %+v", p.Checks[i].Name, plan)
		}
		if plan.Smallest < 1 || plan.Smallest > 1.2 {
			t.Errorf("%s: smallest %v", p.Checks[i].Name, plan.Smallest)
		}
	}
	if plan := p.Plan(3, new(Memory), tr); plan.Fits || !math.IsInf(plan.Clear.Requests, 1) {
		t.Errorf("with nothing known %+v", plan)
	}
}

// logNormal is a memory of latencies with that median and that spread of their logarithms.
func logNormal(median time.Duration, sigma float64) Memory {
	const n = 100_000
	bins := make([]Bin, n)
	for i := range bins {
		z := math.Sqrt2 * math.Erfinv((2*float64(i)+1)/n-1)
		bins[i] = Bin{BucketOf(time.Duration(float64(median) * math.Exp(sigma*z))), 1}
	}
	var m Memory
	m.Latency.Learn(bins, 0)
	return m
}

func TestPlanOfOtherKinds(t *testing.T) {
	p := full()
	a := Memory{}
	for range 100 {
		a.Learn(&p, busy(&p))
	}
	tr := Traffic{Rate: 500, Weight: 0.25, Next: 0.5, Deadline: time.Hour}
	if got := p.Plan(5, &a, tr).Smallest; !(got > 0) || got > 0.05 {
		t.Errorf("conversion: smallest %v", got)
	}
	cpu := p.Plan(6, &a, tr)
	if cpu.Clear.Requests < 5 || cpu.Clear.Requests > 9 || cpu.Catch[0].Need.Requests < 12 {
		t.Errorf("cpu: %+v", cpu)
	}
	if queue := p.Plan(7, &a, tr); queue.Catch[0].Need.Requests != 3 || !queue.Fits {
		t.Errorf("queue: %+v", queue)
	}
}

func TestRemainingShrinks(t *testing.T) {
	p := errorsOnly(0.002)
	var m Memory
	var tr Trial
	tr.Step(0.25)
	traffic := Traffic{Rate: 20, Weight: 0.05}
	last := math.Inf(1)
	for window := range 800 {
		tr.Observe(&p, &m, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{1, 0}, Baseline: Tally{19, 0}}}})
		need := tr.Remaining(&p, 0, &m, traffic)
		if window > 10 && need.Requests > last+1 {
			t.Fatalf("after %d windows %.1f more, before it were %.1f", window+1, need.Requests, last)
		}
		last = need.Requests
	}
	if last != 0 {
		t.Errorf("%v more after a pass", last)
	}
}
