package judge

import (
	"math"
	"testing"
	"time"
	"unsafe"
)

// seen is a window of one second in which each check saw the same.
func seen(p *Policy, candidate, baseline Tally) Window {
	w := Window{Seconds: 1, Checks: make([]Counts, len(p.Checks))}
	for i := range w.Checks {
		w.Checks[i] = Counts{Candidate: candidate, Baseline: baseline, Threshold: time.Second}
	}
	return w
}

// TestObserveIsTheReference plays a reference sequence through the exported functions: +2 points at 500
// requests a second, errors at half of alpha.
func TestObserveIsTheReference(t *testing.T) {
	p := defaultPolicy()
	var m Memory
	var tr Trial
	tr.Step(0.25)
	m.Learn(&p, Window{Checks: []Counts{{Baseline: Tally{11400, 11}}}})
	windows := []Window{
		{Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}},
		{Checks: []Counts{{Candidate: Tally{25, 1}, Baseline: Tally{475, 1}}}},
		{Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}},
	}
	for range 4 {
		windows = append(windows, Window{Checks: []Counts{{Candidate: Tally{25, 1}, Baseline: Tally{475, 0}}}})
	}
	for i, w := range windows {
		w.Seconds = 1
		if v := tr.Verdict(&p); v.Outcome == Fail {
			t.Fatalf("failed before window %d", i+1)
		}
		tr.Observe(&p, &m, w)
		if i == 2 {
			f := tr.Finding(&p, 0)
			near(t, "Against after 3", f.Against, math.Log(0.5)+0.18771405119019202)
			near(t, "For after 3", f.For, -0.32877406058358083)
		}
	}
	near(t, "For after 7, when it fails", tr.Finding(&p, 0).For, tr.metrics[0].logProof())
	if v := tr.Verdict(&p); v.Outcome != Fail || v.Check != 0 {
		t.Errorf("after 7 windows %+v, want errors to fail", v)
	}
	f := tr.Finding(&p, 0)
	if f.Candidate != (Tally{175, 5}) || f.Baseline != (Tally{7 * 475, 1}) {
		t.Errorf("totals %v and %v", f.Candidate, f.Baseline)
	}
}

func TestMetricIsSmall(t *testing.T) {
	numbers := unsafe.Sizeof(guess{}) + unsafe.Sizeof(dispersion{})
	if size := unsafe.Sizeof(metric{}) + numbers; size > 256 {
		t.Errorf("%d bytes a metric, want at most 256", size)
	}
}

// TestNothingIsLostOfTheCapital adds up what was injected and what is in reserve.
func TestNothingIsLostOfTheCapital(t *testing.T) {
	var m metric
	against, proof := 0.0, 0.0
	for window := 1; window <= 5000; window++ {
		m.pending = window == 1 || window%700 == 0
		against += m.start(onset)
		proof += m.startProof()
		if sum := against + reserveAgainst(float64(m.windows), int(m.changes), onset); math.Abs(sum-1) > 1e-12 {
			t.Fatalf("roll-back capital after window %d adds up to %v", window, sum)
		}
		if sum := proof + reserveProof(float64(m.proofs)); math.Abs(sum-1) > 1e-12 {
			t.Fatalf("promote capital after window %d adds up to %v", window, sum)
		}
	}
	if m.changes != 7 {
		t.Errorf("%d changes injected, want 7: that of the first window injects nothing", m.changes)
	}
	sum := 0.0
	for _, part := range spread {
		sum += part
	}
	near(t, "parts of the stakes", sum, 1)
}

func TestWindowsThatCannotBeUsed(t *testing.T) {
	p := errorsOnly(0.002)
	tests := []struct {
		name                string
		odds                float64
		candidate, baseline float64
		usable              bool
	}{
		{"counted, both", 0, 1, 1, true},
		{"counted, no candidate", 0, 0, 19, false},
		{"counted, no baseline", 0, 3, 0, false},
		{"coin, no candidate", 0.05, 0, 19, true},
		{"coin, no baseline", 0.05, 3, 0, true},
		{"coin, nobody", 0.05, 0, 0, false},
		{"odds that are none", math.Inf(1), 3, 19, false},
		{"negative odds", -1, 3, 19, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Memory
			var tr Trial
			before := m.Guess("errors")
			for range 2 {
				w := seen(&p, Tally{tt.candidate, 0}, Tally{tt.baseline, tt.baseline})
				w.Odds, w.Changed = tt.odds, true
				tr.Observe(&p, &m, w)
			}
			got := &tr.metrics[0]
			if used := got.windows == 2 && got.proofs == 2; used != tt.usable || used == got.pending {
				t.Errorf("windows %d, proofs %d, change pending %v; usable %v", got.windows, got.proofs, got.pending, tt.usable)
			}
			if !tt.usable && (got.logAgainst(onset) != 0 || got.logProof() != 0) {
				t.Error("the evidence moved")
			}
			if learned := m.Guess("errors") != before; learned != (tt.baseline > 0) {
				t.Errorf("learned: %v", learned)
			}
		})
	}
}

func TestPastWindowsAreRollBackEvidenceOnly(t *testing.T) {
	p := errorsOnly(0.002)
	var m Memory
	var tr Trial
	w := seen(&p, Tally{25, 0}, Tally{475, 0})
	w.Past = true
	tr.Observe(&p, &m, w)
	got := tr.metrics[0]
	if got.windows != 1 || got.proofs != 0 || got.candidate != (Tally{}) {
		t.Errorf("%d windows, %d proofs, totals %v", got.windows, got.proofs, got.candidate)
	}
	if v := tr.Verdict(&p); v.Outcome != Missing {
		t.Errorf("%v, want missing", v.Outcome)
	}
}

func TestStepAndForgive(t *testing.T) {
	p := errorsOnly(0.002)
	var m Memory
	var tr Trial
	tr.Step(0.25)
	for range 20 {
		tr.Observe(&p, &m, seen(&p, Tally{25, 2}, Tally{475, 0}))
	}
	before := tr.Finding(&p, 0)
	tr.Step(0.5)
	after := tr.Finding(&p, 0)
	if after.Against != before.Against || after.For != 0 || after.Candidate != (Tally{}) || after.Outcome != Fail {
		t.Errorf("after a step: %+v, before: %+v", after, before)
	}
	tr.Forgive()
	if got := tr.Finding(&p, 0); got.Against != 0 || got.Outcome != Missing {
		t.Errorf("forgiven: %+v", got)
	}
	if want := (Trial{next: 0.5, seconds: 20}); tr != want {
		t.Errorf("more than the warm-up is left: %+v", tr.metrics[0])
	}
	tr.Observe(&p, &m, seen(&p, Tally{25, 0}, Tally{475, 0}))
	if got := tr.metrics[0]; got.windows != 1 || got.proofs != 1 || got.bad != 0 {
		t.Errorf("after both: %+v", got)
	}
}

func TestWarmUpIsForLatencyOnly(t *testing.T) {
	p := defaultPolicy()
	p.Checks = append(p.Checks, full().Checks[4])
	var m Memory
	var tr Trial
	for second := range 40 {
		w := seen(&p, Tally{25, 5}, Tally{475, 0})
		w.Paused = second < 5
		tr.Observe(&p, &m, w)
	}
	if got := tr.metrics[0].windows; got != 40 {
		t.Errorf("errors: %d windows, want 40", got)
	}
	if got := tr.metrics[1].windows; got != 5 {
		t.Errorf("latency: %d windows, want 5: 30 seconds of warm-up and 5 paused", got)
	}
	if got := tr.metrics[4].windows; got != 5 {
		t.Errorf("fixed threshold: %d windows, want 5", got)
	}
	if tr.metrics[1].candidate.Requests != 5*25 {
		t.Errorf("latency totals have the warm-up: %v", tr.metrics[1].candidate)
	}
	if m.Guess("p99") >= 0.0025 {
		t.Error("the memory did not learn during the warm-up")
	}
}

func TestLatencyNeedsAThreshold(t *testing.T) {
	p := Policy{Checks: []Check{{Name: "p99", Kind: Latency, Quantile: 0.99, MaxRatio: 1.2}}}
	var m Memory
	tr := Trial{seconds: WarmUp.Seconds()}
	w := seen(&p, Tally{25, 25}, Tally{475, 0})
	w.Checks[0].Threshold = 0
	tr.Observe(&p, &m, w)
	if f := tr.Finding(&p, 0); f.Outcome != Missing || f.Against != 0 {
		t.Errorf("%+v, want nothing", f)
	}
}

// TestStateIsAValue copies a trial in the middle and lets both go on.
func TestStateIsAValue(t *testing.T) {
	p := defaultPolicy()
	var m Memory
	var tr Trial
	tr.Observe(&p, &m, seen(&p, Tally{25, 1}, Tally{475, 1}))
	copied, remembered := tr, m
	tr.Observe(&p, &m, seen(&p, Tally{25, 1}, Tally{475, 1}))
	if copied == tr || remembered == m {
		t.Error("a copy went along")
	}
	copied.Observe(&p, &remembered, seen(&p, Tally{25, 1}, Tally{475, 1}))
	if copied != tr || remembered != m {
		t.Error("the same window gave something else")
	}
}

// full has every kind of check, and limits.
func full() Policy {
	return Policy{Checks: []Check{
		{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002, Max: 0.05},
		{Name: "p50", Kind: Latency, Quantile: 0.5, MaxRatio: 1.2},
		{Name: "p95", Kind: Latency, Quantile: 0.95, MaxRatio: 1.2},
		{Name: "p99", Kind: Latency, Quantile: 0.99, MaxRatio: 1.2},
		{Name: "slow", Kind: Slow, Over: 250 * time.Millisecond, MaxRatio: 1, MaxIncrease: 0.005},
		{Name: "conversion", Kind: Ratio, MaxDecrease: 0.05},
		{Name: "cpu", Kind: Value, MaxRatio: 1.25},
		{Name: "queue", Kind: Value, Max: 500},
	}}
}

// busy is a window in which every check of full has something to say.
func busy(p *Policy) Window {
	w := seen(p, Tally{25, 1}, Tally{475, 4})
	w.Odds = 0.05 / 0.95
	for i := range w.Checks {
		w.Checks[i].Cells = cells([]float64{1, 0, 2, 1}, []float64{120, 118, 122, 115})
		w.Checks[i].Scrape = Scrape{Taken: true, Candidate: 1, Baseline: 1}
	}
	for bucket := range 60 {
		w.Latency = append(w.Latency, Bin{bucket + 100, 8})
	}
	return w
}

func TestNothingIsAllocated(t *testing.T) {
	p := full()
	var m Memory
	var tr Trial
	w := busy(&p)
	var v Verdict
	var f Finding
	if n := testing.AllocsPerRun(200, func() {
		tr.Observe(&p, &m, w)
		v = tr.Verdict(&p)
		f = tr.Finding(&p, 1)
	}); n != 0 {
		t.Errorf("%v allocations a window, want none", n)
	}
	if v.Outcome == Missing || f.Baseline.Requests == 0 {
		t.Errorf("nothing was judged: %+v, %+v", v, f)
	}
}

func BenchmarkObserve(b *testing.B) {
	p := full()
	var m Memory
	var tr Trial
	w := busy(&p)
	metrics := 0
	for range p.roles() {
		metrics++
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.Observe(&p, &m, w)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(metrics), "ns/metric")
}

func BenchmarkVerdict(b *testing.B) {
	p := full()
	var m Memory
	var tr Trial
	tr.Observe(&p, &m, busy(&p))
	b.ReportAllocs()
	for b.Loop() {
		tr.Verdict(&p)
	}
}

// FuzzObserve gives counts that no caller should give. Evidence stays finite or none, and never NaN.
func FuzzObserve(f *testing.F) {
	f.Add(1.0, 1.0, 19.0, 0.0, 0.0, 1.0, 1.0, 0.5, uint8(3))
	f.Add(-1.0, math.NaN(), math.Inf(1), 1e308, 1e-300, math.Inf(-1), -5.0, 2.0, uint8(0))
	f.Add(1e-300, 1e-320, 1e300, 1e300, 1e9, 1e18, 1e300, -1e300, uint8(255))
	f.Add(0.0, 5.0, 3.0, 7.0, math.Inf(1), 0.0, 0.0, math.NaN(), uint8(100))
	f.Fuzz(func(t *testing.T, n, e, bn, be, odds, seconds, cell, next float64, flags uint8) {
		p := full()
		var m Memory
		tr := Trial{seconds: WarmUp.Seconds()}
		tr.Step(next)
		for i := range 5 {
			w := seen(&p, Tally{n, e}, Tally{bn, be})
			w.Seconds, w.Odds = seconds, odds
			w.Changed, w.Past, w.Paused = flags&1 != 0, flags&2 != 0 && i%2 == 0, flags&4 != 0
			w.Latency = []Bin{{int(flags) * 8, n}, {-int(flags), cell}}
			for k := range w.Checks {
				w.Checks[k].Cells = []Tally{{cell, e}, {n, be}, {bn, cell}}
				w.Checks[k].Scrape = Scrape{Taken: flags&8 != 0, Candidate: n, Baseline: bn}
			}
			tr.Observe(&p, &m, w)
			checkNumbers(t, &tr, &m)
		}
		for i := range p.Checks {
			finding := tr.Finding(&p, i)
			if math.IsNaN(finding.Against) || math.IsNaN(finding.For) || math.IsInf(finding.For, 1) || math.IsInf(finding.Against, 1) {
				t.Errorf("%s: %+v", p.Checks[i].Name, finding)
			}
		}
		tr.Verdict(&p)
		roundTrip(t, &tr, &m)
	})
}

func checkNumbers(t *testing.T, tr *Trial, m *Memory) {
	t.Helper()
	for i := range tr.metrics {
		for _, capital := range append(tr.metrics[i].against[:], tr.metrics[i].proof[:]...) {
			if math.IsNaN(capital) || math.IsInf(capital, 1) {
				t.Fatalf("metric %d: capital %v", i, capital)
			}
		}
	}
	for i := range m.habits {
		phi, share := m.habits[i].dispersion.phi(), m.habits[i].guess.share()
		if !(phi >= 1 && phi <= maxPhi) || !(share > 0 && share <= 0.95) {
			t.Fatalf("check %d: phi %v, guess %v", i, phi, share)
		}
	}
}
