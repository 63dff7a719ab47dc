package metrics

import "time"

// Sample is one request that Cells counts. It is ended once, by the first of End, EndApart, Fail and
// TimeOut; of what follows only Fail counts, for an answer that broke off. A request that is never ended
// is slow. An outcome that comes after its cell was taken is left out of the windows, but shows in
// Traffic and Histogram. The zero Sample counts nothing. A Sample belongs to one goroutine at a time; a
// copy must not be used beside it.
type Sample struct {
	shard   *shard
	cell    *cell
	use     uint64
	second  int64
	latency time.Duration
	group   uint8
	state   sampleState
}

type sampleState uint8

const (
	idle sampleState = iota // the zero Sample
	begun
	answered
	apart
	failed
)

// End books an answer that is no failure, with its latency. A client that went away is booked so too,
// with the age its request had.
func (s *Sample) End(latency time.Duration) {
	if s.state != begun {
		return
	}
	s.state, s.latency = answered, latency
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.seen.latency(s.second, latency)
	if n := s.counts(); n != nil {
		for i, over := range s.cell.over[:Latencies] {
			if s.within(over) {
				n.Within[i]++
			}
		}
	}
}

// Measure books a time that the answer told, measure 0 to Measures-1, beside its End. An answer that breaks
// off later has told it all the same.
func (s *Sample) Measure(measure int, d time.Duration) {
	if s.state != answered || measure < 0 || measure >= Measures {
		return
	}
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.seen.measured(measure, d)
	if n := s.counts(); n != nil {
		n.Told[measure]++
		if over := s.cell.over[Latencies+measure]; over > 0 && d <= over {
			n.Within[Latencies+measure]++
		}
	}
}

// EndApart books an answer that is no failure and whose latency says nothing: that of an upgrade or of a
// stream.
func (s *Sample) EndApart() {
	if s.state != begun {
		return
	}
	s.state = apart
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if n := s.counts(); n != nil {
		n.Apart++
	}
}

// TimeOut books a request that was given up after the given time: it is failed, and slow.
func (s *Sample) TimeOut(after time.Duration) {
	if s.state != begun {
		return
	}
	s.state = failed
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.seen.latency(s.second, after)
	s.shard.seen.fail(s.second)
	if n := s.counts(); n != nil {
		n.Failed++
	}
}

// Fail books a failure other than a time-out; it has no latency. After End or EndApart it turns the
// outcome into a failure.
func (s *Sample) Fail() {
	if s.state == idle || s.state == failed {
		return
	}
	was := s.state
	s.state = failed
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.shard.seen.fail(s.second)
	n := s.counts()
	if n == nil {
		return
	}
	n.Failed++
	if was != apart {
		n.Apart++
	}
	for i, over := range s.cell.over[:Latencies] {
		if was == answered && s.within(over) {
			n.Within[i]--
		}
	}
}

// Ended reports whether an outcome is booked; the zero Sample counts as ended.
func (s *Sample) Ended() bool { return s.state != begun }

// counts is where the sample is booked, nil once its cell was closed. The shard is locked.
func (s *Sample) counts() *Counts {
	if s.cell.use != s.use {
		return nil
	}
	return &s.cell.groups[s.group]
}

func (s *Sample) within(over time.Duration) bool { return over > 0 && s.latency <= over }
