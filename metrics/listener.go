package metrics

import "github.com/prometheus/client_golang/prometheus"

// Connections counts the open client connections of a listener. Its methods allocate nothing and are safe
// for concurrent use.
type Connections struct{ open prometheus.Gauge }

// Opened counts a connection in.
func (c *Connections) Opened() { c.open.Inc() }

// Closed counts a connection out. Each Opened has one Closed.
func (c *Connections) Closed() { c.open.Dec() }

// Connections returns the count of a listener and makes it when there is none.
func (r *Registry) Connections(listener string) *Connections {
	listener = clean(listener)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.listeners[listener]
	if c == nil {
		c = &Connections{open: r.conns.WithLabelValues(listener)}
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
			r.conns.DeleteLabelValues(name)
		}
	}
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
