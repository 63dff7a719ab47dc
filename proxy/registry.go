package proxy

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// registry knows the exchanges that run, so that they can be counted and ended from outside. It is cut
// into shards, so no lock is shared by all requests.
type registry struct{ shards [64]shard }

type shard struct {
	mu    sync.Mutex  // guards all that follows and every membership of the shard
	first *membership // of a list: entering and leaving, which every request does, look nothing up
	_     [48]byte    // a cache line each
}

// membership is an exchange's place in the registry.
type membership struct {
	shard      *shard
	next, prev *membership
	entered    bool

	pool      *router.Pool // that serves
	number    uint64       // of the snapshot
	cancel    context.CancelCauseFunc
	longLived bool
	grpc      bool // a call, which is long-lived once it shows that it is a stream

	// An event loop uses one membership for exchange after exchange, and is woken to look at cause.
	wake  func() // nil: cancel ends the exchange
	turn  uint64 // counts the exchanges
	cause error
}

// enter puts an exchange that can be cancelled under watch.
func (r *registry) enter(x *exchange) {
	m := x.running
	if m.shard == nil {
		m.shard = &r.shards[rand.Uint32()%uint32(len(r.shards))] //nolint:gosec // spreads load, no secret
	}
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	m.pool, m.number, m.cancel = x.target.Pool, x.snap.number, x.cancel
	m.turn++
	m.longLived, m.cause = false, nil
	m.shard.link(m)
}

// link needs mu.
func (s *shard) link(m *membership) {
	if m.next = s.first; m.next != nil {
		m.next.prev = m
	}
	s.first, m.entered = m, true
}

// unlink needs mu.
func (s *shard) unlink(m *membership) {
	if m.prev == nil {
		s.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	m.next, m.prev, m.entered = nil, nil, false
}

// leave may be called without enter.
func (m *membership) leave() {
	if m.shard == nil {
		return
	}
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	if m.entered {
		m.shard.unlink(m)
	}
	m.pool = nil // of a table that may be old when the membership is used again
}

// moved notes that another pool serves now.
func (m *membership) moved(p *router.Pool) {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	m.pool = p
}

// stays marks an exchange that ends when its peers want: an upgrade, an event stream or a gRPC stream.
func (m *membership) stays() {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	m.longLived = true
}

// end is what ends the exchange. The caller holds the shard's lock.
func (m *membership) end() context.CancelCauseFunc {
	if m.wake == nil {
		return m.cancel
	}
	turn, wake := m.turn, m.wake
	return func(cause error) {
		m.shard.mu.Lock()
		runs := m.entered && m.turn == turn
		if runs && m.cause == nil {
			m.cause = cause
		}
		m.shard.mu.Unlock()
		if runs {
			wake()
		}
	}
}

// lockedEnd is end for those who do not hold the lock.
func (m *membership) lockedEnd() context.CancelCauseFunc {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	return m.end()
}

// ended is why the exchange has been ended from outside, for an event loop.
func (m *membership) ended() error {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	return m.cause
}

// lasts reports whether the exchange ends when its peers want.
func (m *membership) lasts() bool {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	return m.longLived
}

// on reports whether an exchange is on a pool since before it lost its weight. The caller holds the shard's
// lock.
func (m *membership) on(g drained) bool {
	return m.number < g.number && m.pool.Name == g.pool && m.pool.Service.Name == g.service
}

// cancel ends every exchange that match selects and returns how many it were.
func (r *registry) cancel(cause error, match func(*membership) bool) int {
	all := r.selected(match)
	for _, cancel := range all {
		cancel(cause)
	}
	return len(all)
}

// selected is what ends the exchanges that match selects.
func (r *registry) selected(match func(*membership) bool) []context.CancelCauseFunc {
	var all []context.CancelCauseFunc
	for i := range r.shards {
		all = append(all, r.shards[i].selected(match)...)
	}
	return all
}

// selected collects under the lock; callbacks run outside.
func (s *shard) selected(match func(*membership) bool) []context.CancelCauseFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []context.CancelCauseFunc
	for m := s.first; m != nil; m = m.next {
		if match(m) {
			out = append(out, m.end())
		}
	}
	return out
}

// count is how many exchanges run.
func (r *registry) count() int {
	n := 0
	r.each(func(*membership) { n++ })
	return n
}

// empty reports whether no exchange runs.
func (r *registry) empty() bool { return r.count() == 0 }

// each visits every membership under its shard's lock.
func (r *registry) each(visit func(*membership)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for m := s.first; m != nil; m = m.next {
			visit(m)
		}
		s.mu.Unlock()
	}
}

// The kinds of requests in flight.
const (
	kindRequest   = "request"
	kindLongLived = "long_lived"
)

// InFlight samples the requests in flight of every pool in force, for a scrape.
func (s *Server) InFlight() []metrics.InFlightSample {
	snap := s.snap.Load()
	if snap == nil {
		return nil
	}
	type key struct {
		service, pool string
		longLived     bool
	}
	count := map[key]int64{}
	s.running.each(func(m *membership) { count[key{m.pool.Service.Name, m.pool.Name, m.longLived}]++ })
	var out []metrics.InFlightSample
	for _, p := range snap.table.Pools {
		for kind, long := range map[string]bool{kindRequest: false, kindLongLived: true} {
			out = append(out, metrics.InFlightSample{
				Service: p.Service.Name, Pool: p.Name, Kind: kind, N: count[key{p.Service.Name, p.Name, long}],
			})
		}
	}
	return out
}
