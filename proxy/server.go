// Package proxy is the data path: it takes a client's request, asks the table where it goes, carries it
// there and back, and records once what happened. It never waits for a decision, a log, a metric or the
// store, and takes no lock that all requests share. It does not know how weights come about: it is
// handed finished tables.
package proxy

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// Options of a Server. Log and Metrics must be set.
type Options struct {
	Log     *zap.Logger
	Metrics *metrics.Registry
	Random  func() [2]uint64 // chance for each request; nil draws from math/rand/v2
}

// Server serves clients with the table last swapped in. Its methods are safe for concurrent use, except
// that only one goroutine may call Swap.
type Server struct {
	log      *zap.Logger
	metrics  *metrics.Registry
	random   func() [2]uint64
	snap     atomic.Pointer[snapshot]
	unrouted *metrics.Recorder // what matches no service
	refusals *metrics.Refusals
	running  registry
	access   *accessLog
	closing  atomic.Bool // answers tell clients to open their next connection elsewhere
	drains   drains
	dates    dates
}

// snapshot is what is swapped: immutable, held by a request from start to end.
type snapshot struct {
	table     *router.Table
	number    uint64
	recorders []*metrics.Recorder // by router.Pool.Index; no label look-up per request
	upstreams []*upstream         // by router.Pool.Index; carried over while the pool stays
	watched   []*watched          // by router.Pool.Index; nil: nothing
	plain     []bool              // by router.Pool.Index; all targets of its service can be reached from an event loop
}

// New makes a Server that answers 503 until the first Swap.
func New(o Options) *Server {
	s := &Server{
		log: o.Log, metrics: o.Metrics, random: o.Random,
		unrouted: o.Metrics.Recorder("", ""),
		refusals: o.Metrics.Refusals(append(h1.Reasons(), refusalReasons...)...),
		access:   newAccessLog(o.Log, o.Metrics),
	}
	if s.random == nil {
		s.random = func() [2]uint64 { return [2]uint64{rand.Uint64(), rand.Uint64()} } //nolint:gosec // ChaCha8, seeded by the system
	}
	return s
}

// Swap puts a table in force: every request that begins after it returned uses it. Requests that began
// earlier keep the table they have. Pools that lost their traffic start to drain. It cannot fail and
// must not be called concurrently.
func (s *Server) Swap(t *router.Table) {
	old := s.snap.Load()
	next := s.assemble(t, old)
	s.snap.Store(next)
	s.drains.start(s, old, next)
	s.retire(old, next)
}

// assemble gives every pool its recorder and its upstream connections, the ones it had where it can.
func (s *Server) assemble(t *router.Table, old *snapshot) *snapshot {
	next := &snapshot{table: t, number: 1, plain: plainPools(t)}
	if old != nil {
		next.number = old.number + 1
	}
	for _, p := range t.Pools {
		recorder := s.metrics.Recorder
		if p.Service.Config.Of != "" { // users of a flag, whose requests the pools of another service serve
			recorder = s.metrics.Compared
		}
		counts := recorder(p.Service.Name, p.Name)
		next.recorders = append(next.recorders, counts)
		next.upstreams = append(next.upstreams, old.upstream(p, counts))
		next.watched = append(next.watched, s.watch(p.Service))
	}
	return next
}

// upstream is the pool's old one while it stays usable, which counts into the same recorder, else a new one.
func (n *snapshot) upstream(p *router.Pool, counts *metrics.Recorder) *upstream {
	timeouts := p.Service.Config.Timeouts
	if n != nil {
		if s := n.table.Service(p.Service.Name); s != nil {
			if was := s.Pool(p.Name); was != nil && n.upstreams[was.Index].timeouts == timeouts {
				return n.upstreams[was.Index]
			}
		}
	}
	return newUpstream(timeouts, counts)
}

// retire closes the idle connections and drops the series of pools that left.
func (s *Server) retire(old, next *snapshot) {
	keep := make([]metrics.Key, 0, len(next.table.Pools))
	kept := make(map[*upstream]bool, len(next.upstreams))
	for _, p := range next.table.Pools {
		keep = append(keep, metrics.Key{Service: p.Service.Name, Pool: p.Name})
		kept[next.upstreams[p.Index]] = true
	}
	s.metrics.Keep(keep)
	if old == nil {
		return
	}
	for _, u := range old.upstreams {
		if !kept[u] {
			u.retire()
		}
	}
}

// Close ends what Swap started. Call it after every Serve returned.
func (s *Server) Close() {
	s.drains.stop()
	if snap := s.snap.Load(); snap != nil {
		for _, u := range snap.upstreams {
			u.retire()
		}
	}
	s.access.close()
}
