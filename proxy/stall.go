package proxy

import (
	"sync"
	"time"
)

// stall ends what waits too long for a client; nil never does. Its methods are safe for concurrent use.
type stall struct {
	after time.Duration
	left  func() int // what the client has still to take; nil: that cannot be told
	end   func()

	mu      sync.Mutex // guards the rest
	timer   *time.Timer
	waiting bool
	was     int // left at the last look; -1: there was none
}

// wait begins the time.
func (s *stall) wait() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.was = true, -1
	if s.timer == nil {
		s.timer = time.AfterFunc(s.after, s.look)
	} else {
		s.timer.Reset(s.after)
	}
}

// over ends it.
func (s *stall) over() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	s.timer.Stop()
}

// look is called when the time is over. A client that takes what it gets, however slowly, has it again: the kernel
// tells of room only when there is a lot.
func (s *stall) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.waiting {
		return
	}
	if s.left != nil {
		was := s.was
		if s.was = s.left(); s.was != was {
			s.timer.Reset(s.after)
			return
		}
	}
	s.waiting = false
	s.end()
}
