package metrics

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// family is a metric as those who accept protobuf get it.
func family(t *testing.T, r *Registry, name string) *dto.MetricFamily {
	t.Helper()
	q := httptest.NewRequest("GET", "/metrics", nil)
	q.Header.Set("Accept", protobuf)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, q)
	d := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	for {
		var f dto.MetricFamily
		if err := d.Decode(&f); err != nil {
			t.Fatalf("no %s: %v", name, err)
		}
		if f.GetName() == name {
			return &f
		}
	}
}

// TestNativeHistograms: beside the fixed buckets each histogram has narrow ones, as many as it takes and no more than
// there is room for, and the counts of both agree.
func TestNativeHistograms(t *testing.T) {
	r := newRegistry("test")
	rec := r.Recorder("shop", "blue")
	n, classic := 0, buckets
	for d := 20 * time.Microsecond; d < 48*time.Hour; d += d / 50 {
		rec.Request(200, d)
		rec.Attempt(OK, d)
		n++
	}
	for _, name := range []string{"switchback_request_duration_seconds", "switchback_attempt_duration_seconds"} {
		h := family(t, r, name).GetMetric()[0].GetHistogram()
		var buckets, sum int64
		for _, span := range h.GetPositiveSpan() {
			buckets += int64(span.GetLength())
		}
		count := int64(0)
		for _, delta := range h.GetPositiveDelta() {
			count += delta
			sum += count
		}
		if h.GetSampleCount() != uint64(n) || sum+int64(h.GetZeroCount()) != int64(n) || len(h.GetBucket()) != len(classic) {
			t.Errorf("%s: %d observed, %d and %d in native buckets, %d classic ones, want %d", name, h.GetSampleCount(), sum, h.GetZeroCount(), len(h.GetBucket()), n)
		}
		if buckets > nativeBuckets || buckets < 50 {
			t.Errorf("%s: %d native buckets", name, buckets)
		}
	}
}

// TestNativeWidth: within the latencies of a service the buckets are as narrow as promised.
func TestNativeWidth(t *testing.T) {
	r := newRegistry("test")
	rec := r.Recorder("shop", "blue")
	for d := 20 * time.Microsecond; d < 20*time.Second; d += d / 50 {
		rec.Request(200, d)
	}
	h := family(t, r, "switchback_request_duration_seconds").GetMetric()[0].GetHistogram()
	if width := math.Exp2(math.Exp2(-float64(h.GetSchema()))); width > nativeFactor {
		t.Errorf("each bucket is %v times as wide as the one below", width)
	}
}

// TestRecordingAllLatencies: once its buckets are there, no latency allocates.
func TestRecordingAllLatencies(t *testing.T) {
	rec := newRegistry("test").Recorder("shop", "blue")
	run := func() {
		for d := 20 * time.Microsecond; d < time.Hour; d += d / 7 {
			rec.Request(200, d)
			rec.Attempt(OK, d)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestExemplars: they show while they are on, to those who accept what has them.
func TestExemplars(t *testing.T) {
	r := newRegistry("test")
	rec := r.Recorder("shop", "blue")
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	open := func() string {
		q := httptest.NewRequest("GET", "/metrics", nil)
		q.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, q)
		return w.Body.String()
	}
	rec.Traced(200, time.Millisecond, "")
	if r.Exemplars() || strings.Contains(open(), "# EOF") {
		t.Error("on without a word of the file")
	}
	r.ShowExemplars(true)
	rec.Traced(200, 3*time.Millisecond, id)
	want := `switchback_request_duration_seconds_bucket{pool="blue",service="shop",le="0.005"} 2 # {trace_id="` + id + `"} 0.003`
	if got := open(); !strings.Contains(got, want) || !strings.HasSuffix(got, "# EOF\n") {
		t.Errorf("no %s in\n%s", want, got)
	}
	if strings.Contains(scrape(t, r), id) {
		t.Error("the plain text has it too")
	}
	if n := len(series(t, r, "requests_total", "2xx", `pool="blue"`, " 2")); n != 1 {
		t.Error("the requests are not counted as others are")
	}
	r.ShowExemplars(false)
	if strings.Contains(open(), id) {
		t.Error("it shows although they are off")
	}
}
