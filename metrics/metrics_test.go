package metrics

import (
	"errors"
	"flag"
	"math"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

var update = flag.Bool("update", false, "rewrite testdata")

// scrape returns what a scrape shows, comments included.
func scrape(tb testing.TB, r *Registry) string {
	tb.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		tb.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// series returns the lines of a scrape that are samples and contain every part.
func series(tb testing.TB, r *Registry, parts ...string) []string {
	tb.Helper()
	var lines []string
	for line := range strings.Lines(scrape(tb, r)) {
		missing := func(part string) bool { return !strings.Contains(line, part) }
		if !strings.HasPrefix(line, "#") && !slices.ContainsFunc(parts, missing) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// small is a registry in which everything there is has happened.
func small() *Registry {
	r := newRegistry("1.2.3")
	r.ConfigLoaded(true, "0ff1ce", time.Unix(1_700_000_000, 0))
	r.ConfigLoaded(true, "c0ffee", time.Unix(1_700_000_060, 500_000_000))
	r.ConfigLoaded(false, "c0ffee", time.Unix(1_700_000_060, 500_000_000))
	r.StateOrigin("fresh")
	r.StateOrigin("recovered")

	green := r.Recorder("shop", "green")
	green.Request(200, 3*time.Millisecond)
	green.Request(204, 30*time.Millisecond)
	green.Request(503, 2*time.Second)
	green.Request(499, time.Minute)
	green.Attempt(OK, 3*time.Millisecond)
	green.Attempt(Refused, time.Millisecond)
	green.Attempt(NoTarget, 0)
	green.Retry(Refused)
	green.ConnectionOpened()
	green.ConnectionOpened()
	green.ConnectionReused()
	green.ConnectionStale()
	green.ConnectionPoisoned()
	green.Fallback()
	green.Judged(2)
	green.Judged(-1)
	r.Verdict("shop", "errors", "fail")
	r.Decision("shop", "rolled_back")
	r.Recorder("", "").Request(404, 100*time.Microsecond)

	r.ObserveStore("get", nil, false, 200*time.Microsecond)
	r.ObserveStore("put", errors.New("disk full"), false, 20*time.Millisecond)
	r.ObserveStore("put", errors.New("conflict"), true, 2*time.Millisecond)
	r.ObserveStore("defragment", nil, false, time.Second)
	r.LogDropped(3)
	r.EventsDropped(2)
	r.StreamOpened()
	r.StreamOpened()
	r.StreamClosed(true)

	web := r.Connections("web")
	web.Opened()
	web.Opened()
	web.Closed()
	web.OpenedFast()
	web.OpenedFast()
	web.OpenedFast()
	web.HandedOver(HandoverUpgrade)
	web.ClosedFast()
	checkout := r.Flag("checkout")
	checkout.Reason("split").Count()
	checkout.Reason("made up").Count()
	r.Flag("").Reason(FailedEvaluation).Count()
	refusals := r.Refusals("bad_framing", "connect")
	refusals.Count("connect")
	refusals.Count("made up by a client")

	r.Source(func() Snapshot {
		return Snapshot{
			Weights: []WeightSample{
				{"shop", "blue", "in_force", 0.75}, {"shop", "green", "in_force", 0.25}, {"shop", "green", "file", 0},
			},
			Targets: []TargetSample{
				{"shop", "blue", "http://10.0.0.1:8080", true}, {"shop", "green", "http://10.0.1.1:8080", false},
			},
			InFlight: []InFlightSample{{"shop", "blue", "request", 7}, {"shop", "blue", "websocket", 1}},
			Intents:  []IntentSample{{"shop", 90 * time.Second}},
			Rollouts: []RolloutSample{{"shop", "stepping", 2}, {"api", "idle", 0}},
			Evidence: []EvidenceSample{{"shop", "errors", "against", 0.5}, {"shop", "errors", "for", math.Inf(-1)}},
			Leader:   true,
		}
	})
	return r
}

// TestCompared shows only what the judge has looked at of a side that is no pool.
func TestCompared(t *testing.T) {
	r := newRegistry("test")
	rec := r.Compared("flag:new", "on")
	rec.Judged(3)
	if r.Recorder("flag:new", "on") != rec || r.Cells("flag:new", "on") != rec.Cells() {
		t.Error("another recorder was made for it")
	}
	families, err := r.prom.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == "flag:new" && f.GetName() != "switchback_judged_total" {
					t.Errorf("%s shows it", f.GetName())
				}
			}
		}
	}
	r.Keep(nil)
	if r.Recorder("flag:new", "on") == rec {
		t.Error("it was kept")
	}
}

func TestScrape(t *testing.T) {
	const file = "testdata/scrape.txt"
	got := scrape(t, small())
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("scrape differs from %s; run with -update and read the difference. Got:\n%s", file, got)
	}
}

func TestLint(t *testing.T) {
	r := small()
	problems, err := testutil.GatherAndLint(r.prom)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNewHasRuntimeAndProcess(t *testing.T) {
	r := New("1.2.3")
	for _, want := range []string{"go_goroutines ", "process_start_time_seconds ", `switchback_build_info{version="1.2.3"} 1`} {
		if len(series(t, r, want)) != 1 {
			t.Errorf("no %q in the scrape", want)
		}
	}
}

func TestCardinalityIsKnown(t *testing.T) {
	histogram := len(buckets) + 3 // +Inf, sum, count
	perPool := len(classes) + int(outcomes) + len(causes) + len(connectionEvents) + 2 + 2*histogram
	r := newRegistry("1.2.3")
	before := len(series(t, r))
	for _, pool := range []string{"blue", "green"} {
		rec := r.Recorder("shop", pool)
		for code := -10; code < 1100; code++ {
			rec.Request(code, time.Duration(code)*time.Second)
		}
		for o := range 256 {
			rec.Attempt(Outcome(o), time.Second)
			rec.Retry(Outcome(o))
		}
	}
	r.ObserveStore("made up", errors.New("x"), false, time.Second)
	r.StateOrigin("made up")
	if got, want := len(series(t, r))-before, 2*perPool; got != want {
		t.Errorf("two pools have %d series, want %d", got, want)
	}
	if got := series(t, r, "switchback_state_origin", " 1"); len(got) != 0 {
		t.Errorf("an unknown origin shows as %q", got)
	}
}

func TestClasses(t *testing.T) {
	for code, want := range map[int]string{
		100: "1xx", 101: "1xx", 200: "2xx", 299: "2xx", 304: "3xx", 404: "4xx", 499: "none", 500: "5xx", 599: "5xx",
		0: "none", -1: "none", 99: "none", 600: "none", 999: "none",
	} {
		if got := classes[class(code)]; got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}

func TestOutcomeNames(t *testing.T) {
	want := "ok status_5xx status_grpc refused timeout reset truncated malformed client_gone no_target unexpected unexpected unexpected"
	var got []string
	for _, o := range []Outcome{OK, Status5xx, StatusGRPC, Refused, Timeout, Reset, Truncated, Malformed, ClientGone, NoTarget, Unexpected, outcomes, 255} {
		got = append(got, o.String())
	}
	if strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestKeep(t *testing.T) {
	r := newRegistry("1.2.3")
	none, blue, green := r.Recorder("", ""), r.Recorder("shop", "blue"), r.Recorder("shop", "green")
	r.Recorder("api", "green").Request(200, time.Second)
	r.Keep([]Key{{"shop", "blue"}, {"shop", "never made"}})

	green.Request(200, time.Second) // a request that was under way
	green.Attempt(OK, time.Second)
	green.Retry(Reset)
	green.ConnectionOpened()
	green.Fallback()
	if got := series(t, r, `pool="green"`); len(got) != 0 {
		t.Errorf("dropped series show: %q", got)
	}
	if r.Recorder("shop", "blue") != blue || r.Recorder("", "") != none {
		t.Error("a recorder that was kept is another one now")
	}
	if r.Recorder("shop", "green") == green {
		t.Error("a dropped recorder came back")
	}
	want := []string{`switchback_requests_total{code_class="2xx",pool="green",service="shop"} 0`}
	if got := series(t, r, "requests_total", "2xx", `pool="green"`); !slices.Equal(got, want) {
		t.Errorf("a pool that came back shows %q, want %q", got, want)
	}
}

func TestKeepListeners(t *testing.T) {
	r := newRegistry("1.2.3")
	web, old := r.Connections("web"), r.Connections("old")
	web.Opened()
	old.Opened()
	r.KeepListeners([]string{"web"})
	old.Closed()
	want := []string{`switchback_connections{listener="web"} 1`}
	if got := series(t, r, "switchback_connections{"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r.Connections("web") != web {
		t.Error("a count that was kept is another one now")
	}
}

func TestSourceIsReadAtEachScrape(t *testing.T) {
	r := newRegistry("1.2.3")
	r.Source(func() Snapshot {
		return Snapshot{Targets: []TargetSample{{"shop", "blue", "http://10.0.0.1:80", true}}}
	})
	if got := series(t, r, "switchback_target_up"); len(got) != 1 {
		t.Errorf("%q, want one target", got)
	}
	r.Source(func() Snapshot { return Snapshot{} })
	if got := series(t, r, "switchback_target_up"); len(got) != 0 {
		t.Errorf("%q, want none once the target has left", got)
	}
	r.Source(nil)
	if got := series(t, r, "switchback_target_up"); len(got) != 0 {
		t.Errorf("%q, want none without a source", got)
	}
}

func TestBadNamesHideNothingElse(t *testing.T) {
	r := newRegistry("1.2.3")
	r.Recorder("shop\xff", "blue").Request(200, time.Second)
	twice := IntentSample{"shop", time.Second}
	r.Source(func() Snapshot {
		return Snapshot{
			Intents: []IntentSample{twice, twice, {"api\xff", time.Second}},
			Weights: []WeightSample{{"shop", "blue", "file", 1}},
		}
	})
	for _, want := range []string{`service="shop�"`, `intent_age_seconds{service="api�"} 1`, "weight_ratio{"} {
		if len(series(t, r, want)) == 0 {
			t.Errorf("no %s in the scrape", want)
		}
	}
	if got := series(t, r, `handler_errors_total{cause="gathering"}`); len(got) != 1 || strings.HasSuffix(got[0], " 0") {
		t.Errorf("the sample that came twice is not counted: %q", got)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	r := New("1.2.3")
	rec, conns, refusals := r.Recorder("shop", "blue"), r.Connections("web"), r.Refusals("connect")
	reason := strings.Repeat("x", 3)
	allocs := testing.AllocsPerRun(1000, func() {
		rec.Request(200, 12*time.Millisecond)
		rec.Attempt(Timeout, time.Second)
		rec.Retry(Timeout)
		rec.ConnectionOpened()
		rec.ConnectionReused()
		rec.ConnectionStale()
		rec.ConnectionPoisoned()
		rec.Fallback()
		conns.Opened()
		conns.Closed()
		conns.OpenedFast()
		conns.HandedOver(HandoverTrailer)
		conns.ClosedFast()
		refusals.Count("connect")
		refusals.Count(reason)
		r.ObserveStore("put", nil, false, time.Millisecond)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// TestConfigInForceBesideARefusedFile: the first scrape may come when a newer file was refused already.
func TestConfigInForceBesideARefusedFile(t *testing.T) {
	r := newRegistry("1.2.3")
	r.ConfigLoaded(false, "c0ffee", time.Unix(1_700_000_060, 0))
	want := []string{
		`switchback_config_info{digest="c0ffee"} 1`,
		"switchback_config_last_reload_success_timestamp_seconds 1.70000006e+09",
		"switchback_config_last_reload_successful 0",
	}
	if got := series(t, r, "switchback_config_"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := newRegistry("1.2.3")
	const workers, times = 4, 200
	blue := r.Recorder("shop", "blue")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range times {
				blue.Request(200, time.Millisecond)
				blue.Attempt(OK, time.Millisecond)
				r.Recorder("shop", "green").Request(500, time.Millisecond)
				r.Keep([]Key{{"shop", "blue"}})
				r.Connections("web").Opened()
				r.KeepListeners(nil)
				r.ConfigLoaded(i%2 == 0, "c0ffee", time.Now())
				r.StateOrigin("intact")
				r.Source(func() Snapshot { return Snapshot{} })
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			scrape(t, r)
		}
	})
	wg.Wait()
	want := []string{`switchback_requests_total{code_class="2xx",pool="blue",service="shop"} 800`}
	if got := series(t, r, "requests_total", "2xx", `pool="blue"`); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkRecord(b *testing.B) {
	rec := New("1.2.3").Recorder("shop", "blue")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rec.Request(200, 12*time.Millisecond)
			rec.Attempt(OK, 11*time.Millisecond)
		}
	})
}
