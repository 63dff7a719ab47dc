//go:build e2e

package e2e

import (
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// metricsExample is examples/canary-metrics with free ports.
type metricsExample struct {
	dir, shop string
	addrs     map[string]string
	api       *api.Client
	readme    string
}

// addr is where the test has what the example has at a port.
func (e *metricsExample) addr(port string) string { return e.addrs["127.0.0.1:"+port] }

func (e *metricsExample) moved(text string) string {
	for _, from := range slices.Sorted(maps.Keys(e.addrs)) {
		text = strings.ReplaceAll(text, from, e.addrs[from])
	}
	return text
}

// copy puts a file of the example into the test's folder, with the test's addresses.
func (e *metricsExample) copy(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../examples/canary-metrics", name))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(e.dir, name)
	if err := os.WriteFile(to, []byte(e.moved(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start begins a command of the README, with the built programs and the test's files and addresses.
func (e *metricsExample) start(t *testing.T, command string) *binary.Process {
	t.Helper()
	plain, _, _ := strings.Cut(command, " --fault ")
	if !strings.Contains(e.readme, plain) {
		t.Errorf("the README does not say %q", plain)
	}
	args := strings.Fields(e.moved(strings.NewReplacer(
		"examples/canary-metrics/", e.dir+"/", "/tmp/canary-metrics", filepath.Join(e.dir, "tsdb")).Replace(command)))
	switch args[0] {
	case "shop":
		args[0] = e.shop
	case "switchback":
		args[0] = program
	default:
		path, err := exec.LookPath(args[0])
		if err != nil {
			t.Fatalf("%s is needed, make e2e installs it: %v", args[0], err)
		}
		args[0] = path
	}
	return binary.Start(t, e.dir, args[0], args[1:]...)
}

func openMetricsExample(t *testing.T) *metricsExample {
	t.Helper()
	e := &metricsExample{dir: t.TempDir(), addrs: map[string]string{}}
	for _, port := range []string{"8080", "8081", "8083", "8095", "9090", "9900"} {
		e.addrs["127.0.0.1:"+port] = binary.Addr(t)
	}
	var err error
	if e.shop, err = binary.Build(e.dir, "../examples/canary-metrics", "./shop"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../examples/canary-metrics/README.md")
	if err != nil {
		t.Fatal(err)
	}
	e.readme = string(text)
	e.copy(t, "switchback.yaml")
	e.copy(t, "prometheus.yml")
	e.start(t, "shop --addr 127.0.0.1:8081 --version 2.4.0")
	e.start(t, "shop acceptance --addr 127.0.0.1:8095")
	e.start(t, "switchback serve -c examples/canary-metrics/switchback.yaml")
	binary.Until(t, "switchback is ready", func() bool { return status("http://"+e.addr("9900")+"/readyz") == http.StatusOK })
	e.start(t, "shop customers --url http://127.0.0.1:8080 --rate 60")
	if e.api, err = api.NewClient("http://"+e.addr("9900"), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.api.Close)
	return e
}

const prometheusCommand = "prometheus --config.file=examples/canary-metrics/prometheus.yml --web.listen-address=127.0.0.1:9090 --storage.tsdb.path=/tmp/canary-metrics"

// prometheus starts the server and waits until it has seen both the shop and switchback.
func (e *metricsExample) prometheus(t *testing.T) {
	t.Helper()
	e.start(t, prometheusCommand)
	binary.Within(t, time.Minute, "Prometheus has scraped switchback", func() bool {
		res, err := oneShot().Get("http://" + e.addr("9090") + "/api/v1/query?query=switchback_build_info")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return err == nil && strings.Contains(string(text), `"job":"switchback"`)
	})
}

// deploy starts a version of green and its rollout, and returns when that began.
func (e *metricsExample) deploy(t *testing.T, fault string) (*binary.Process, time.Time) {
	t.Helper()
	command := "shop --addr 127.0.0.1:8083 --version 2.5.0"
	if fault != "" {
		command += " --fault " + fault
	}
	p := e.start(t, command)
	binary.Until(t, "green is up", func() bool {
		v, err := e.api.Service(t.Context(), "shop")
		return err == nil && v.Pools["green"].Up == 1
	})
	at := time.Now()
	if _, err := e.api.StartRollout(t.Context(), "shop", api.StartRequest{Reason: "release 2.5.0"}); err != nil {
		t.Fatal(err)
	}
	return p, at
}

func (e *metricsExample) rollout(t *testing.T) api.Rollout {
	t.Helper()
	r, err := e.api.Rollout(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ended waits for the end of the rollout and returns the decision that ended it.
func (e *metricsExample) ended(t *testing.T) api.Event {
	t.Helper()
	binary.Within(t, 4*time.Minute, "the rollout ends", func() bool {
		r, err := e.api.Rollout(t.Context(), "shop")
		return err == nil && !r.Running()
	})
	page, err := e.api.Events(t.Context(), api.EventsQuery{Service: "shop", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return decided(t, page.Events)
}

// TestCanaryMetrics has each kind of check catch its own regression over real sockets, with a real database
// and a real Prometheus, and none of them go off when both versions change alike.
func TestCanaryMetrics(t *testing.T) {
	t.Parallel()
	e := openMetricsExample(t)
	e.prometheus(t)
	for _, test := range []struct{ fault, check, says string }{
		{"cpu", "cpu", "cpu of green was worse than allowed in "},
		{"leak", "memory", "memory of green was worse than allowed in "},
		{"db", "db", "green took longer than 1.5 times blue's p95 of db ("},
		{"checkout", "conversion", "green had conversion in "},
		{"mails", "mails", "mails of green was above 50 3 times in a row (last "},
		{"receipt", "receipts", "receipts said 3 times in a row that green fails"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			if !strings.Contains(e.readme, "`"+test.fault+"`") || !strings.Contains(e.readme, test.says) {
				t.Errorf("the README does not say what happens with %s: %q", test.fault, test.says)
			}
			green, began := e.deploy(t, test.fault)
			last := e.ended(t)
			took := time.Since(began)
			green.Kill()
			seen := check(t, last.Checks, "errors").Candidate.Requests
			t.Logf("%s: %v and %d requests on green: %s", test.fault, took.Round(time.Second), seen, last.Sentence)
			if last.Type != api.EventRolledBack || !strings.Contains(last.Sentence, test.says) || last.Reason != test.check+" failed" {
				t.Errorf("%s, because %s: %s\n%+v", last.Type, last.Reason, last.Sentence, last.Checks)
			}
			if bad := check(t, last.Checks, "errors"); bad.Candidate.Bad > 0 {
				t.Errorf("%d requests failed, none should", bad.Candidate.Bad)
			}
			binary.Until(t, "green is down", func() bool {
				v, err := e.api.Service(t.Context(), "shop")
				return err == nil && v.Pools["green"].Up == 0
			})
		})
	}
	t.Run("alike", func(t *testing.T) {
		_, began := e.deploy(t, "")
		<-time.After(4 * time.Second) // the trouble begins in the middle of the step
		for _, port := range []string{"8081", "8083"} {
			e.change(t, port, "cpu,leak,db,checkout")
		}
		last := e.ended(t)
		t.Logf("alike: %v: %s", time.Since(began).Round(time.Second), last.Sentence)
		if last.Type != api.EventPromoted {
			t.Errorf("%s: %s", last.Type, last.Sentence)
		}
		for _, c := range last.Checks {
			t.Logf("%+v", c)
		}
	})
}

// TestCanaryMetricsWithoutPrometheus: a check without data holds up and is named, and the rollout goes on as
// soon as there is data.
func TestCanaryMetricsWithoutPrometheus(t *testing.T) {
	t.Parallel()
	e := openMetricsExample(t)
	_, began := e.deploy(t, "")
	var waiting string
	binary.Within(t, 4*time.Minute, "all else is proven", func() bool {
		r := e.rollout(t)
		waiting = r.Waiting
		for _, c := range r.Checks {
			if c.Verdict != "pass" && c.Name != "mails" && !c.Observed {
				return false
			}
		}
		return time.Since(began) > 15*time.Second && len(r.Checks) > 0
	})
	if r := e.rollout(t); r.Phase != api.PhaseStepping || r.Step != 1 {
		t.Fatalf("%s, step %d, without data", r.Phase, r.Step)
	}
	if !strings.HasPrefix(waiting, "mails is missing since ") || !strings.HasSuffix(waiting, "connection refused") {
		t.Errorf("waits for %q", waiting)
	}
	if c := check(t, e.rollout(t).Checks, "mails"); c.Verdict != "missing" || c.MissingSince == nil || c.Error == "" {
		t.Errorf("told is %+v", c)
	}
	e.prometheus(t)
	if last := e.ended(t); last.Type != api.EventPromoted {
		t.Errorf("%s: %s", last.Type, last.Sentence)
	}
}

// oneShot is a client that keeps no connection.
func oneShot() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// change sets the faults of a running version.
func (e *metricsExample) change(t *testing.T, port, faults string) {
	t.Helper()
	if line := "curl -s -X PUT -d " + faults + " http://127.0.0.1:" + port + "/faults"; !strings.Contains(e.readme, line) {
		t.Errorf("the README does not say %q", line)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+e.addr(port)+"/faults", strings.NewReader(faults))
	if err != nil {
		t.Fatal(err)
	}
	res, err := oneShot().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("the faults of %s: %s", port, res.Status)
	}
}
