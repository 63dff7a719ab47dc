//go:build e2e

package e2e

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// trial is a site in front of two versions that can be told to misbehave, and the load on it.
type trial struct {
	*site
	blue, green *version
	load        *demo.Load
}

// newTrial prepares one with the rollout and more YAML of the service, each line indented by four; nothing
// of switchback runs yet.
func newTrial(t *testing.T, rollout string) *trial {
	t.Helper()
	r := &trial{blue: newVersion(t, "blue"), green: newVersion(t, "green")}
	r.site = newSiteOf(t, map[string][]string{"blue": r.blue.urls, "green": r.green.urls})
	r.more = rollout
	r.save(t, r.yaml(100))
	return r
}

// flow sends so many requests a second from now to the end of the test, or until the returned function is
// called.
func (r *trial) flow(t *testing.T, rate int) (stop func()) {
	t.Helper()
	load, err := demo.NewLoad(demo.LoadOptions{
		URL: "http://" + r.listen + "/", Rate: rate, Clients: 400, Users: 20_000,
		Pools: map[string]string{"blue": "blue", "green": "green"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.load = load
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		load.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// begin starts the rollout by hand and returns when it had begun.
func (r *trial) begin(t *testing.T) time.Time {
	t.Helper()
	at := time.Now()
	if _, err := r.api.StartRollout(t.Context(), "web", api.StartRequest{To: "green", Reason: "test"}); err != nil {
		t.Fatalf("start the rollout: %v", err)
	}
	return at
}

// rollout is the running or the last rollout.
func (r *trial) rollout(t *testing.T) api.Rollout {
	t.Helper()
	got, err := r.api.Rollout(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// until waits until the rollout is as wanted and returns it.
func (r *trial) until(t *testing.T, limit time.Duration, what string, ok func(api.Rollout) bool) api.Rollout {
	t.Helper()
	var last api.Rollout
	defer func() {
		if t.Failed() {
			t.Logf("the rollout in the end: %+v", last)
		}
	}()
	binary.Within(t, limit, what, func() bool {
		got, err := r.api.Rollout(t.Context(), "web")
		if err == nil {
			last = got
		}
		return err == nil && ok(got)
	})
	return last
}

// observed waits until the step has been watched for some time.
func (r *trial) observed(t *testing.T, least time.Duration) {
	t.Helper()
	r.until(t, 3*least+20*time.Second, "the step is watched for "+least.String(), func(got api.Rollout) bool {
		return got.Running() && duration(t, got.Observed) >= least
	})
}

// events are those of the service, oldest first.
func (r *trial) events(t *testing.T) []api.Event {
	t.Helper()
	page, err := r.api.Events(t.Context(), api.EventsQuery{Service: "web", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

// last is the newest decision.
func (r *trial) last(t *testing.T) api.Event {
	t.Helper()
	return decided(t, r.events(t))
}

// decided is the newest decision among events. What was seen of targets may come after it.
func decided(t *testing.T, events []api.Event) api.Event {
	t.Helper()
	for _, e := range slices.Backward(events) {
		if strings.HasPrefix(e.Type, "rollout.") || strings.HasPrefix(e.Type, "traffic.") {
			return e
		}
	}
	t.Fatalf("nothing was decided: %+v", events)
	return api.Event{}
}

// count is a counter of /metrics, 0 when there is none.
func (r *trial) count(t *testing.T, name string) int64 {
	t.Helper()
	text := r.metric(t, name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%s is %q", name, text)
	}
	return int64(n)
}

// judged is how many requests of a pool the judge has looked at.
func (r *trial) judged(t *testing.T, pool string) int64 {
	t.Helper()
	return r.count(t, `switchback_judged_total{pool="`+pool+`",service="web"}`)
}

// spared sends traffic for a moment and fails the test when green answers any of it, or when a request fails.
func (r *trial) spared(t *testing.T) {
	t.Helper()
	r.load.Take()
	binary.Until(t, "no request from before is left", func() bool {
		<-time.After(500 * time.Millisecond)
		w := r.load.Take()
		return w.Total.Requests > 0 && w.Total.Failed == 0 && w.Pools["green"].Requests == 0
	})
	var w demo.Window
	binary.Until(t, "traffic flows", func() bool { w.Add(r.load.Take()); return w.Total.Requests >= 500 })
	if n := w.Pools["green"].Requests; n > 0 || w.Total.Failed > 0 {
		t.Errorf("of %d requests green answered %d, and %d failed", w.Total.Requests, n, w.Total.Failed)
	}
}

// check is the numbers of a check in a list.
func check(t *testing.T, list []api.Check, name string) api.Check {
	t.Helper()
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no numbers of the check %q in %+v", name, list)
	return api.Check{}
}

// says fails the test unless the sentence has each of the numbers, written as people read them.
func says(t *testing.T, sentence string, numbers ...int64) {
	t.Helper()
	for _, n := range numbers {
		if !strings.Contains(sentence, grouped(n)) {
			t.Errorf("%s is not in the sentence %q", grouped(n), sentence)
		}
	}
}

// grouped writes 6175 as 6,175.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
