package switchback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestDocumentedChecks runs every file of docs/checks.md with the real binary, in front of servers that have
// what it asks for, and wants each of its checks to find something to compare.
func TestDocumentedChecks(t *testing.T) {
	program, err := binary.Build(t.TempDir(), ".", "./cmd/switchback")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[config.CheckKind]bool{}
	for i, block := range yamlBlock.FindAllStringSubmatch(read(t, "docs/checks.md"), -1) {
		c, err := config.Parse("checks.md", []byte(block[1]))
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range c.Services[0].Rollout.Checks {
			kinds[check.Kind] = true
		}
		t.Run(fmt.Sprint(i, c.Services[0].Rollout.Checks[1].Kind), func(t *testing.T) {
			t.Parallel()
			documentedCheck(t, program, block[1], c.Services[0].Rollout)
		})
	}
	for _, kind := range []config.CheckKind{
		config.KindScrape, config.KindServerTiming, config.KindRatio, config.KindPrometheus, config.KindWebhook,
	} {
		if !kinds[kind] {
			t.Errorf("docs/checks.md has no example with %s", kind)
		}
	}
}

func documentedCheck(t *testing.T, program, yaml string, plan *config.Rollout) {
	t.Helper()
	outside := httptest.NewServer(http.HandlerFunc(others))
	t.Cleanup(outside.Close)
	proxy, admin, dir := binary.Addr(t), binary.Addr(t), t.TempDir()
	file := filepath.Join(dir, "switchback.yaml")
	yaml = fmt.Sprintf("listeners: {web: {address: %q}}\nadmin: {address: %q}\n", proxy, admin) + strings.NewReplacer(
		"http://10.0.0.1:8080", documentedTarget(t), "http://10.0.1.1:8080", documentedTarget(t),
		"http://prom:9090", outside.URL, "https://ci.example.com", outside.URL,
		"within: 1m", "within: 1s", "every: 10s", "every: 1s", // nothing else is changed
	).Replace(yaml)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	binary.Start(t, dir, program, "serve", "-c", file)
	client, err := api.NewClient("http://"+admin, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	binary.Until(t, "both pools are up", func() bool {
		s, err := client.Service(t.Context(), "shop")
		return err == nil && s.Pools["blue"].Up == 1 && s.Pools["green"].Up == 1
	})
	visit(t, "http://"+proxy)
	if _, err := client.StartRollout(t.Context(), "shop", api.StartRequest{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	var last []api.Check
	defer func() {
		if t.Failed() {
			t.Logf("%+v", last)
		}
	}()
	for _, want := range plan.Checks {
		binary.Within(t, time.Minute, want.Name+" has something to compare", func() bool {
			r, err := client.Rollout(t.Context(), "shop")
			if err != nil || !r.Running() {
				return false
			}
			last = r.Checks
			for _, got := range last {
				if got.Name == want.Name {
					return compares(t, client, &want, got)
				}
			}
			return false
		})
	}
}

// compares reports whether a check has data. Those of latencies are judged after a warm-up of half a minute;
// that the baseline's is known shows in the plan at once.
func compares(t *testing.T, client *api.Client, want *config.Check, got api.Check) bool {
	t.Helper()
	switch {
	case want.Kind.Fetched():
		return got.Error == "" && got.MissingSince == nil && len(got.Values) > 0 && got.Observed == want.ObserveOnly
	case want.Kind == config.KindServerTiming:
		plan, err := client.Plan(t.Context(), "shop")
		return err == nil && !strings.Contains(strings.Join(plan.Problems, "\n"), "nothing is known yet of the baseline's "+want.Name)
	}
	return got.Candidate.Requests > 0 && got.Baseline.Requests > 0
}

// documentedTarget is a target with metrics of its own, which tells how long its database took.
func documentedTarget(t *testing.T) string {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			n := requests.Load()
			fmt.Fprintf(w, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %v\n", float64(n)/1000)
			fmt.Fprintf(w, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %v\nprocess_open_fds 12\n", 30e6)
			return
		}
		requests.Add(1)
		w.Header().Set("Server-Timing", "db;dur=5.25")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// others is a Prometheus server and a pipeline.
func others(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/api/v1/query":
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"12.5"]}]}}`)
	case "/verdict":
		_, _ = io.WriteString(w, `{"verdict": "pass"}`)
	case "/score":
		_ = json.NewEncoder(w).Encode(map[string]float64{"value": 1.5, "baseline": 1.4})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// visit has customers come, each once, until the test ends.
func visit(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
	})
	ask := func(method, path, user string) {
		req, err := http.NewRequestWithContext(ctx, method, url+path, http.NoBody)
		if err != nil {
			return
		}
		req.Header.Set("X-User-ID", user)
		if res, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	}
	for worker := range 4 {
		wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				user := fmt.Sprint("user", worker, "-", n)
				ask(http.MethodGet, "/cart", user)
				if n%2 == 0 {
					ask(http.MethodPost, "/checkout", user)
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
}
