package router

import (
	"sync/atomic"
	"time"
)

// Status is what is known of a target's health.
type Status int32

// The statuses. A new target is Unknown until its first probe ends.
const (
	Unknown Status = iota
	Up
	Down
)

// String is the word used in the API: unknown, up or down.
func (s Status) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	case Unknown:
	}
	return "unknown"
}

// State is what changes about a target while tables come and go. Every method is safe for concurrent
// use and takes no lock. The zero value is Unknown with nothing in flight.
type State struct {
	health   atomic.Pointer[Health]
	status   atomic.Int32
	_        [40]byte // requests count in flight on every core: keep that off the line of the status
	inflight atomic.Int64
	begun    atomic.Uint64
}

// Health is one finding about a target.
type Health struct {
	Status Status
	Since  time.Time // when the target took this status
	Error  string    // of the last bad probe; "" after a good one
}

// Status is the target's status now.
func (s *State) Status() Status { return Status(s.status.Load()) }

// Health is the last finding; zero before the first probe.
func (s *State) Health() Health {
	if h := s.health.Load(); h != nil {
		return *h
	}
	return Health{}
}

// SetHealth records a finding. Only the prober of the target calls it.
func (s *State) SetHealth(h Health) {
	s.health.Store(&h)
	s.status.Store(int32(h.Status))
}

// InFlight is how many requests the target serves now.
func (s *State) InFlight() int64 { return s.inflight.Load() }

// Begun is how many requests the target was given by this process.
func (s *State) Begun() uint64 { return s.begun.Load() }

// Begin counts a request in.
func (s *State) Begin() {
	s.inflight.Add(1)
	s.begun.Add(1)
}

// End counts a request out. Each Begin has one End.
func (s *State) End() { s.inflight.Add(-1) }

// poolRun is what changes about a pool: the turn of round robin.
type poolRun struct{ turn atomic.Uint32 }
