package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// causes are the labels of retries_total: the outcomes after which another target is tried.
var causes = [...]string{"refused", "timeout", "reset", "unexpected"}

// cause is the label of an outcome in retries_total.
func cause(o Outcome) string {
	if name := o.String(); slices.Contains(causes[:], name) {
		return name
	}
	return Unexpected.String()
}

// connectionEvents are the labels of upstream_connections_total.
var connectionEvents = [...]string{"opened", "reused", "stale", "poisoned"}

// The places of connectionEvents.
const (
	opened = iota
	reused
	stale
	poisoned
)

func newUpstreamConnections() *prometheus.CounterVec {
	return counterVec("upstream_connections_total",
		"Connections to targets: opened; reused for another request; stale: had ended unnoticed, so another one was tried; poisoned: closed over bytes that were no answer. HTTP/2: opened alone.",
		"service", "pool", "event")
}

// ConnectionOpened counts a new connection to a target.
func (r *Recorder) ConnectionOpened() { r.connections[opened].Inc() }

// ConnectionReused counts a kept connection that carried another request.
func (r *Recorder) ConnectionReused() { r.connections[reused].Inc() }

// ConnectionStale counts a kept connection that had ended before a byte of an answer came, and in place of which
// another one was tried.
func (r *Recorder) ConnectionStale() { r.connections[stale].Inc() }

// ConnectionPoisoned counts a connection that was closed because bytes came that nobody asked for, or an answer
// broke its framing.
func (r *Recorder) ConnectionPoisoned() { r.connections[poisoned].Inc() }
