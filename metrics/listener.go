package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Handover is why the fast path gave a connection to the general one.
type Handover uint8

// The reasons for a hand-over.
const (
	HandoverUpgrade    Handover = iota // the request asks for another protocol
	HandoverExpect                     // its client waits to be asked for the body
	HandoverVersion                    // it is not HTTP/1.1
	HandoverConnection                 // it has many connection options
	HandoverAbsolute                   // its target is not a path alone
	HandoverGRPC                       // it is a call of gRPC
	HandoverRefused                    // it may not pass, and the general path says why
	HandoverHTTP2                      // the connection began with the preface of HTTP/2
	HandoverService                    // its service wants what the general path alone does
	HandoverTrailer                    // it has trailers or asks for them
	handovers                          // how many there are
)

var handoverNames = [handovers]string{
	"upgrade", "expect", "version", "connection", "absolute", "grpc", "refused", "http2", "service", "trailer",
}

// String is the label: upgrade, expect, version, connection, absolute, grpc, refused, http2, service or trailer.
func (h Handover) String() string { return handoverNames[h] }

// paths are the labels of path_connections.
var paths = [...]string{"general", "fast"}

// Connections counts the open client connections of a listener, and which path serves them. Its methods look
// nothing up, take no lock and allocate nothing; all are safe for concurrent use.
type Connections struct {
	open, general, fast prometheus.Gauge
	handovers           [handovers]prometheus.Counter
}

// Opened counts a connection in that the general path serves.
func (c *Connections) Opened() {
	c.open.Inc()
	c.general.Inc()
}

// OpenedFast counts a connection in that the fast path serves.
func (c *Connections) OpenedFast() {
	c.open.Inc()
	c.fast.Inc()
}

// HandedOver moves a connection from the fast path to the general one.
func (c *Connections) HandedOver(h Handover) {
	c.handovers[h].Inc()
	c.fast.Dec()
	c.general.Inc()
}

// Closed counts a connection out that the general path served last. Each Opened and each HandedOver has one Closed.
func (c *Connections) Closed() {
	c.open.Dec()
	c.general.Dec()
}

// ClosedFast counts a connection out that the fast path served to its end. Each OpenedFast has one ClosedFast or one
// HandedOver.
func (c *Connections) ClosedFast() {
	c.open.Dec()
	c.fast.Dec()
}

// connectionVecs are the metrics Connections have a part of.
type connectionVecs struct {
	open, paths *prometheus.GaugeVec
	handovers   *prometheus.CounterVec
}

func newConnectionVecs() connectionVecs {
	return connectionVecs{
		open:      gaugeVec("connections", "Client connections that are open.", "listener"),
		paths:     gaugeVec("path_connections", "Client connections that are open, by what serves them: event loops (fast) or net/http (general).", "listener", "path"),
		handovers: counterVec("handovers_total", "Client connections that went from the fast path to the general one, by why.", "listener", "reason"),
	}
}

func (v *connectionVecs) collectors() []prometheus.Collector {
	return []prometheus.Collector{v.open, v.paths, v.handovers}
}

// connections resolves every series of a listener.
func (v *connectionVecs) connections(listener string) *Connections {
	c := &Connections{
		open:    v.open.WithLabelValues(listener),
		general: v.paths.WithLabelValues(listener, paths[0]),
		fast:    v.paths.WithLabelValues(listener, paths[1]),
	}
	for i, name := range handoverNames {
		c.handovers[i] = v.handovers.WithLabelValues(listener, name)
	}
	return c
}

// drop removes every series of a listener.
func (v *connectionVecs) drop(listener string) {
	labels := prometheus.Labels{"listener": listener}
	v.open.DeletePartialMatch(labels)
	v.paths.DeletePartialMatch(labels)
	v.handovers.DeletePartialMatch(labels)
}

// Connections returns the count of a listener and makes it when there is none.
func (r *Registry) Connections(listener string) *Connections {
	listener = clean(listener)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.listeners[listener]
	if c == nil {
		c = r.conns.connections(listener)
		r.listeners[listener] = c
	}
	return c
}

// KeepListeners drops the series of every listener that is not named. A dropped count may be used on.
func (r *Registry) KeepListeners(names []string) {
	keep := map[string]bool{}
	for _, name := range names {
		keep[clean(name)] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.listeners {
		if !keep[name] {
			delete(r.listeners, name)
			r.conns.drop(name)
		}
	}
}

// Paths are the client connections of all listeners: how many are open on each path, and how many were handed over, by
// why. Reasons that did not occur are left out.
type Paths struct {
	Fast, General int64
	Handovers     map[string]int64
}

// Paths reads what Connections count. While connections come and go, one that is handed over may show on both paths or
// on none.
func (r *Registry) Paths() Paths {
	p := Paths{Handovers: map[string]int64{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.listeners {
		p.Fast += value(c.fast)
		p.General += value(c.general)
		for i, counter := range c.handovers {
			if n := value(counter); n > 0 {
				p.Handovers[handoverNames[i]] += n
			}
		}
	}
	return p
}

// value is that of a counter or a gauge.
func value(m prometheus.Metric) int64 {
	var shown dto.Metric
	_ = m.Write(&shown) // a number is written without an error
	return int64(shown.GetCounter().GetValue() + shown.GetGauge().GetValue())
}

// Refusals counts requests that were refused before a service was chosen.
type Refusals struct {
	byReason map[string]prometheus.Counter // never changed
}

// Refusals returns counts for a fixed set of reasons; all of them show at once, at zero, and with them
// "other". Two calls with the same reason count into the same series.
func (r *Registry) Refusals(reasons ...string) *Refusals {
	f := &Refusals{byReason: map[string]prometheus.Counter{other: r.refused.WithLabelValues(other)}}
	for _, reason := range reasons {
		f.byReason[reason] = r.refused.WithLabelValues(clean(reason))
	}
	return f
}

// Count counts a refusal; a reason that is not in the set counts as other. It allocates nothing and is
// safe for concurrent use.
func (f *Refusals) Count(reason string) {
	c := f.byReason[reason]
	if c == nil {
		c = f.byReason[other]
	}
	c.Inc()
}
