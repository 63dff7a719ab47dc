package metrics

import "github.com/prometheus/client_golang/prometheus"

// buckets are the upper bounds of every histogram of requests, in seconds: 1 ms to 60 s, three for each
// power of ten. They are fixed, so that nodes and versions can be added up.
var buckets = []float64{
	.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60,
}

// Every histogram is a native one as well, for servers that take it. A bucket is at most a tenth wider than the one below
// it, so a quantile is at most so much too high. There is room for everything from 10 µs to half a minute at that width,
// and for days at the next one. Counts are never reset: they agree with those of the counters.
const (
	nativeFactor  = 1.1
	nativeZero    = 1e-5 // seconds; what is below counts as nothing
	nativeBuckets = 192
)

func histogramVec(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: bounds,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramZeroThreshold: nativeZero,
		NativeHistogramMaxBucketNumber: nativeBuckets,
	}, labels)
}

// traceLabel is what an exemplar calls the trace.
const traceLabel = "trace_id"

// observe books a duration with the trace it was measured in; "" is none.
func observe(o prometheus.Observer, seconds float64, trace string) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && trace != "" {
		e.ObserveWithExemplar(seconds, prometheus.Labels{traceLabel: trace})
		return
	}
	o.Observe(seconds)
}
