package metrics

import (
	"math"
	"math/bits"
	"time"
)

const (
	// Buckets is how many a Histogram has. Bucket i of unit u holds the latencies above u·2^(i/32) up to
	// u·2^((i+1)/32); the first also those below, the last those above.
	Buckets = 449
	// Finest is how often the unit of a histogram, a millisecond, can be halved.
	Finest = 6

	octave      = 32 // buckets between a latency and its double
	fineBuckets = Buckets + Finest*octave
	grain       = time.Millisecond >> Finest // 15,625 ns, a whole number
)

// bounds are the greatest latencies of each fine bucket.
var bounds = func() (b [fineBuckets]time.Duration) {
	for i := range b {
		b[i] = bound(i)
	}
	return b
}()

// bound is the greatest latency of a fine bucket, in whole nanoseconds. The powers that are no whole
// number are too far from one for rounding to matter.
func bound(i int) time.Duration {
	return time.Duration(math.Floor(float64(grain) * math.Exp2(float64(i+1)/octave)))
}

// Bound is the upper end of a bucket of a histogram whose unit is a millisecond halved finer times, 0 to
// Finest. Latencies are whole nanoseconds, so one lies in bucket i or below when it is at most Bound. i may
// go past the last bucket, up to 600, which ends after minutes.
func Bound(finer, i int) time.Duration {
	return bound(min(max(i, 0), 600) + shift(finer))
}

// shift is how many fine buckets lie below the second bucket of a unit, less one.
func shift(finer int) int { return (Finest - min(max(finer, 0), Finest)) * octave }

// fineBucket is the bucket of a latency in the finest unit: ceil(32·log2(d/grain))−1, limited.
func fineBucket(d time.Duration) int {
	if d <= grain {
		return 0
	}
	if d > bounds[fineBuckets-2] {
		return fineBuckets - 1
	}
	i := (bits.Len64(uint64((d-1)/grain)) - 1) * octave
	for step := octave / 2; step > 0; step /= 2 {
		if d > bounds[i+step-1] {
			i += step
		}
	}
	return i
}

// Histogram adds the latencies of every request since the pool was made to counts; two readings differ by
// what came between. It counts what is in the latency of windows, time-outs too, and an answer that broke
// off later. The unit is a millisecond halved finer times, 0 to Finest.
func (c *Cells) Histogram(finer int, counts *[Buckets]uint64) {
	below := shift(finer)
	for i := range c.shards {
		c.shards[i].histogram(below, counts)
	}
}

// MeasureHistogram is Histogram for a time that answers told.
func (c *Cells) MeasureHistogram(measure, finer int, counts *[Buckets]uint64) {
	below := shift(finer)
	for i := range c.shards {
		c.shards[i].measured(measure, below, counts)
	}
}

func (s *shard) measured(measure, below int, counts *[Buckets]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || s.seen.measures[measure] == nil {
		return
	}
	for i, n := range s.seen.measures[measure] {
		counts[min(max(i-below, 0), Buckets-1)] += n
	}
}

func (s *shard) histogram(below int, counts *[Buckets]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		return
	}
	for i, n := range &s.seen.latencies {
		counts[min(max(i-below, 0), Buckets-1)] += n
	}
}
