package judge

import (
	"math"
	"testing"
	"time"
)

// TestBucketsAndBounds wants a latency in a bucket exactly when it is not longer than the bucket's bound.
func TestBucketsAndBounds(t *testing.T) {
	for b := -shifted + 1; b < buckets-1; b++ {
		bound := UpperBound(b)
		if got := BucketOf(bound); got != b {
			t.Fatalf("bucket of %v, the bound of %d, is %d", bound, b, got)
		}
		if got := BucketOf(bound + 1); got != b+1 {
			t.Fatalf("bucket of %v, just above the bound of %d, is %d", bound+1, b, got)
		}
	}
	if BucketOf(0) != -shifted || BucketOf(time.Hour) != buckets-1 {
		t.Errorf("outermost buckets %d and %d", BucketOf(0), BucketOf(time.Hour))
	}
}

func TestHistogramChoosesItsUnit(t *testing.T) {
	tests := []struct {
		name string
		took map[time.Duration]float64
		fine bool
		p50  time.Duration
	}{
		{"milliseconds", map[time.Duration]float64{20 * time.Millisecond: 10}, false, 20 * time.Millisecond},
		{"microseconds", map[time.Duration]float64{300 * time.Microsecond: 10}, true, 300 * time.Microsecond},
		{"quick, with a slow tail", map[time.Duration]float64{300 * time.Microsecond: 10, 2 * time.Second: 1}, false, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Histogram
			for range 3 {
				var bins []Bin
				for d, n := range tt.took {
					bins = append(bins, Bin{BucketOf(d), n})
				}
				h.Learn(bins, 1)
			}
			b, ok := h.Quantile(0.5)
			if got := UpperBound(b); !ok || h.fine != tt.fine || got < tt.p50 || float64(got) > 1.023*float64(tt.p50) {
				t.Errorf("p50 %v, %v, fine %v; want about %v", got, ok, h.fine, tt.p50)
			}
		})
	}
}

// TestHistogramChangesItsUnit starts with slow first requests, settles within a millisecond and becomes
// slow later.
func TestHistogramChangesItsUnit(t *testing.T) {
	var h Histogram
	for _, took := range []time.Duration{5 * time.Millisecond, 300 * time.Microsecond, 2 * time.Second} {
		for range 900 {
			h.Learn([]Bin{{BucketOf(took), 10}}, 1)
		}
		b, _ := h.Quantile(0.5)
		if got := UpperBound(b); got < took || float64(got) > 1.023*float64(took) {
			t.Errorf("p50 %v, want about %v", got, took)
		}
	}
	h.Learn([]Bin{{BucketOf(300 * time.Microsecond), 10}}, 1)
	if h.fine {
		t.Error("one quick window changed the unit")
	}
}

func TestHistogramFadesAndMerges(t *testing.T) {
	var a, b Histogram
	a.Learn([]Bin{{100, 64}}, 0)
	a.Learn(nil, halfLife)
	near(t, "total after a half-life", a.Total(), 32)
	b.Learn([]Bin{{-100, 8}}, 0)
	if !b.fine {
		t.Fatal("not fine")
	}
	a.Merge(&b)
	near(t, "merged", a.Total(), 40)
	near(t, "above 1 ms", a.Above(0), 32)
	var empty Histogram
	empty.Merge(&b)
	if got, _ := empty.Quantile(0.5); got != -100 {
		t.Errorf("p50 in bucket %d, want -100", got)
	}
}

func TestThresholds(t *testing.T) {
	p := full()
	var m Memory
	if _, _, ok := m.Thresholds(&p.Checks[1]); ok {
		t.Error("a threshold out of nothing")
	}
	if got := m.Lag(&p); got != 1250*time.Millisecond {
		t.Errorf("lag %v, want that of the fixed threshold", got)
	}
	m.Learn(&p, busy(&p))
	theta, slow, ok := m.Thresholds(&p.Checks[3])
	if !ok || math.Abs(float64(slow)/float64(theta)-math.Exp2(9.0/octave)) > 1e-6 {
		t.Errorf("%v and %v", theta, slow)
	}
	for i := range p.Checks {
		p.Checks[i].Over = 10 * time.Millisecond
	}
	if got := m.Lag(&p); got != slow+time.Second && got != 4*theta {
		t.Errorf("lag %v, thresholds %v and %v", got, theta, slow)
	}
	p.Checks[4].Over = time.Hour
	if got := m.Lag(&p); got != time.Minute {
		t.Errorf("lag %v, want a minute at most", got)
	}
	none := errorsOnly(0.002)
	if got := new(Memory).Lag(&none); got != 250*time.Millisecond {
		t.Errorf("lag %v, want the least", got)
	}
}

// TestMemoryGoesByName keeps what it knows when the checks move, and makes room for new ones.
func TestMemoryGoesByName(t *testing.T) {
	p := full()
	var m Memory
	for range 10 {
		m.Learn(&p, busy(&p))
	}
	before := m.Guess("slow")
	q := Policy{Checks: []Check{p.Checks[4], p.Checks[0]}}
	if got := m.Guess("slow"); got != before {
		t.Errorf("guess %v, was %v", got, before)
	}
	for k := range 3 * MaxChecks {
		q.Checks = append(q.Checks[:2], Check{Name: string(rune('a' + k)), Kind: Errors, MaxRatio: 1})
		m.Learn(&q, seen(&q, Tally{}, Tally{100, 50}))
		if m.Guess(q.Checks[2].Name) < 0.1 {
			t.Errorf("check %s found no room", q.Checks[2].Name)
		}
	}
	if m.Guess("slow") == 0.0025 {
		t.Error("a check of the policy was forgotten")
	}
}

func TestDispersionFadesWithinDays(t *testing.T) {
	var d dispersion
	for range 100 {
		d.learn(cells([]float64{0, 12, 0, 0}, nil), 1)
	}
	before := d.phi()
	d.learn(nil, 20*phiHalfLife)
	if after := d.phi(); before < 5 || after > 1.1 {
		t.Errorf("phi %v, after weeks %v", before, after)
	}
	d = dispersion{}
	d.learn(cells([]float64{1000}, nil), 1)
	if d.phi() != 1 {
		t.Errorf("one cell: phi %v", d.phi())
	}
}

func TestThinWindowsAddUp(t *testing.T) {
	first := Window{Seconds: 1, Changed: true, Checks: []Counts{{Baseline: Tally{19, 1}, Cells: []Tally{{10, 1}}}}, Latency: []Bin{{3, 4}}}
	second := Window{Seconds: 2, Checks: []Counts{{Candidate: Tally{1, 1}, Baseline: Tally{30, 0}, Cells: []Tally{{5, 0}, {25, 0}}, Threshold: 7}}}
	if !first.Thin() || !(&Window{Checks: []Counts{{Candidate: Tally{5, 0}}}}).Thin() {
		t.Error("a window without one pool is thin")
	}
	first.Add(second)
	c := first.Checks[0]
	if first.Thin() || first.Seconds != 3 || !first.Changed || c.Candidate != (Tally{1, 1}) || c.Baseline != (Tally{49, 1}) ||
		len(c.Cells) != 2 || c.Cells[0] != (Tally{15, 1}) || c.Threshold != 7 || len(first.Latency) != 1 {
		t.Errorf("sum %+v", first)
	}
	coin := Window{Odds: 0.05, Checks: []Counts{{Baseline: Tally{1, 0}}}}
	if coin.Thin() {
		t.Error("with a coin's odds no window is thin")
	}
}
