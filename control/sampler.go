package control

import (
	"time"

	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
)

// Sampler knows what was counted of the requests that this node drew. Its methods are safe for
// concurrent use.
type Sampler interface {
	// Cells is the counts of a pool of the file.
	Cells(service, pool string) Cells
	// Journeys is what became of the requests that a ratio check is of.
	Journeys(service, check string) Journeys
	// Second is the second under which Cells count a request that begins at t.
	Second(t time.Time) int64
}

// Cells counts the drawn requests of one pool; *metrics.Cells is one.
type Cells interface {
	// Take appends the windows of all seconds up to upto that were not taken yet.
	Take(upto int64, windows []metrics.Window) []metrics.Window
	// Publish sets the thresholds of the requests that begin in from or later.
	Publish(from int64, over [metrics.Thresholds]time.Duration)
	// Histogram adds the latencies of every request since the pool was made.
	Histogram(finer int, counts *[metrics.Buckets]uint64)
	// MeasureHistogram is the same for a time that answers told.
	MeasureHistogram(measure, finer int, counts *[metrics.Buckets]uint64)
	// Traffic is what the pool was seen doing over the last minute.
	Traffic(now time.Time) metrics.Traffic
}

// Journeys counts those of one check; *metrics.Journeys is one.
type Journeys interface {
	// Take appends what began in the seconds up to upto and was not taken yet.
	Take(upto int64, all []metrics.Passage) []metrics.Passage
}

// Counter counts what the judge sees and what is decided; nil counts nothing. Names come from the file
// and from fixed lists.
type Counter interface {
	Judged(service, pool string, n int)
	Verdict(service, check, outcome string)
	Decision(service, action string)
}

type noCounter struct{}

func (noCounter) Judged(string, string, int)     {}
func (noCounter) Verdict(string, string, string) {}
func (noCounter) Decision(string, string)        {}

// thresholds are the latencies that requests of a pool are held against, check by check.
type thresholds [metrics.Thresholds]time.Duration

// slots are the places of a policy's checks among the thresholds; -1: none.
func slots(p *judge.Policy) []int {
	places, next, measure := make([]int, len(p.Checks)), 0, metrics.Latencies
	for i := range p.Checks {
		places[i] = -1
		c := &p.Checks[i]
		switch {
		case c.Measured && measure < metrics.Thresholds:
			places[i] = measure
			measure++
		case c.Measured:
		case (c.Kind == judge.Latency || c.Kind == judge.Slow) && next < metrics.Latencies:
			places[i] = next
			next++
		}
	}
	return places
}

// subMillisecond is how many buckets of the finest histogram lie below the first of the coarsest.
const subMillisecond = 32 * metrics.Finest

// latencies reads what a pool's latencies were since the last reading, as the judge numbers buckets.
type latencies struct{ fine, coarse [metrics.Buckets]uint64 }

// since returns the difference to an earlier reading, which may be nil.
func (n *latencies) since(was *latencies) []judge.Bin {
	if was == nil {
		was = &latencies{}
	}
	var bins []judge.Bin
	add := func(bucket int, now, before uint64) {
		if now > before {
			bins = append(bins, judge.Bin{Bucket: bucket, Count: float64(now - before)})
		}
	}
	for i := range subMillisecond + 1 {
		add(i-subMillisecond, n.fine[i], was.fine[i])
	}
	for i := 1; i < metrics.Buckets; i++ {
		add(i, n.coarse[i], was.coarse[i])
	}
	return bins
}

// readMeasure is read for a time that answers told.
func readMeasure(c Cells, measure int) *latencies {
	var n latencies
	c.MeasureHistogram(measure, metrics.Finest, &n.fine)
	c.MeasureHistogram(measure, 0, &n.coarse)
	return &n
}

func read(c Cells) *latencies {
	var n latencies
	c.Histogram(metrics.Finest, &n.fine)
	c.Histogram(0, &n.coarse)
	return &n
}
