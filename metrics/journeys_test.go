package metrics

import (
	"sync"
	"testing"
	"time"
)

// trip is a clock at zero and what counts journeys by it.
func trip() (*Journeys, func(second int) time.Time) {
	base := time.Unix(1000, 0)
	return newJourneys(clock{base}), func(second int) time.Time { return base.Add(time.Duration(second) * time.Second) }
}

func TestJourneysBelongToTheirBeginning(t *testing.T) {
	j, at := trip()
	ann, bob, cid := Traveller{1, 3, "green"}, Traveller{2, 3, "green"}, Traveller{3, 4, "blue"}
	const within = 10 * time.Second
	j.Begin(at(0), 7, ann, within)
	j.Begin(at(0), 7, bob, within)
	j.Begin(at(1), 7, cid, within)
	j.Begin(at(4), 8, ann, within) // the same user again begins nothing
	ann.Pool = "blue"              // and was moved meanwhile
	j.Arrive(at(5), 9, ann)
	j.Arrive(at(6), 9, ann)                    // twice is once
	j.Arrive(at(6), 9, Traveller{9, 0, "red"}) // never began
	j.Arrive(at(12), 9, cid)                   // too late
	if got := j.Take(1000-1, nil); len(got) != 0 {
		t.Fatalf("taken before anything began: %+v", got)
	}
	got := j.Take(1001, nil)
	if len(got) != 2 {
		t.Fatalf("got %+v, want two passages", got)
	}
	if p := got[0]; p.Second != 1000 || p.Revision != 7 || p.Pool != "green" || p.Groups[3] != (Arrivals{2, 1}) || p.Total() != (Arrivals{2, 1}) {
		t.Errorf("got %+v", p)
	}
	if p := got[1]; p.Second != 1001 || p.Pool != "blue" || p.Groups[4] != (Arrivals{1, 0}) {
		t.Errorf("got %+v", p)
	}
	if got := j.Take(1001, nil); len(got) != 0 {
		t.Errorf("handed out twice: %+v", got)
	}
	// What was taken is closed: a late arrival changes nothing, and a new journey may begin.
	j.Begin(at(20), 9, bob, within)
	j.Arrive(at(21), 9, bob)
	if got := j.Take(1030, nil); len(got) != 1 || got[0].Total() != (Arrivals{1, 1}) {
		t.Errorf("got %+v, want one journey that arrived", got)
	}
}

func TestJourneysWithoutKeys(t *testing.T) {
	j, at := trip()
	for i := range 100 {
		j.Begin(at(0), 7, Traveller{Group: uint8(i), Pool: "blue"}, 0)
	}
	for i := range 30 {
		j.Arrive(at(0), 7, Traveller{Group: uint8(i), Pool: "blue"})
	}
	j.Arrive(at(1), 7, Traveller{Pool: "green"})
	got := j.Take(1001, nil)
	if len(got) != 2 || got[0].Total() != (Arrivals{100, 30}) || got[1].Total() != (Arrivals{0, 1}) {
		t.Errorf("got %+v", got)
	}
}

// TestJourneysAreBounded has far more users than there is room for: those counted are a fair part.
func TestJourneysAreBounded(t *testing.T) {
	j, at := trip()
	const users = 4 * maxShards * mostOpen
	for u := range uint32(users) {
		j.Begin(at(0), 7, Traveller{User: u + 1, Pool: "blue"}, time.Minute)
	}
	for u := range uint32(users) {
		if u%2 == 0 {
			j.Arrive(at(1), 7, Traveller{User: u + 1, Pool: "blue"})
		}
	}
	sum := j.Take(1000, nil)[0].Total()
	if sum.Begun > maxShards*mostOpen || sum.Begun == 0 || sum.Arrived < sum.Begun*4/10 || sum.Arrived > sum.Begun*6/10 {
		t.Errorf("%+v of %d users", sum, users)
	}
	j.Take(1100, nil)
	j.Begin(at(100), 7, Traveller{User: 1, Pool: "blue"}, time.Minute)
	if got := j.Take(1200, nil); len(got) != 1 {
		t.Error("there is no room after all ended")
	}
}

// TestJourneysNobodyTakes goes on for a day.
func TestJourneysNobodyTakes(t *testing.T) {
	j, at := trip()
	for second := range 24 * 3600 {
		j.Begin(at(second), 7, Traveller{User: 1 << 16, Pool: "blue"}, time.Second)
	}
	for i := range j.shards {
		if n := len(j.shards[i].cells); n > mostPassages {
			t.Errorf("%d passages are kept", n)
		}
	}
}

func TestJourneysConcurrently(t *testing.T) {
	j, at := trip()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				who := Traveller{User: uint32(1 + g*1000 + i), Pool: "blue"}
				j.Begin(at(i/100), 7, who, time.Minute)
				j.Arrive(at(i/100), 7, who)
			}
		})
	}
	wg.Wait()
	var sum Arrivals
	for _, p := range j.Take(2000, nil) {
		sum.Begun += p.Total().Begun
		sum.Arrived += p.Total().Arrived
	}
	if sum != (Arrivals{8000, 8000}) {
		t.Errorf("%+v, want 8000 of 8000", sum)
	}
}

func TestMeasuredTimes(t *testing.T) {
	const ms = time.Millisecond
	c := newCells(clock{time.Unix(10, 0)}, 2)
	var over [Thresholds]time.Duration
	over[0], over[Latencies+1] = 100*ms, 10*ms
	c.Publish(0, over)
	end := func(measure int, d time.Duration) {
		s := c.Begin(time.Unix(10, 0), 1, 0)
		s.Measure(1, time.Hour) // before an answer nothing was told
		s.End(ms)
		s.Measure(measure, d)
		s.Measure(-1, d)
		s.Measure(Measures, d)
	}
	end(1, 10*ms)
	end(1, 11*ms)
	end(0, 5*ms) // no threshold is known
	s := c.Begin(time.Unix(10, 0), 1, 0)
	s.Fail()
	s.Measure(1, 50*ms) // a failure's time says nothing
	got := c.Take(10, nil)[0].Total()
	want := Counts{Requests: 4, Failed: 1, Apart: 1, Told: [Measures]uint32{1, 2}}
	want.Within[0], want.Within[Latencies+1] = 3, 1
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.Slow(Latencies+1) != 1 || got.Timed(Latencies+1) != 2 || got.Timed(0) != 3 {
		t.Errorf("slow %d of %d", got.Slow(Latencies+1), got.Timed(Latencies+1))
	}
	var counts [Buckets]uint64
	c.MeasureHistogram(1, 0, &counts)
	sum := uint64(0)
	for _, n := range counts {
		sum += n
	}
	if sum != 2 {
		t.Errorf("%d times in the histogram, want 2", sum)
	}
}

func TestMeasureAllocatesNothing(t *testing.T) {
	c := newCells(clock{time.Unix(10, 0)}, 1)
	book := func() {
		s := c.Begin(time.Unix(10, 0), 1, 0)
		s.End(time.Millisecond)
		s.Measure(2, time.Millisecond)
	}
	book()
	if n := testing.AllocsPerRun(100, book); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
