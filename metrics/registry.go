// Package metrics owns what is counted and how it is shown to Prometheus. Every label value comes from
// the configuration or from a fixed list, never from a request, so the number of series is known from the
// file. It also counts, second by second, what the judge compares. It judges nothing and keeps no history.
package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const namespace = "switchback"

// Registry holds every metric of a process. All methods are safe for concurrent use. Make one with New.
type Registry struct {
	prom      *prometheus.Registry
	vecs      vecs
	ops       operations
	config    configMetrics
	live      *live
	clock     clock
	decisions decisions
	conns     connectionVecs
	refused   *prometheus.CounterVec

	evaluations *prometheus.CounterVec
	exemplars   atomic.Bool

	mu        sync.Mutex // guards what follows; recording never takes it
	recorders map[Key]*Recorder
	listeners map[string]*Connections
	flags     map[string]*Evaluations
	journeys  map[Key]*Journeys // by service and check
}

// Key names a pool of a service.
type Key struct{ Service, Pool string }

// clean keeps names that are not UTF-8 from making a scrape fail.
func (k Key) clean() Key { return Key{clean(k.Service), clean(k.Pool)} }

func clean(label string) string { return strings.ToValidUTF8(label, "�") }

// New returns a registry with the metrics of the Go runtime and of the process. version is the label of
// build_info.
func New(version string) *Registry {
	r := newRegistry(version)
	r.prom.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// newRegistry is New without what differs from run to run.
func newRegistry(version string) *Registry {
	r := &Registry{
		prom:      prometheus.NewRegistry(),
		vecs:      newVecs(),
		ops:       newOperations(),
		config:    newConfigMetrics(),
		live:      newLive(),
		clock:     clock{time.Now()},
		decisions: newDecisions(),
		recorders: map[Key]*Recorder{},
		listeners: map[string]*Connections{},
		journeys:  map[Key]*Journeys{},
		conns:     newConnectionVecs(),
		refused:   counterVec("refused_requests_total", "Requests refused before a service was chosen.", "reason"),
		flags:     map[string]*Evaluations{},

		evaluations: counterVec("flag_evaluations_total", "Evaluations of flags that applications asked for; flag is empty for flags that nobody defined.", "flag", "reason"),
	}
	build := gaugeVec("build_info", "The version that runs; always 1.", "version")
	build.WithLabelValues(clean(version)).Set(1)
	r.prom.MustRegister(build, r.live, r.refused, r.evaluations)
	r.prom.MustRegister(r.vecs.collectors()...)
	r.prom.MustRegister(r.conns.collectors()...)
	r.prom.MustRegister(r.ops.collectors()...)
	r.prom.MustRegister(r.config.collectors()...)
	r.prom.MustRegister(r.decisions.collectors()...)
	return r
}

// Recorder returns the recorder of a pool and makes it when there is none: from then on all its series
// show, at zero. Empty names are for requests that match no service.
func (r *Registry) Recorder(service, pool string) *Recorder {
	key := Key{service, pool}.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.recorders[key]
	if rec == nil {
		rec = r.vecs.recorder(key, r.clock)
		r.recorders[key] = rec
	}
	return rec
}

// Journeys returns what counts the journeys of a check, and makes it when there is none.
func (r *Registry) Journeys(service, check string) *Journeys {
	key := Key{service, check}
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.journeys[key]
	if j == nil {
		j = newJourneys(r.clock)
		r.journeys[key] = j
	}
	return j
}

// Compared returns the recorder of a side of a comparison that is no pool: of it only what the judge looks at
// is counted and shown, for its requests are counted by the pools that serve them. Call it before anybody asks
// for the Recorder of that name; only Cells and Judged of it may be used.
func (r *Registry) Compared(service, side string) *Recorder {
	key := Key{service, side}.clean()
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.recorders[key]
	if rec == nil {
		rec = r.vecs.compared(key, r.clock)
		r.recorders[key] = rec
	}
	return rec
}

// Keep drops the series of every recorder whose pool is not listed, and those of a service that has no
// pool left; the recorder of empty names always stays. A dropped recorder may be used on, by a request
// that is still under way: it counts where nobody looks. Recorder makes a new one if the pool comes back,
// which starts at zero.
func (r *Registry) Keep(pools []Key) {
	keep := map[Key]bool{{}: true}
	for _, k := range pools {
		keep[k.clean()] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.recorders {
		if !keep[k] {
			delete(r.recorders, k)
			r.vecs.drop(k)
			r.decisions.keep(k.Service, keep)
		}
	}
	services := map[string]bool{}
	for k := range keep {
		services[k.Service] = true
	}
	for k := range r.journeys {
		if !services[clean(k.Service)] {
			delete(r.journeys, k)
		}
	}
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}
