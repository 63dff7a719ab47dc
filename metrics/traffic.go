package metrics

import (
	"math"
	"time"
)

const (
	spanSeconds = 15 // of one part of the last minute
	spans       = 5  // the running one and a whole minute
)

// Traffic is what a pool did in the last minute, or up to 15 seconds more, by the start of the requests.
type Traffic struct {
	Requests, Failed int64
	Span             time.Duration // the time it is about, less than a minute for a young pool
	P50, P95, P99    time.Duration // of latency, at most 2.2 % too high; 0: nothing was measured
}

// Rate is requests a second.
func (t Traffic) Rate() float64 {
	if t.Span <= 0 {
		return 0
	}
	return float64(t.Requests) / t.Span.Seconds()
}

// Traffic sums up the last minute. It tells what was drawn for the pool, like the windows do, but counts
// each outcome as soon as it is known.
func (c *Cells) Traffic(now time.Time) Traffic {
	second := c.clock.second(now)
	from := (second/spanSeconds - spans + 1) * spanSeconds
	var t Traffic
	var latencies [fineBuckets]uint64
	first := second
	for i := range c.shards {
		first = min(first, c.shards[i].traffic(from, second, &t, &latencies))
	}
	if t.Requests > 0 {
		t.Span = time.Duration(second-max(from, first)+1) * time.Second
	}
	t.P50, t.P95, t.P99 = quantile(&latencies, .5), quantile(&latencies, .95), quantile(&latencies, .99)
	return t
}

func (s *shard) traffic(from, upto int64, t *Traffic, latencies *[fineBuckets]uint64) (first int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		return upto
	}
	for i := range s.seen.spans {
		p := &s.seen.spans[i]
		if start := p.number * spanSeconds; start < from || start > upto {
			continue
		}
		t.Requests += int64(p.requests)
		t.Failed += int64(p.failed)
		for b, n := range &p.latencies {
			latencies[b] += uint64(n)
		}
	}
	return s.seen.first
}

// quantile is the upper end of the first bucket up to which a share of q lies, 0 without latencies.
func quantile(latencies *[fineBuckets]uint64, q float64) time.Duration {
	var sum, below uint64
	for _, n := range latencies {
		sum += n
	}
	rank := uint64(math.Ceil(q * float64(sum)))
	for i, n := range latencies {
		if below += n; n > 0 && below >= rank {
			return bounds[i]
		}
	}
	return 0
}

// seen is what a shard has counted without regard to windows.
type seen struct {
	first     int64 // second of the first request
	latencies [fineBuckets]uint64
	spans     [spans]span
	measures  [Measures]*[fineBuckets]uint64 // nil until one was told
}

func (s *seen) measured(measure int, d time.Duration) {
	if s.measures[measure] == nil {
		s.measures[measure] = new([fineBuckets]uint64)
	}
	s.measures[measure][fineBucket(d)]++
}

// span is some seconds of the last minute.
type span struct {
	number           int64 // second divided by spanSeconds
	requests, failed uint32
	latencies        [fineBuckets]uint32
}

// at is the span of a second; an older one that was in its place is forgotten.
func (s *seen) at(second int64) *span {
	number := second / spanSeconds
	p := &s.spans[uint64(number)%spans] //nolint:gosec // any place will do
	if p.number < number {
		*p = span{number: number}
	}
	return p
}

func (s *seen) latency(second int64, d time.Duration) {
	i := fineBucket(d)
	s.latencies[i]++
	if p := s.at(second); p.number == second/spanSeconds {
		p.latencies[i]++
	}
}

func (s *seen) fail(second int64) {
	if p := s.at(second); p.number == second/spanSeconds {
		p.failed++
	}
}
