package metrics

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// above reports whether d lies above grain·2^(k/32), in whole numbers: d³² > grain³²·2^k.
func above(d time.Duration, k int) bool {
	power := func(v int64) *big.Int { return new(big.Int).Exp(big.NewInt(v), big.NewInt(octave), nil) }
	return power(int64(d)).Cmp(new(big.Int).Lsh(power(int64(grain)), uint(k))) > 0
}

func TestBucketsAreExact(t *testing.T) {
	check := func(d time.Duration) {
		i := fineBucket(d)
		if i > 0 && !above(d, i) {
			t.Errorf("%d ns is in bucket %d, too high", d, i)
		}
		if i < fineBuckets-1 && above(d, i+1) {
			t.Errorf("%d ns is in bucket %d, too low", d, i)
		}
	}
	for i := range fineBuckets {
		for d := bounds[i] - 2; d <= bounds[i]+2; d++ {
			check(d)
		}
		if got := fineBucket(bounds[i]); got != i {
			t.Errorf("the bound of bucket %d is in %d", i, got)
		}
	}
	for range 20_000 {
		check(time.Duration(math.Exp2(rand.Float64()*36) + 1))
	}
	for _, d := range []time.Duration{0, 1, -1, math.MinInt64, grain, grain + 1, 16384 * ms, 16384*ms + 1, math.MaxInt64} {
		if d > 0 {
			check(d)
		} else if fineBucket(d) != 0 {
			t.Errorf("%d ns is in bucket %d", d, fineBucket(d))
		}
	}
}

func TestBoundsBeyondTheTable(t *testing.T) {
	for i := range 601 {
		for finer := range Finest + 1 {
			b, k := Bound(finer, i), i+1+octave*(Finest-finer)
			if above(b, k) || !above(b+1, k) {
				t.Fatalf("bound %d of unit %d is %d ns", i, finer, b)
			}
		}
	}
	for _, test := range []struct {
		finer, i int
		want     time.Duration
	}{{0, 31, 2 * ms}, {0, 447, 16384 * ms}, {6, 191, ms}, {6, 31, 31250}, {3, 95, ms}, {-1, 31, 2 * ms}, {7, 31, 31250}, {0, -5, Bound(0, 0)}} {
		if got := Bound(test.finer, test.i); got != test.want {
			t.Errorf("Bound(%d, %d) = %v, want %v", test.finer, test.i, got, test.want)
		}
	}
}

func TestHistogramByUnit(t *testing.T) {
	c := testCells(4)
	latencies := []time.Duration{0, grain, grain + 1, 100 * time.Microsecond, ms, ms + 1, 2 * ms, 5 * ms, 300 * ms, time.Second, 16384 * ms, time.Hour}
	for _, d := range latencies {
		s := c.Begin(at(1, 0), 1, 0)
		s.End(d)
	}
	for finer := range Finest + 1 {
		unit := math.Exp2(-float64(finer))
		var want, got [Buckets]uint64
		for _, d := range latencies {
			i := math.Ceil(32*math.Log2(float64(d)/float64(ms)/unit)) - 1
			want[int(min(max(i, 0), Buckets-1))]++
		}
		c.Histogram(finer, &got)
		if got != want {
			t.Errorf("unit %d: %v, want %v", finer, got, want)
		}
	}
}

func TestHistogramCountsWhatLatencyCounts(t *testing.T) {
	c := testCells(2)
	for _, end := range []func(*Sample){
		func(s *Sample) { s.End(5 * ms) },
		func(s *Sample) { s.TimeOut(time.Second) },
		func(s *Sample) { s.Fail() },
		func(s *Sample) { s.EndApart() },
		func(*Sample) {},
		func(s *Sample) { c.Take(10, nil); s.End(5 * ms) }, // late
	} {
		s := c.Begin(at(10, 0), 1, 0)
		end(&s)
	}
	var got, want [Buckets]uint64
	c.Histogram(0, &got)
	want[fineBucket(5*ms)-Finest*octave], want[fineBucket(time.Second)-Finest*octave] = 2, 1
	if got != want {
		t.Errorf("%v, want %v", got, want)
	}
	c.Histogram(0, &got)
	for i := range want {
		want[i] *= 2
	}
	if got != want {
		t.Error("a second reading is not added to the first")
	}
}

func TestTraffic(t *testing.T) {
	c := testCells(2)
	if got := c.Traffic(at(1000, 0)); got != (Traffic{}) || got.Rate() != 0 {
		t.Errorf("without requests: %+v", got)
	}
	book := func(from, to int64, latency time.Duration, failures int) {
		for second := from; second < to; second++ {
			for i := range 10 {
				s := c.Begin(at(second, 0), 1, 0)
				if i < failures {
					s.Fail()
				} else {
					s.End(latency)
				}
			}
		}
	}
	book(1000, 1010, 10*ms, 1)
	young := Traffic{Requests: 100, Failed: 10, Span: 10 * time.Second}
	young.P50 = bounds[fineBucket(10*ms)]
	young.P95, young.P99 = young.P50, young.P50
	if got := c.Traffic(at(1009, 0)); got != young || got.Rate() != 10 {
		t.Errorf("%+v at %v a second, want %+v", got, got.Rate(), young)
	}

	book(1010, 1200, 20*ms, 0)
	got := c.Traffic(at(1199, 0))
	if got.Requests != 750 || got.Span != 75*time.Second || got.Failed != 0 || got.P99 != bounds[fineBucket(20*ms)] {
		t.Errorf("%+v, want what the last 75 seconds had", got)
	}
	if got := c.Traffic(at(1300, 0)); got.Requests != 0 || got.Span != 0 || got.P50 != 0 {
		t.Errorf("%+v, want nothing long after", got)
	}
}

func TestQuantilesAreFirstBucketsThatReach(t *testing.T) {
	c := testCells(1)
	for i := range 100 {
		s := c.Begin(at(1, 0), 1, 0)
		s.End(time.Duration(i+1) * ms)
	}
	got := c.Traffic(at(1, 0))
	for _, q := range []struct {
		got   time.Duration
		exact time.Duration
	}{{got.P50, 50 * ms}, {got.P95, 95 * ms}, {got.P99, 99 * ms}} {
		if q.got != bounds[fineBucket(q.exact)] {
			t.Errorf("%v for an exact %v", q.got, q.exact)
		}
	}
}

func BenchmarkBucket(b *testing.B) {
	var d [1024]time.Duration
	for i := range d {
		d[i] = time.Duration(math.Exp2(14 + rand.Float64()*20))
	}
	sum := 0
	for i := 0; b.Loop(); i++ {
		sum += fineBucket(d[i%len(d)])
	}
	if sum < 0 {
		b.Fatal(sum)
	}
}
