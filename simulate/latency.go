package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/switchback-proxy/switchback/judge"
)

// Latencies are drawn as buckets of the judge: bucket i holds values of 32·log2(milliseconds) above i up
// to i+1, and of a log-normal latency these values are normal.
const (
	octave = 32
	z99    = 2.3263478740408408 // the normal's 0.99 quantile
)

var (
	lowest  = judge.BucketOf(0)
	highest = judge.BucketOf(time.Hour)
	width   = highest - lowest + 1
)

// law is how long the requests of a pool take.
type law struct {
	middle, spread float64   // in buckets
	first          int       // bucket
	chance         []float64 // of bucket first+i, when it was none before
}

func newLaw(l Latency, slower float64) *law {
	w := &law{
		middle: octave * (math.Log2(float64(l.P50)/float64(time.Millisecond)) + math.Log2(slower)),
		spread: octave * math.Log2(float64(l.P99)/float64(l.P50)) / z99,
	}
	const far = 8
	w.first = clampBucket(math.Floor(w.middle - far*w.spread))
	last := clampBucket(math.Ceil(w.middle + far*w.spread))
	for i := w.first; i <= last; i++ {
		above := w.above(i - 1)
		if i == w.first {
			above = 1
		}
		chance := 1.0
		if i < last && above > 0 {
			chance = 1 - w.above(i)/above
		}
		w.chance = append(w.chance, chance)
	}
	return w
}

// above is the share of requests slower than a bucket.
func (w *law) above(bucket int) float64 {
	if w.spread == 0 {
		if w.middle > float64(bucket+1) {
			return 1
		}
		return 0
	}
	return math.Erfc((float64(bucket+1)-w.middle)/w.spread/math.Sqrt2) / 2
}

func clampBucket(v float64) int {
	return int(max(float64(lowest), min(float64(highest), v)))
}

// fewRequests are faster drawn one by one than bucket by bucket.
const fewRequests = 400

// draw draws the latencies of n requests. bins counts them by bucket from lowest on; slow counts, for each
// limit, those above that bucket. Either may be nil.
func (w *law) draw(r *rand.Rand, n float64, bins []float64, limits []int, slow []float64) {
	if n < fewRequests {
		for range int(n) {
			note(clampBucket(math.Ceil(w.middle+w.spread*r.NormFloat64())-1), 1, bins, limits, slow)
		}
		return
	}
	for i, chance := range w.chance {
		k := binomial(r, n, chance)
		if k == 0 {
			continue
		}
		note(w.first+i, k, bins, limits, slow)
		if n -= k; n < 1 {
			return
		}
	}
}

func note(bucket int, k float64, bins []float64, limits []int, slow []float64) {
	if bins != nil {
		bins[bucket-lowest] += k
	}
	for i, limit := range limits {
		if bucket > limit {
			slow[i] += k
		}
	}
}
