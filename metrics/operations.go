package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storeBuckets are the upper bounds for the store, in seconds: a read from memory to a disk that hangs.
var storeBuckets = []float64{.0001, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// other is the label of what has no label of its own.
const other = "other"

var (
	storeOps = []string{"get", "list", "put", "delete", other}
	origins  = []string{"fresh", "intact", "recovered", "lost"}
)

// operations are the metrics of the store and of the logs.
type operations struct {
	storeDuration map[string]prometheus.Observer // by op; never changed
	storeErrors   map[string]prometheus.Counter  // by op; never changed
	conflicts     prometheus.Counter
	origin        *prometheus.GaugeVec
	logDropped    prometheus.Counter
	events        eventMetrics
	all           []prometheus.Collector
}

func newOperations() operations {
	durations := histogramVec("store_operation_duration_seconds", "Time of an operation of the store.", storeBuckets, "op")
	failed := counterVec("store_errors_total", "Operations of the store that failed, conflicts apart.", "op")
	o := operations{
		storeDuration: map[string]prometheus.Observer{},
		storeErrors:   map[string]prometheus.Counter{},
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "store_conflicts_total", Help: "Writes that lost a race and were decided anew.",
		}),
		origin: gaugeVec("state_origin", "1 for what the state was found to be at the start.", "origin"),
		logDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "log_dropped_total", Help: "Lines of the log, the access log included, that were dropped because nobody took them in time.",
		}),
	}
	o.events = newEventMetrics()
	for _, op := range storeOps {
		o.storeDuration[op] = durations.WithLabelValues(op)
		o.storeErrors[op] = failed.WithLabelValues(op)
	}
	for _, origin := range origins {
		o.origin.WithLabelValues(origin)
	}
	o.all = []prometheus.Collector{durations, failed, o.conflicts, o.origin, o.logDropped}
	o.all = append(o.all, o.events.collectors()...)
	return o
}

func (o *operations) collectors() []prometheus.Collector { return o.all }

// ObserveStore counts an operation of the store: get, list, put or delete; another word counts as other.
// A conflict is counted as such and is no error. A key that is not there is no error either: the caller
// passes nil for it.
func (r *Registry) ObserveStore(op string, err error, conflict bool, d time.Duration) {
	if r.ops.storeDuration[op] == nil {
		op = other
	}
	r.ops.storeDuration[op].Observe(seconds(d))
	switch {
	case conflict:
		r.ops.conflicts.Inc()
	case err != nil:
		r.ops.storeErrors[op].Inc()
	}
}

// StateOrigin says what the state was found to be: fresh, intact, recovered or lost. That one becomes 1
// and the others 0; another word makes all of them 0.
func (r *Registry) StateOrigin(origin string) {
	for _, o := range origins {
		r.ops.origin.WithLabelValues(o).Set(number(o == origin))
	}
}

// LogDropped counts n lines of the log or the access log that were not written. n is not negative.
func (r *Registry) LogDropped(n int) { r.ops.logDropped.Add(float64(max(n, 0))) }

// configMetrics tell of the file.
type configMetrics struct {
	successful, at prometheus.Gauge
	info           *info
}

func newConfigMetrics() configMetrics {
	return configMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "config_last_reload_successful", Help: "1 when the file last read is in force, 0 when it was refused.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "config_last_reload_success_timestamp_seconds", Help: "When a file was last taken into force, in seconds since 1970.",
		}),
		info: &info{desc: desc("config_info", "The digest of the file in force; always 1.", "digest")},
	}
}

func (c *configMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.successful, c.at, c.info}
}

// ConfigLoaded tells whether the file last read is in force, and of the file in force, which may be an
// older one, the digest and since when it is.
func (r *Registry) ConfigLoaded(ok bool, digest string, at time.Time) {
	r.config.successful.Set(number(ok))
	r.config.at.Set(float64(at.UnixMilli()) / 1000)
	r.config.info.digest.Store(&digest)
}

// info shows one digest at a time: a vector would show none or two for a moment.
type info struct {
	desc   *prometheus.Desc
	digest atomic.Pointer[string] // nil: nothing to show
}

// Describe implements prometheus.Collector.
func (i *info) Describe(ch chan<- *prometheus.Desc) { ch <- i.desc }

// Collect implements prometheus.Collector.
func (i *info) Collect(ch chan<- prometheus.Metric) {
	if digest := i.digest.Load(); digest != nil {
		ch <- gauge(i.desc, 1, *digest)
	}
}
