package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/judge"
)

// TestLaw: one by one and bucket by bucket give the same law, whose quantiles are those asked for.
func TestLaw(t *testing.T) {
	for _, n := range []float64{fewRequests - 1, 10 * fewRequests} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			l := newLaw(Latency{P50: 40 * time.Millisecond, P99: 160 * time.Millisecond}, 1.5)
			limits := []int{judge.BucketOf(60 * time.Millisecond), judge.BucketOf(240 * time.Millisecond)}
			bins, slow := make([]float64, width), make([]float64, len(limits))
			all := 0.0
			for all < 200_000 {
				l.draw(r, n, bins, limits, slow)
				all += n
			}
			var h judge.Histogram
			sum := 0.0
			for i, k := range bins {
				sum += k
				h.Learn([]judge.Bin{{Bucket: lowest + i, Count: k}}, 0)
			}
			if sum != all {
				t.Errorf("%v requests in the buckets, want %v", sum, all)
			}
			for i, want := range []float64{l.above(limits[0]), l.above(limits[1])} {
				if off := slow[i] - want*all; math.Abs(off) > 5*math.Sqrt(want*all) {
					t.Errorf("limit %d: %v slow, want about %.0f", i, slow[i], want*all)
				}
			}
			for q, want := range map[float64]time.Duration{0.5: 60 * time.Millisecond, 0.99: 240 * time.Millisecond} {
				if got, _ := h.Quantile(q); math.Abs(float64(got-judge.BucketOf(want))) > 1 {
					t.Errorf("quantile %v: %v, want about %v", q, judge.UpperBound(got), want)
				}
			}
		})
	}
}

// TestLawOfOneLatency has no spread at all.
func TestLawOfOneLatency(t *testing.T) {
	for _, n := range []float64{5, 5000} {
		l := newLaw(Latency{P50: 30 * time.Millisecond, P99: 30 * time.Millisecond}, 1)
		bins := make([]float64, width)
		l.draw(rand.New(rand.NewPCG(1, 1)), n, bins, nil, nil)
		if got := bins[judge.BucketOf(30*time.Millisecond)-lowest]; got != n {
			t.Errorf("%v of %v requests took 30 ms", got, n)
		}
	}
}

// TestLimits: a threshold that the judge publishes leads back to the bucket it came from.
func TestLimits(t *testing.T) {
	for b := lowest; b < highest; b++ {
		if got := judge.BucketOf(judge.UpperBound(b)); got != b {
			t.Errorf("bucket %d has the upper bound %v, which lies in bucket %d", b, judge.UpperBound(b), got)
		}
	}
}
