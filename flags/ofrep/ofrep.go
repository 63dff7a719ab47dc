// Package ofrep answers applications that ask for flags: the OpenFeature Remote Evaluation Protocol over HTTP,
// with events that tell connected clients to ask again. It owns that protocol, who may ask, and how answers
// are written fast. What a flag says to whom is package flags' to decide, and where flags come from it does
// not know.
package ofrep

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/limit"
	"github.com/switchback-proxy/switchback/metrics"
	"go.uber.org/zap"
)

// Prefix is the path below which everything of this package lives.
const Prefix = "/ofrep/v1/"

// Options are what a Server needs; both are required.
type Options struct {
	Log     *zap.Logger
	Metrics *metrics.Registry
}

// Server answers from the set of flags that was swapped in last. It is safe for concurrent use. Make one with
// New.
type Server struct {
	log     *zap.Logger
	metrics *metrics.Registry
	unknown *metrics.Evaluation // of flags that nobody defined
	tickets tickets
	tries   *limit.Tries
	streams chan struct{} // one for each open stream of events
	closed  chan struct{} // by Close
	close   func()

	state atomic.Pointer[state] // nil: no set yet
	mu    sync.Mutex            // serialises Swap
}

// state is what Swap replaces.
type state struct {
	set     *flags.Set
	flags   []answers     // by flags.Flag.Index
	since   time.Time     // when it was swapped in
	changed chan struct{} // closed once another set took its place
}

// New returns a server that has no flags yet: until the first Swap it answers GENERAL, so that nobody takes
// a flag for unknown only because the process is young.
func New(o Options) *Server {
	s := &Server{
		log:     o.Log,
		metrics: o.Metrics,
		unknown: o.Metrics.Flag("").Reason(metrics.FailedEvaluation),
		tries:   limit.NewTries(maxTries, time.Minute),
		streams: make(chan struct{}, maxStreams),
		closed:  make(chan struct{}),
	}
	s.close = sync.OnceFunc(func() { close(s.closed) })
	return s
}

// Swap puts a set in force for every request that begins after it returned, and tells open streams when the
// set could answer differently than the one before. Nil is a set without flags. It waits for nobody but
// another Swap.
func (s *Server) Swap(set *flags.Set) {
	if set == nil {
		set = &flags.Set{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.state.Load()
	if before != nil && before.set.Digest == set.Digest {
		return
	}
	next := &state{set: set, since: time.Now(), changed: make(chan struct{})}
	names := make([]string, len(set.Flags))
	for i, f := range set.Flags {
		names[i] = f.Name
		next.flags = append(next.flags, write(f, s.metrics.Flag(f.Name)))
	}
	s.state.Store(next)
	s.metrics.KeepFlags(names)
	if before != nil {
		close(before.changed)
	}
}

// ServeHTTP answers a request below Prefix from somebody who may ask: it is for mounting behind the guards of
// another server. Their credentials are needed for the stream of events as well.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(&door{server: s}).ServeHTTP(w, r)
}

// Close ends every open stream at once and refuses new ones; other requests are answered as before. Serve
// does the same for its own listener.
func (s *Server) Close() { s.close() }
