package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/judge"
)

// drawSeconds adds up many seconds at a weight of 25 %.
func drawSeconds(t *testing.T, p Plan, now func(*world) weather) (judge.Window, *traffic) {
	t.Helper()
	p.Service, p.Runs = service(t, "{}"), 1
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	w := newWorld(&p, r)
	tr := newTraffic(w, r)
	tr.split(2500)
	tr.publish(&w.memory)
	sum := tr.second(now(w))
	for range 4000 {
		sum.Add(tr.second(now(w)))
	}
	return sum, tr
}

func steady(w *world) weather {
	return weather{baseline: w.baseline, worse: w.worse, change: w.plan.Worse}
}

func TestSecond(t *testing.T) {
	sum, _ := drawSeconds(t, Plan{Rate: 200, Errors: 0.01, Worse: Change{Ratio: 1, Add: 0.02}, Slower: 2}, steady)
	errors := &sum.Checks[0]
	near(t, "requests of the candidate", errors.Candidate.Requests/sum.Seconds, 50, 1)
	near(t, "requests of the baseline", errors.Baseline.Requests/sum.Seconds, 150, 2)
	near(t, "failures of the candidate", errors.Candidate.Share(), 0.03, 0.003)
	near(t, "failures of the baseline", errors.Baseline.Share(), 0.01, 0.001)
	for i, want := range []float64{0.5, 0.05, 0.01} {
		c := &sum.Checks[1+i]
		near(t, "slow requests of the baseline", c.Baseline.Share(), want, want/5)
		if c.Candidate.Share() < 1.5*c.Baseline.Share() {
			t.Errorf("check %d: %v of the candidate are slow and %v of the baseline", 1+i, c.Candidate.Share(), c.Baseline.Share())
		}
		if c.Candidate.Requests != errors.Candidate.Requests-errors.Candidate.Bad {
			t.Errorf("check %d: failed requests have latencies", 1+i)
		}
	}
	checkCells(t, &sum, 2)
}

// checkCells: so many parts of the baseline add up to it.
func checkCells(t *testing.T, w *judge.Window, want int) {
	t.Helper()
	for i := range w.Checks {
		var all judge.Tally
		used := 0
		for _, c := range w.Checks[i].Cells {
			all.Requests += c.Requests
			all.Bad += c.Bad
			if c.Requests > 0 {
				used++
			}
		}
		if all != w.Checks[i].Baseline || used != want {
			t.Errorf("check %d: %d cells add up to %v, want %d and %v", i, used, all, want, w.Checks[i].Baseline)
		}
	}
}

func TestOutage(t *testing.T) {
	sum, _ := drawSeconds(t, Plan{Rate: 200, Errors: 0.1, Worse: Change{Ratio: 2}}, func(w *world) weather {
		now := steady(w)
		now.outage = 0.5
		return now
	})
	near(t, "baseline", sum.Checks[0].Baseline.Share(), 0.55, 0.01)
	near(t, "candidate", sum.Checks[0].Candidate.Share(), 0.6, 0.01)
}

// TestBatches: batches do not change how much fails, but how unlike the parts of a pool are.
func TestBatches(t *testing.T) {
	for mean, phi := range map[float64]float64{1: 1, 10: 19} {
		p := Plan{Rate: 500, Errors: 0.01, Worse: equal, Batch: mean}
		sum, tr := drawSeconds(t, p, steady)
		near(t, "failures", sum.Checks[0].Baseline.Share(), 0.01, 0.001)
		near(t, "dispersion", tr.world.memory.Dispersion("errors"), phi, phi/4)
	}
}

// TestSticky: clients keep their pool, and the pool is bound to differ by a little.
func TestSticky(t *testing.T) {
	sum, tr := drawSeconds(t, Plan{Rate: 400, Errors: 0.05, Worse: equal, Sticky: true}, steady)
	checkCells(t, &sum, cells)
	near(t, "requests", (sum.Checks[0].Candidate.Requests+sum.Checks[0].Baseline.Requests)/sum.Seconds, 400, 3)
	odds := tr.candidate.rate / (400 - tr.candidate.rate)
	near(t, "odds", sum.Checks[0].Candidate.Requests/sum.Checks[0].Baseline.Requests, odds, 0.01)
	if excess := sum.Checks[0].Candidate.Share() - sum.Checks[0].Baseline.Share(); math.Abs(excess-tr.excess()) > 0.003 {
		t.Errorf("the candidate fails %v more, by its clients %v", excess, tr.excess())
	}
	before := append([]float64(nil), tr.at...)
	tr.split(5000)
	for i := range before {
		if before[i] != tr.at[i] {
			t.Fatal("a client changed its place")
		}
	}
}

func TestWeather(t *testing.T) {
	p := &Plan{Worse: Change{Add: 1}, Slower: 2, Onset: time.Minute, Outage: Outage{For: time.Minute, Share: 0.3}}
	w := &world{plan: p, baseline: newLaw(p.latency(), 1), worse: newLaw(p.latency(), 2)}
	for _, tt := range []struct {
		clock  time.Duration
		worse  bool
		outage float64
	}{{0, false, 0}, {29 * time.Second, false, 0}, {30 * time.Second, false, 0.3}, {time.Minute, true, 0.3}, {90 * time.Second, true, 0}} {
		got := (&player{world: w, clock: tt.clock, outage: 30 * time.Second}).weather()
		if (got.worse == w.worse) != tt.worse || (got.change == p.Worse) != tt.worse || got.outage != tt.outage {
			t.Errorf("after %v: %+v", tt.clock, got)
		}
	}
}

func near(t *testing.T, what string, got, want, by float64) {
	t.Helper()
	if math.Abs(got-want) > by {
		t.Errorf("%s: %v, want %v ± %v", what, got, want, by)
	}
}
