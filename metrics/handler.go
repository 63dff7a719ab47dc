package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler answers a scrape: in text, or in protobuf, which has the native histograms, for those who accept it.
// OpenMetrics, the text with exemplars, is spoken while these are on. A sample that cannot be shown is left out and
// counted in promhttp_metric_handler_errors_total; the others are shown all the same.
func (r *Registry) Handler() http.Handler {
	opts := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: r.prom}
	plain := promhttp.HandlerFor(r.prom, opts)
	opts.EnableOpenMetrics = true
	open := promhttp.HandlerFor(r.prom, opts)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if r.Exemplars() {
			open.ServeHTTP(w, q)
			return
		}
		plain.ServeHTTP(w, q)
	})
}

// ShowExemplars turns exemplars on or off: whether the durations of requests name a trace. They are off at first.
// Those that were noted before stay where they are shown in protobuf.
func (r *Registry) ShowExemplars(on bool) { r.exemplars.Store(on) }

// Exemplars reports whether they are on. It is cheap enough to be asked for every request.
func (r *Registry) Exemplars() bool { return r.exemplars.Load() }
