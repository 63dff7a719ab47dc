package metrics

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ms = time.Millisecond

// at is a moment of a second; it has no monotonic reading, so tests choose their own time.
func at(second int64, after time.Duration) time.Time { return time.Unix(second, int64(after)) }

func testCells(shards int) *Cells { return newCells(clock{time.Unix(0, 0)}, shards) }

// total sums windows up and fails when one of them shows more outcomes than requests.
func total(tb testing.TB, windows []Window) Counts {
	tb.Helper()
	var sum Counts
	for i := range windows {
		for g := range windows[i].Groups {
			n := &windows[i].Groups[g]
			for t := range n.Within {
				if n.Apart > n.Requests || n.Within[t] > n.Requests-n.Apart || n.Failed > n.Requests {
					tb.Fatalf("second %d, group %d: %+v", windows[i].Second, g, *n)
				}
			}
			sum.add(n)
		}
	}
	return sum
}

func TestOutcomes(t *testing.T) {
	over := [Thresholds]time.Duration{10 * ms, 20 * ms, 0, 40 * ms}
	tests := []struct {
		name string
		end  func(*Sample)
		want Counts
		slow [Thresholds]uint32 // the third has no threshold
	}{
		{"in flight", func(*Sample) {}, Counts{Requests: 1}, [Thresholds]uint32{1, 1, 1, 1}},
		{"fast", func(s *Sample) { s.End(ms) }, Counts{Requests: 1, Within: [Thresholds]uint32{1, 1, 0, 1}}, [Thresholds]uint32{0, 0, 1, 0}},
		{"on the threshold", func(s *Sample) { s.End(20 * ms) }, Counts{Requests: 1, Within: [Thresholds]uint32{0, 1, 0, 1}}, [Thresholds]uint32{1, 0, 1, 0}},
		{"past it", func(s *Sample) { s.End(20*ms + 1) }, Counts{Requests: 1, Within: [Thresholds]uint32{0, 0, 0, 1}}, [Thresholds]uint32{1, 1, 1, 0}},
		{"failed", func(s *Sample) { s.Fail() }, Counts{Requests: 1, Failed: 1, Apart: 1}, [Thresholds]uint32{}},
		{"timed out", func(s *Sample) { s.TimeOut(ms) }, Counts{Requests: 1, Failed: 1}, [Thresholds]uint32{1, 1, 1, 1}},
		{"long-lived", func(s *Sample) { s.EndApart() }, Counts{Requests: 1, Apart: 1}, [Thresholds]uint32{}},
		{"broke off", func(s *Sample) { s.End(15 * ms); s.Fail() }, Counts{Requests: 1, Failed: 1, Apart: 1}, [Thresholds]uint32{}},
		{"long-lived, broke off", func(s *Sample) { s.EndApart(); s.Fail() }, Counts{Requests: 1, Failed: 1, Apart: 1}, [Thresholds]uint32{}},
		{"ended twice", func(s *Sample) { s.End(ms); s.End(ms); s.TimeOut(ms); s.EndApart() }, Counts{Requests: 1, Within: [Thresholds]uint32{1, 1, 0, 1}}, [Thresholds]uint32{0, 0, 1, 0}},
		{"failed twice", func(s *Sample) { s.Fail(); s.Fail(); s.End(ms) }, Counts{Requests: 1, Failed: 1, Apart: 1}, [Thresholds]uint32{}},
		{"timed out, then failed", func(s *Sample) { s.TimeOut(ms); s.Fail() }, Counts{Requests: 1, Failed: 1}, [Thresholds]uint32{1, 1, 1, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := testCells(1)
			c.Publish(0, over)
			s := c.Begin(at(100, 0), 7, 3)
			test.end(&s)
			got := c.Take(100, nil)
			want := Window{Second: 100, Revision: 7, Over: over}
			want.Groups[3] = test.want
			if len(got) != 1 || got[0] != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			sum := got[0].Total()
			for i, slow := range test.slow {
				if n := sum.Slow(i); n != slow {
					t.Errorf("threshold %d: %d slow, want %d", i, n, slow)
				}
			}
		})
	}
}

func TestZeroSample(t *testing.T) {
	var s Sample
	s.End(ms)
	s.EndApart()
	s.TimeOut(ms)
	s.Fail()
	if !s.Ended() {
		t.Error("the zero sample has not ended")
	}
}

func TestWindowsBySecondAndRevision(t *testing.T) {
	c := testCells(4)
	for _, r := range []struct {
		second, revision int64
		group            uint8
		n                int
	}{
		{12, 2, 0, 5}, {10, 1, 0, 40}, {11, 1, 19, 30}, {11, 2, 20, 7}, {13, 2, 1, 3},
	} {
		for range r.n {
			s := c.Begin(at(r.second, 999*ms), r.revision, r.group)
			s.Fail()
		}
	}
	type key struct {
		second, revision int64
		failed           uint32
	}
	keys := func(windows []Window) (all []key) {
		for i := range windows {
			all = append(all, key{windows[i].Second, windows[i].Revision, windows[i].Total().Failed})
		}
		return all
	}
	windows := c.Take(12, []Window{{Second: 99}})
	if want := []key{{99, 0, 0}, {10, 1, 40}, {11, 1, 30}, {11, 2, 7}, {12, 2, 5}}; !slices.Equal(keys(windows), want) {
		t.Errorf("%v, want %v", keys(windows), want)
	}
	if windows[2].Groups[19].Requests != 30 || windows[3].Groups[0].Requests != 7 {
		t.Errorf("groups %+v, %+v", windows[2].Groups, windows[3].Groups)
	}
	if again := c.Take(12, nil); len(again) != 0 {
		t.Errorf("handed out twice: %v", keys(again))
	}
	if got, want := keys(c.Take(13, nil)), []key{{13, 2, 3}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLateEnds(t *testing.T) {
	c := testCells(1)
	c.Publish(0, [Thresholds]time.Duration{time.Hour})
	ended, hanging := c.Begin(at(10, 0), 1, 0), c.Begin(at(10, 0), 1, 0)
	ended.End(ms)
	if got := total(t, c.Take(10, nil)); got != (Counts{Requests: 2, Within: [Thresholds]uint32{1}}) {
		t.Fatalf("%+v", got)
	}
	// The cell is used again by a later second: what belongs to the old one must not show there.
	next := c.Begin(at(11, 0), 1, 0)
	hanging.End(time.Second)
	hanging.Fail()
	ended.Fail()
	next.End(ms)
	if got := total(t, c.Take(11, nil)); got != (Counts{Requests: 1, Within: [Thresholds]uint32{1}}) {
		t.Errorf("%+v", got)
	}
	if got := c.Traffic(at(11, 0)); got.Requests != 3 || got.Failed != 2 {
		t.Errorf("late failures do not show: %+v", got)
	}
}

func TestSecondThatWasTakenStaysClosed(t *testing.T) {
	c := testCells(2)
	c.Take(20, nil)
	for range 10 {
		c.Begin(at(5, 0), 1, 0) // as after a clock was set back
	}
	if got := c.Take(20, nil); len(got) != 0 {
		t.Errorf("a closed second came again: %+v", got)
	}
	got := c.Take(21, nil)
	if len(got) != 1 || got[0].Second != 21 || got[0].Total().Requests != 10 {
		t.Errorf("%+v", got)
	}
}

func TestThresholdsChangeAtASecond(t *testing.T) {
	slow, fast := [Thresholds]time.Duration{40 * ms}, [Thresholds]time.Duration{10 * ms}
	c := testCells(4)
	c.Publish(10, slow)
	book := func(second int64, n int) {
		for range n {
			s := c.Begin(at(second, 500*ms), 1, 0)
			s.End(20 * ms)
		}
	}
	book(9, 8)
	book(11, 8)
	c.Publish(12, fast) // in the middle of second 11
	c.Publish(12, fast)
	book(11, 8)
	book(12, 8)
	c.Publish(13, fast)
	book(13, 8)
	var none [Thresholds]time.Duration
	for i, want := range []struct {
		second int64
		over   [Thresholds]time.Duration
		within uint32
	}{{9, none, 0}, {11, slow, 16}, {12, fast, 0}, {13, fast, 0}} {
		w := c.Take(want.second, nil)
		if len(w) != 1 || w[0].Second != want.second || w[0].Over != want.over || w[0].Total().Within[0] != want.within {
			t.Errorf("window %d: %+v, want %+v", i, w, want)
		}
	}
}

// A threshold published for a second that runs already may hold in some shards only. Such counts do not
// add up: that threshold is given up, whichever came first, and no other.
func TestThresholdsThatDisagree(t *testing.T) {
	for _, order := range [][]time.Duration{{10 * ms, 40 * ms}, {40 * ms, 10 * ms}, {0, 10 * ms}, {10 * ms, 0}, {10 * ms, 40 * ms, 0}} {
		c := testCells(4)
		for i, first := range order {
			c.Publish(0, [Thresholds]time.Duration{first, time.Second})
			s := Sample{shard: &c.shards[i], cell: c.shards[i].cell(c, 10, 1), group: uint8(i), state: begun}
			s.shard.seen, s.use = &seen{}, s.cell.use
			s.cell.groups[i].Requests = 1
			s.End(ms)
		}
		n := uint32(len(order))
		w := c.Take(10, nil)
		if len(w) != 1 || w[0].Over != [Thresholds]time.Duration{0, time.Second} {
			t.Fatalf("%v: %+v", order, w)
		}
		if got := w[0].Total(); got != (Counts{Requests: n, Within: [Thresholds]uint32{0, n}}) {
			t.Errorf("%v: %+v", order, got)
		}
	}
}

func TestManyThresholds(t *testing.T) {
	c := testCells(1)
	for second := range int64(1000) {
		c.Publish(second+2, [Thresholds]time.Duration{time.Duration(second+2) * ms})
		if got := c.over(second)[0]; second >= 2 && got != time.Duration(second)*ms {
			t.Fatalf("second %d has %v", second, got)
		}
	}
	if n := len(*c.thresholds.Load()); n > generations {
		t.Errorf("%d generations are kept", n)
	}
}

func TestWhatNobodyTakesIsDropped(t *testing.T) {
	c := testCells(1)
	s := &c.shards[0]
	first := c.Begin(at(0, 0), 1, 0)
	for second := range int64(1000) {
		c.Begin(at(second, 0), 1, 0)
	}
	first.Fail() // its cell is another second's now
	if n := len(s.cells) + len(s.free); n > keepSeconds+2 {
		t.Errorf("%d cells for one revision", n)
	}
	if got := total(t, c.Take(2000, nil)); got.Requests != keepSeconds+1 || got.Failed != 0 {
		t.Errorf("%+v, want those of the last %d seconds", got, keepSeconds)
	}
	for revision := range int64(10_000) {
		c.Begin(at(3000, 0), revision, 0)
	}
	if n := len(s.cells) + len(s.free); n > maxCells {
		t.Errorf("%d cells for many revisions", n)
	}
}

// Whatever begins is handed out once, whoever takes meanwhile and in whatever order requests end.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	const workers, each = 8, 20_000
	c := testCells(4)
	var now atomic.Int64
	now.Store(int64(time.Hour))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(w)))
			var open []Sample
			for i := range each {
				open = append(open, c.Begin(time.Unix(0, now.Add(int64(20*time.Microsecond))), int64(i/5000), uint8(rnd.Uint32())))
				if len(open) < 50 {
					continue
				}
				k := rnd.IntN(len(open))
				endAny(rnd, &open[k])
				open = slices.Delete(open, k, k+1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var windows []Window
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		second := now.Load() / int64(time.Second)
		windows = c.Take(second-1, windows)
		c.Publish(second+1, [Thresholds]time.Duration{time.Duration(second%7) * ms})
		var counts [Buckets]uint64
		c.Histogram(0, &counts)
		c.Traffic(time.Unix(0, now.Load()))
	}
	windows = c.Take(1<<40, windows)
	if got := total(t, windows).Requests; got != workers*each {
		t.Errorf("%d requests in the windows, want %d", got, workers*each)
	}
	type key struct{ second, revision int64 }
	seen := map[key]bool{}
	for i := range windows {
		k := key{windows[i].Second, windows[i].Revision}
		if seen[k] {
			t.Errorf("%+v came twice", k)
		}
		seen[k] = true
	}
}

func endAny(rnd *rand.Rand, s *Sample) {
	latency := time.Duration(rnd.IntN(10)) * ms
	switch rnd.IntN(5) {
	case 0:
		s.Fail()
	case 1:
		s.TimeOut(latency)
	case 2:
		s.EndApart()
	case 3:
		s.End(latency)
		s.Fail()
	default:
		s.End(latency)
	}
}

func TestSecondsDoNotJump(t *testing.T) {
	r := newRegistry("1.2.3")
	now := time.Now()
	if got := r.Second(now); got != now.Unix() && got != now.Unix()-1 { // a step of the clock between the two is too much to ask
		t.Errorf("second %d of %v", got, now.Unix())
	}
	for _, test := range []struct {
		after time.Duration
		want  int64
	}{
		{0, 100}, {299 * ms, 100}, {300 * ms, 101}, {1300 * ms, 102}, {-700 * ms, 100}, {-701 * ms, 99}, {-1701 * ms, 98}, {-200 * time.Second, -100},
	} {
		c := clock{at(100, 700*ms)}
		if got := c.second(at(100, 700*ms).Add(test.after)); got != test.want {
			t.Errorf("after %v: second %d, want %d", test.after, got, test.want)
		}
	}
}

func TestCellsFollowTheRecorder(t *testing.T) {
	r := newRegistry("1.2.3")
	blue := r.Cells("shop", "blue")
	if blue != r.Recorder("shop", "blue").Cells() {
		t.Error("the recorder has other cells")
	}
	now := time.Now()
	s := blue.Begin(now, 1, 0)
	r.Keep(nil)
	s.Fail() // a request that was under way
	if r.Cells("shop", "blue") == blue {
		t.Error("dropped cells came back")
	}
	if got := r.Cells("shop", "blue").Take(r.Second(now), nil); len(got) != 0 {
		t.Errorf("a pool that came back begins with %+v", got)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	c := testCells(4)
	c.Publish(0, [Thresholds]time.Duration{ms, 2 * ms, 3 * ms, 4 * ms})
	windows := make([]Window, 0, 8)
	second := int64(0)
	run := func() {
		second++
		for i := range 100 {
			s := c.Begin(at(second, 0), 1, uint8(i))
			s.End(time.Duration(i) * ms)
			if i%3 == 0 {
				s.Fail()
			}
		}
		windows = c.Take(second-2, windows[:0])
	}
	for range 10 {
		run()
	}
	if allocs := testing.AllocsPerRun(200, run); allocs != 0 {
		t.Errorf("%v allocations for a second of 100 requests, want none", allocs)
	}
}

func BenchmarkSample(b *testing.B) {
	c := newCells(clock{time.Now()}, shardCount())
	c.Publish(0, [Thresholds]time.Duration{ms, 2 * ms, 3 * ms, 4 * ms})
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := c.Begin(now, 1, 5)
			s.End(3 * ms)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	c := testCells(4)
	var windows []Window
	for second := range int64(b.N) {
		for range 16 {
			c.Begin(at(second, 0), 1, 0)
		}
		windows = c.Take(second, windows[:0])
	}
}
