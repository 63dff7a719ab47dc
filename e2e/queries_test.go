//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// promQuery is a query of docs/metrics.md: under a heading, in a block that says what kind of number answers it.
type promQuery struct {
	heading, kind, query string
	native               bool
}

var (
	queryBlock = regexp.MustCompile("(?ms)^```promql ?([^\n]*)\n(.*?)^```")
	heading    = regexp.MustCompile(`(?m)^### (.*)$`)
)

// promQueries are all queries of the document.
func promQueries(t *testing.T) []promQuery {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []promQuery
	for _, at := range queryBlock.FindAllSubmatchIndex(text, -1) {
		above := heading.FindAllSubmatch(text[:at[0]], -1)
		kind, native := strings.CutSuffix(string(text[at[2]:at[3]]), " native")
		all = append(all, promQuery{string(above[len(above)-1][1]), kind, string(text[at[4]:at[5]]), native})
	}
	if len(all) < 25 {
		t.Fatalf("only %d queries found", len(all))
	}
	return all
}

// sane says which numbers a kind of answer can be.
var sane = map[string]func(float64) bool{
	"rate":       func(v float64) bool { return v >= 0 && v < 10_000 },
	"ratio":      func(v float64) bool { return v >= 0 && v <= 1 },
	"difference": func(v float64) bool { return v >= -0.15 && v <= 0.15 },
	"seconds":    func(v float64) bool { return v > 0 && v < 10 },
	"one":        func(v float64) bool { return v == 1 },
	"count":      func(v float64) bool { return v >= 0 && v < 1e6 },
	"number":     func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) },
}

// expected are the answers that the traffic of the test makes known: by heading, then by the values of labels that tell
// the samples apart.
var expected = map[string]map[string][2]float64{
	"Requests a second":                         {"blue": {20, 160}, "green": {5, 90}},
	"Error rate of each pool":                   {"blue": {0, 0}, "green": {0.04, 0.17}},
	"Failed attempts of each pool":              {"blue": {0, 0}, "green": {0.04, 0.17}},
	"p99 of each pool":                          {"blue": {0.05, 0.5}, "green": {0.05, 0.5}},
	"p99 of each pool, native":                  {"blue": {0.05, 0.5}, "green": {0.05, 0.5}},
	"Share of requests within 250 ms":           {"blue": {0.9, 1}, "green": {0.9, 1}},
	"Share that each pool really serves":        {"blue": {0.6, 0.8}, "green": {0.2, 0.4}},
	"Requests a second that the judge looks at": {"blue": {20, 160}, "green": {5, 90}},
	"Decisions of the last hour":                {"web rollout.started": {1, 1}, "web rollout.held": {1, 10}},
	"Verdicts of the last hour":                 {"web errors fail": {1, 1e6}},
	"Targets that are up":                       {"blue": {1, 1}, "green": {1, 1}},
	"Evaluations of flags a second":             {"new-checkout split": {0.5, 200}},
}

// TestQueries tries every query of docs/metrics.md: in a real Prometheus that scrapes a switchback with traffic, a
// rollout and flags, and, for native histograms, in another one that takes these.
func TestQueries(t *testing.T) {
	t.Parallel()
	r := newTrial(t, `    rollout: {steps: [{weight: 30, for: 10m}], on_fail: hold, deadline: 1h}
    sticky: {key: [{header: X-User-ID}]}
`)
	r.extra = "metrics: {exemplars: true}\nflags: {new-checkout: {strategy: percentage, value: 50}}"
	r.save(t, r.yaml(100))
	r.start(t)
	r.up(t)
	classic := r.prometheus(t, "exemplar-storage")
	native := r.prometheus(t, "native-histograms")
	r.green.now.Store(&behaviour{errors: 0.1})
	r.flow(t, 150)
	r.background(t)
	r.begin(t)
	binary.Within(t, 2*time.Minute, "a check failed and waits for a person", func() bool {
		return slices.ContainsFunc(r.events(t), func(e api.Event) bool { return e.Type == api.EventHeld })
	})
	binary.Within(t, time.Minute, "a minute of it is known", func() bool {
		v, err := instant(classic, `count_over_time(switchback_build_info[1m])`)
		return err == nil && len(v) == 1 && v[0].value > 40
	})
	for _, q := range promQueries(t) {
		server := classic
		if q.native {
			server = native
		}
		r.try(t, server, q)
	}
	r.exemplars(t, classic)
}

// try asks one promQuery and looks at every sample of the answer.
func (r *trial) try(t *testing.T, server string, q promQuery) {
	t.Helper()
	ok := sane[q.kind]
	if ok == nil {
		t.Errorf("%s: kind %q is unknown", q.heading, q.kind)
		return
	}
	samples, err := instant(server, q.query)
	if err != nil || len(samples) == 0 {
		t.Errorf("%s: %d samples, error %v\n%s", q.heading, len(samples), err, q.query)
		return
	}
	t.Logf("%s: %v", q.heading, samples)
	want := expected[q.heading]
	met := map[string]bool{}
	for _, s := range samples {
		if !ok(s.value) {
			t.Errorf("%s: %v is %v, which is no %s\n%s", q.heading, s.labels, s.value, q.kind, q.query)
		}
		for name, between := range want {
			if !s.has(name) {
				continue
			}
			met[name] = true
			if s.value < between[0] || s.value > between[1] {
				t.Errorf("%s: %v is %v, want %v", q.heading, s.labels, s.value, between)
			}
		}
	}
	if len(met) != len(want) {
		t.Errorf("%s: of %v only %v is in %v", q.heading, want, met, samples)
	}
}

// prometheus starts a server that scrapes the site every second, and returns its address once it has.
func (r *trial) prometheus(t *testing.T, feature string) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("prometheus is needed, make e2e installs it: %v", err)
	}
	dir, address := t.TempDir(), binary.Addr(t)
	file := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: switchback, static_configs: [{targets: [%q]}]}]\n", r.admin)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	binary.Start(t, dir, path, "--config.file="+file, "--web.listen-address="+address,
		"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--enable-feature="+feature)
	server := "http://" + address
	binary.Within(t, time.Minute, "Prometheus has scraped switchback", func() bool {
		samples, err := instant(server, "switchback_build_info")
		return err == nil && len(samples) == 1
	})
	return server
}

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

// background asks for flags and makes requests that belong to a trace, until the test ends.
func (r *trial) background(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	send := func(method, target, body string, headers map[string]string) {
		q, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
		if err != nil {
			return
		}
		for name, value := range headers {
			q.Header.Set(name, value)
		}
		if res, err := new(http.Client).Do(q); err == nil {
			res.Body.Close()
		}
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			send("POST", "http://"+r.admin+"/ofrep/v1/evaluate/flags/new-checkout", fmt.Sprintf(`{"context": {"targetingKey": "user%d"}}`, n),
				map[string]string{"Content-Type": "application/json"})
			send("GET", "http://"+r.listen+"/", "", map[string]string{"X-User-ID": strconv.Itoa(n), "traceparent": "00-" + trace + "-00f067aa0ba902b7-01"})
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// exemplars wants Prometheus to know the trace of a request.
func (r *trial) exemplars(t *testing.T, server string) {
	t.Helper()
	now := time.Now()
	v := url.Values{
		"query": {"switchback_request_duration_seconds_bucket"},
		"start": {strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(now.Add(time.Minute).Unix(), 10)},
	}
	var answer struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	if err := get(server+"/api/v1/query_exemplars?"+v.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	for _, s := range answer.Data {
		for _, e := range s.Exemplars {
			if e.Labels["trace_id"] == trace {
				return
			}
		}
	}
	t.Errorf("no exemplar with the trace in %+v", answer)
}

type sampled struct {
	labels map[string]string
	value  float64
}

// has reports whether the values of labels, separated by blanks, are all among those of the sample.
func (s sampled) has(values string) bool {
	for value := range strings.FieldsSeq(values) {
		if !slices.Contains(slices.Collect(maps.Values(s.labels)), value) {
			return false
		}
	}
	return true
}

// instant puts a query to a Prometheus server.
func instant(server, query string) ([]sampled, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := get(server+"/api/v1/query?"+url.Values{"query": {query}}.Encode(), &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" || answer.Data.ResultType != "vector" {
		return nil, fmt.Errorf("%s %s %s", answer.Status, answer.Data.ResultType, answer.Error)
	}
	var all []sampled
	for _, s := range answer.Data.Result {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, sampled{s.Metric, v})
	}
	return all, nil
}

func get(address string, into any) error {
	res, err := http.Get(address)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}
