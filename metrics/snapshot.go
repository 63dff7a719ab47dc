package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Snapshot is what is true at the moment of a scrape. No two samples of a kind may have the same names.
type Snapshot struct {
	Weights  []WeightSample
	Targets  []TargetSample
	InFlight []InFlightSample
	Intents  []IntentSample
	Rollouts []RolloutSample
	Evidence []EvidenceSample
	Leader   bool // this node decides
}

// WeightSample is a pool's share in a layer: file, intent or in_force. Ratio is 0 to 1.
type WeightSample struct {
	Service, Pool, Layer string
	Ratio                float64
}

// TargetSample says whether a target is up; one of which nothing is known yet is not.
type TargetSample struct {
	Service, Pool, Target string
	Up                    bool
}

// InFlightSample is how many requests of a kind a pool serves.
type InFlightSample struct {
	Service, Pool, Kind string
	N                   int64
}

// IntentSample is how long a service's weights have differed from the file's.
type IntentSample struct {
	Service string
	Age     time.Duration
}

// Source sets where the gauges of weights, targets, requests in flight, intents and rollouts come from. f is called
// once for each scrape, maybe by several at a time, and must not block. Nil: those gauges do not show.
func (r *Registry) Source(f func() Snapshot) {
	if f == nil {
		r.live.source.Store(nil)
		return
	}
	r.live.source.Store(&f)
}

// live reads gauges at scrape time, so that they follow the table with nothing to add or remove.
type live struct {
	source                            atomic.Pointer[func() Snapshot]
	weight, target, inFlight, intents *prometheus.Desc
	rollouts                          rolloutDescs
}

func newLive() *live {
	return &live{
		weight:   desc("weight_ratio", "Share of a service's traffic, 0 to 1. Layer: file, intent or in_force.", "service", "pool", "layer"),
		target:   desc("target_up", "1 while probes find the target up.", "service", "pool", "target"),
		inFlight: desc("inflight_requests", "Requests that are being served.", "service", "pool", "kind"),
		intents:  desc("intent_age_seconds", "How long the weights in force have differed from the file's.", "service"),
		rollouts: newRolloutDescs(),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (l *live) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append(l.rollouts.all(), l.weight, l.target, l.inFlight, l.intents) {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (l *live) Collect(ch chan<- prometheus.Metric) {
	source := l.source.Load()
	if source == nil {
		return
	}
	s := (*source)()
	for _, w := range s.Weights {
		ch <- gauge(l.weight, w.Ratio, w.Service, w.Pool, w.Layer)
	}
	for _, t := range s.Targets {
		ch <- gauge(l.target, number(t.Up), t.Service, t.Pool, t.Target)
	}
	for _, f := range s.InFlight {
		ch <- gauge(l.inFlight, float64(f.N), f.Service, f.Pool, f.Kind)
	}
	for _, i := range s.Intents {
		ch <- gauge(l.intents, i.Age.Seconds(), i.Service)
	}
	l.rollouts.collect(&s, ch)
}

// gauge is one sample.
func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	for i := range labels {
		labels[i] = clean(labels[i])
	}
	m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return m
}

// number is 1 for true.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
