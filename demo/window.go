package demo

import (
	"math"
	"time"
)

// Count is what became of some requests.
type Count struct {
	Requests int64
	Failed   int64 // answered with 5xx, not answered, or answered by an unknown version
}

// Window is what the load saw for some time. Windows of one load can be added up. It is a plain value
// for one goroutine; the zero value is empty.
type Window struct {
	Elapsed time.Duration
	Total   Count
	Pools   map[string]Count // by the pool that answered; requests nobody answered are only in Total
	Missed  int64            // not sent because every client was busy
	latency histogram
	of      map[string]*histogram // by the pool that answered
}

// Add puts the requests of another window into this one.
func (w *Window) Add(o Window) {
	w.Elapsed += o.Elapsed
	w.Missed += o.Missed
	w.Total = w.Total.plus(o.Total)
	for pool, c := range o.Pools {
		w.count(pool, c)
	}
	w.latency.add(&o.latency)
	for pool, h := range o.of {
		w.histogram(pool).add(h)
	}
}

// Share is the part of the answered requests that a pool answered, 0 to 1.
func (w *Window) Share(pool string) float64 {
	var all int64
	for _, c := range w.Pools {
		all += c.Requests
	}
	if all == 0 {
		return 0
	}
	return float64(w.Pools[pool].Requests) / float64(all)
}

// Rate is requests a second.
func (w *Window) Rate() float64 {
	if w.Elapsed <= 0 {
		return 0
	}
	return float64(w.Total.Requests) / w.Elapsed.Seconds()
}

// Quantile is the latency that the share q of the requests stayed within, at most 5 % too high; 0
// without requests.
func (w *Window) Quantile(q float64) time.Duration { return w.latency.quantile(q) }

// PoolQuantile is Quantile of the requests that a pool answered.
func (w *Window) PoolQuantile(pool string, q float64) time.Duration {
	h := w.of[pool]
	if h == nil {
		return 0
	}
	return h.quantile(q)
}

// Record counts one request: by which pool it was answered, "" for none, whether it failed and how long it took.
func (w *Window) Record(pool string, failed bool, took time.Duration) {
	c := Count{Requests: 1}
	if failed {
		c.Failed = 1
	}
	w.Total = w.Total.plus(c)
	if pool != "" {
		w.count(pool, c)
		w.histogram(pool)[bucket(took)]++
	}
	w.latency[bucket(took)]++
}

func (w *Window) count(pool string, c Count) {
	if w.Pools == nil {
		w.Pools = make(map[string]Count)
	}
	w.Pools[pool] = w.Pools[pool].plus(c)
}

func (w *Window) histogram(pool string) *histogram {
	if w.of == nil {
		w.of = make(map[string]*histogram)
	}
	if w.of[pool] == nil {
		w.of[pool] = &histogram{}
	}
	return w.of[pool]
}

func (c Count) plus(o Count) Count {
	return Count{Requests: c.Requests + o.Requests, Failed: c.Failed + o.Failed}
}

// histogram counts latencies in buckets that grow by 5 %, from 20 µs to about 40 s.
type histogram [300]int64

const (
	finest = 20 * time.Microsecond
	growth = 1.05
)

func bucket(d time.Duration) int {
	if d <= finest {
		return 0
	}
	i := int(math.Ceil(math.Log(float64(d)/float64(finest)) / math.Log(growth)))
	return min(i, len(histogram{})-1)
}

func (h *histogram) add(o *histogram) {
	for i, n := range o {
		h[i] += n
	}
}

func (h *histogram) quantile(q float64) time.Duration {
	var all int64
	for _, n := range h {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank, seen := int64(math.Ceil(q*float64(all))), int64(0)
	for i, n := range h {
		if seen += n; seen >= rank && n > 0 {
			return time.Duration(float64(finest) * math.Pow(growth, float64(i)))
		}
	}
	return 0
}
