package metrics

import "github.com/prometheus/client_golang/prometheus"

// eventMetrics tell of the events that were kept and of those who read them.
type eventMetrics struct {
	dropped, cut prometheus.Counter
	streams      prometheus.Gauge
}

func newEventMetrics() eventMetrics {
	return eventMetrics{
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "events_dropped_total", Help: "Events that were shown but not written, because the disk did not take them in time.",
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "event_streams_cut_total", Help: "Streams of events that were ended because their reader was too slow.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "event_streams", Help: "Open streams of events.",
		}),
	}
}

func (e *eventMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{e.dropped, e.cut, e.streams}
}

// EventsDropped counts n events that were not written. n is not negative.
func (r *Registry) EventsDropped(n int) { r.ops.events.dropped.Add(float64(max(n, 0))) }

// StreamOpened counts a stream of events in. Each has one StreamClosed.
func (r *Registry) StreamOpened() { r.ops.events.streams.Inc() }

// StreamClosed counts a stream of events out; cut says that its reader was too slow.
func (r *Registry) StreamClosed(cut bool) {
	r.ops.events.streams.Dec()
	if cut {
		r.ops.events.cut.Inc()
	}
}
