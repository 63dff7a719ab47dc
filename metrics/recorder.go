package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcome is how an attempt on a pool ended.
type Outcome uint8

// The outcomes. Which of them are the pool's fault is for the judge to say, not for the count.
const (
	OK         Outcome = iota // an answer below 500 came whole
	Status5xx                 // an answer of 500 or above came whole
	StatusGRPC                // a gRPC call ended with status 2, 4, 8 or 12 to 15, or without one
	Refused                   // no connection could be made
	Timeout                   // no connection or no answer in time
	Reset                     // the connection ended before the answer's head
	Truncated                 // the connection ended before the answer's end
	Malformed                 // the answer was not HTTP, or broke its own framing
	ClientGone                // the client went away first
	NoTarget                  // no target could be chosen
	Unexpected                // anything else
	outcomes                  // how many there are
)

var outcomeNames = [outcomes]string{
	"ok", "status_5xx", "status_grpc", "refused", "timeout", "reset", "truncated", "malformed", "client_gone", "no_target", "unexpected",
}

// String is the label: ok, status_5xx, status_grpc, refused, timeout, reset, truncated, malformed, client_gone,
// no_target or unexpected, which also stands for values that are no Outcome.
func (o Outcome) String() string { return outcomeNames[o.known()] }

func (o Outcome) known() Outcome { return min(o, Unexpected) }

// classes are the labels of code_class; the place of a class is its first digit.
var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// class is the place of a status code in classes.
func class(code int) int {
	const clientGone = 499 // never sent: the client left before there was an answer
	if code == clientGone || code < 100 || code > 599 {
		return 0
	}
	return code / 100
}

// Recorder counts what happens to one pool. Its methods look nothing up, take no lock and allocate
// nothing; all are safe for concurrent use.
type Recorder struct {
	requests        [len(classes)]prometheus.Counter
	requestDuration prometheus.Observer
	attempts        [outcomes]prometheus.Counter
	attemptDuration prometheus.Observer
	retries         [outcomes]prometheus.Counter
	fallbacks       prometheus.Counter
	judged          prometheus.Counter
	connections     [len(connectionEvents)]prometheus.Counter
	cells           *Cells
}

// Request counts a request that ended, as the client saw it: the status code it got and how long it
// took. 499, and any code outside 100 to 599, is a client that left before an answer.
func (r *Recorder) Request(code int, d time.Duration) { r.Traced(code, d, "") }

// Traced is Request with the id of the trace in which the duration was measured, ASCII of at most 64 bytes; "" is none.
// With one it allocates.
func (r *Recorder) Traced(code int, d time.Duration, trace string) {
	r.requests[class(code)].Inc()
	observe(r.requestDuration, seconds(d), trace)
}

// Attempt counts one try to have the pool serve a request. NoTarget has no duration, as nothing was tried.
func (r *Recorder) Attempt(o Outcome, d time.Duration) {
	r.attempts[o.known()].Inc()
	if o != NoTarget {
		r.attemptDuration.Observe(seconds(d))
	}
}

// Retry counts an attempt on another target after one that failed with o.
func (r *Recorder) Retry(o Outcome) { r.retries[o.known()].Inc() }

// Fallback counts a request this pool should have served and the baseline did. It is booked here, on the
// pool that missed.
func (r *Recorder) Fallback() { r.fallbacks.Inc() }

// Judged counts requests that were handed to the judge. n is not negative.
func (r *Recorder) Judged(n int) { r.judged.Add(float64(max(n, 0))) }

// Cells counts the requests of the pool that a comparison may look at.
func (r *Recorder) Cells() *Cells { return r.cells }

// seconds keeps a clock that was set back from making a sum shrink.
func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }

// vecs are the metrics a Recorder has a part of.
type vecs struct {
	requests, attempts, retries, fallbacks, judged, connections *prometheus.CounterVec
	requestDuration, attemptDuration                            *prometheus.HistogramVec
}

func newVecs() vecs {
	return vecs{
		requests: counterVec("requests_total", "Requests that ended, as clients saw them. Class none: the client left before an answer.",
			"service", "pool", "code_class"),
		requestDuration: histogramVec("request_duration_seconds", "Time from the request's head to the end of the answer, as clients saw it.",
			buckets, "service", "pool"),
		attempts: counterVec("attempts_total", "Tries to have a pool serve a request, by how they ended.",
			"service", "pool", "outcome"),
		attemptDuration: histogramVec("attempt_duration_seconds", "Time of the tries that reached for a target.",
			buckets, "service", "pool"),
		retries:     counterVec("retries_total", "Tries on another target after one that failed, by how that ended.", "service", "pool", "cause"),
		fallbacks:   counterVec("fallbacks_total", "Requests the baseline served because this pool could not.", "service", "pool"),
		judged:      counterVec("judged_total", "Requests the judge has looked at.", "service", "pool"),
		connections: newUpstreamConnections(),
	}
}

func (v *vecs) collectors() []prometheus.Collector {
	return []prometheus.Collector{v.requests, v.attempts, v.retries, v.fallbacks, v.judged, v.connections, v.requestDuration, v.attemptDuration}
}

// recorder resolves every series of a pool.
func (v *vecs) recorder(k Key, c clock) *Recorder {
	r := v.compared(k, c)
	r.requestDuration = v.requestDuration.WithLabelValues(k.Service, k.Pool)
	r.attemptDuration = v.attemptDuration.WithLabelValues(k.Service, k.Pool)
	r.fallbacks = v.fallbacks.WithLabelValues(k.Service, k.Pool)
	for i, name := range classes {
		r.requests[i] = v.requests.WithLabelValues(k.Service, k.Pool, name)
	}
	for i, name := range outcomeNames {
		r.attempts[i] = v.attempts.WithLabelValues(k.Service, k.Pool, name)
		r.retries[i] = v.retries.WithLabelValues(k.Service, k.Pool, cause(Outcome(i)))
	}
	for i, name := range connectionEvents {
		r.connections[i] = v.connections.WithLabelValues(k.Service, k.Pool, name)
	}
	return r
}

// compared resolves what the judge looks at.
func (v *vecs) compared(k Key, c clock) *Recorder {
	return &Recorder{cells: newCells(c, shardCount()), judged: v.judged.WithLabelValues(k.Service, k.Pool)}
}

// drop removes every series of a pool.
func (v *vecs) drop(k Key) {
	labels := prometheus.Labels{"service": k.Service, "pool": k.Pool}
	for _, counter := range []*prometheus.CounterVec{v.requests, v.attempts, v.retries, v.fallbacks, v.judged, v.connections} {
		counter.DeletePartialMatch(labels)
	}
	v.requestDuration.DeletePartialMatch(labels)
	v.attemptDuration.DeletePartialMatch(labels)
}
