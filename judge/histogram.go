package judge

import (
	"math"
	"time"
)

// Buckets of a latency: 32 an octave, each 2^(1/32) or 2.19 % wide.
const (
	octave   = 32
	buckets  = 14*octave + 1 // from one unit to 2¹⁴ units, and an overflow
	fineness = 6             // a fine unit is 2⁻⁶ ms
	shifted  = fineness * octave
	halfLife = 300 // seconds
)

// Bin counts requests of one latency bucket. Bucket 0 begins above 1 ms; those of shorter latencies are
// negative.
type Bin struct {
	Bucket int
	Count  float64
}

// BucketOf is the bucket of a latency, from -192 (15.6 µs and less) to 448 (more than 16.4 s).
func BucketOf(d time.Duration) int {
	if d <= 0 {
		return -shifted
	}
	return clampBucket(int(math.Ceil(octave*math.Log2(float64(d)/float64(time.Millisecond)))) - 1)
}

// UpperBound is the longest latency of a bucket. Slower than a bucket means strictly longer than this.
func UpperBound(bucket int) time.Duration {
	return time.Duration(math.Exp2(float64(bucket+1)/octave) * float64(time.Millisecond))
}

// Shift is how many buckets higher a latency r times as long lies: the smallest whole number of buckets
// that reaches r, so nothing is interpolated.
func Shift(r float64) int { return int(math.Ceil(octave * math.Log2(r))) }

func clampBucket(i int) int { return max(-shifted, min(i, buckets-1)) }

// Histogram remembers the latencies of a pool, fading with a half-life of 5 minutes. The zero Histogram
// is empty. It counts from 1 ms to 16.4 s, or, for services that answer within a millisecond, from
// 15.6 µs to 256 ms; what is shorter or longer goes into the outermost bucket. The first latencies
// choose the unit; it changes only when it stops fitting.
type Histogram struct {
	fine   bool
	counts [buckets]float64
}

// base is what a bucket's number and its place differ by.
func (h *Histogram) base() int {
	if h.fine {
		return shifted
	}
	return 0
}

func (h *Histogram) place(bucket int) int {
	return max(0, min(bucket+h.base(), buckets-1))
}

// Total is the number of requests remembered.
func (h *Histogram) Total() float64 {
	sum := 0.0
	for _, n := range &h.counts {
		sum += n
	}
	return sum
}

// Learn fades by so many seconds, then adds the bins.
func (h *Histogram) Learn(bins []Bin, seconds float64) {
	h.fade(clean(seconds))
	if len(bins) == 0 {
		return
	}
	switch all := h.Total(); {
	case all < 1:
		*h = Histogram{fine: short(bins)}
	case h.fine && h.counts[buckets-1] > all/20:
		h.coarsen()
	case !h.fine && h.counts[0] > all/2 && h.Above(finest) < all/100:
		*h = Histogram{fine: true} // what lies below a millisecond was not told apart
	}
	for _, b := range bins {
		h.counts[h.place(clampBucket(b.Bucket))] += clean(b.Count)
	}
}

// finest is the last bucket that a fine histogram tells from longer ones.
const finest = buckets - 2 - shifted

// coarsen moves the counts into the longer unit.
func (h *Histogram) coarsen() {
	old := h.counts
	*h = Histogram{}
	for i, n := range &old {
		h.counts[max(0, i-shifted)] += n
	}
}

// short reports whether latencies need the finer unit: half of them are below a millisecond, and the
// slowest hundredth still fits.
func short(bins []Bin) bool {
	var all, below, beyond float64
	for _, b := range bins {
		n := clean(b.Count)
		all += n
		if b.Bucket < 0 {
			below += n
		}
		if b.Bucket > finest {
			beyond += n
		}
	}
	return below >= all/2 && beyond < all/100
}

// Merge adds what another histogram remembers.
func (h *Histogram) Merge(o *Histogram) {
	if h.Total() < 1 {
		h.fine = o.fine
	}
	for i, n := range &o.counts {
		h.counts[h.place(i-o.base())] += n
	}
}

func (h *Histogram) fade(seconds float64) {
	keep := math.Exp2(-seconds / halfLife)
	for i := range h.counts {
		h.counts[i] *= keep
	}
}

// Quantile is the first bucket below or in which a share q of the requests lies; false when empty.
func (h *Histogram) Quantile(q float64) (int, bool) {
	want := q * h.Total()
	if want <= 0 {
		return 0, false
	}
	sum := 0.0
	for i, n := range &h.counts {
		if sum += n; sum >= want {
			return i - h.base(), true
		}
	}
	return buckets - 1 - h.base(), true
}

// Above is the number of requests slower than a bucket.
func (h *Histogram) Above(bucket int) float64 {
	sum := 0.0
	for _, n := range h.counts[max(0, min(bucket+h.base()+1, buckets)):] {
		sum += n
	}
	return sum
}
