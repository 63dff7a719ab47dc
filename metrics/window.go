package metrics

import (
	"cmp"
	"time"
)

const (
	// Latencies is how many thresholds the latency of a request is held against.
	Latencies = 4
	// Measures is how many times that its response tells are held against one threshold each.
	Measures = 4
	// Thresholds is how many there are together: those of the latency, then one for each measure.
	Thresholds = Latencies + Measures
	// Groups is how many parts the requests of a pool are split into, to see how unlike two samples of
	// one version are.
	Groups = 20
)

// Counts is what became of some requests. A request that has not ended when its window closes is counted
// in Requests alone.
type Counts struct {
	Requests uint32
	Failed   uint32
	Apart    uint32             // left out of latency: failed other than by time-out, or long-lived
	Within   [Thresholds]uint32 // no longer than the threshold
	Told     [Measures]uint32   // the response told the time
}

// Slow is how many passed threshold i. Of latency those that had not ended are among them.
func (c *Counts) Slow(i int) uint32 {
	if i >= Latencies {
		return c.Told[i-Latencies] - c.Within[i]
	}
	return c.Requests - c.Apart - c.Within[i]
}

// Timed is how many count for threshold i.
func (c *Counts) Timed(i int) uint32 {
	if i >= Latencies {
		return c.Told[i-Latencies]
	}
	return c.Requests - c.Apart
}

func (c *Counts) add(o *Counts) {
	c.Requests += o.Requests
	c.Failed += o.Failed
	c.Apart += o.Apart
	for i := range c.Within {
		c.Within[i] += o.Within[i]
	}
	for i := range c.Told {
		c.Told[i] += o.Told[i]
	}
}

// Add adds the counts of other requests.
func (c *Counts) Add(o *Counts) { c.add(o) }

// Window is the requests of one pool that began in one second under one revision of the service's state.
type Window struct {
	Second   int64 // see Registry.Second
	Revision int64
	Over     [Thresholds]time.Duration // 0: none was known, Within is not counted and says nothing
	Groups   [Groups]Counts
}

// Total is the sum over the groups.
func (w *Window) Total() Counts {
	var sum Counts
	for i := range w.Groups {
		sum.add(&w.Groups[i])
	}
	return sum
}

// merge adds the counts of a cell of the same second and revision. Counts against different thresholds
// do not add up: that threshold becomes 0.
func (w *Window) merge(c *cell) {
	for i := range w.Groups {
		w.Groups[i].add(&c.groups[i])
	}
	for i := range w.Over {
		if w.Over[i] != c.over[i] {
			w.drop(i)
		}
	}
}

func (w *Window) drop(threshold int) {
	w.Over[threshold] = 0
	for i := range w.Groups {
		w.Groups[i].Within[threshold] = 0
	}
}

func compareWindows(a, b Window) int {
	return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(a.Revision, b.Revision))
}
