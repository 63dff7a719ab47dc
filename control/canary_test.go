package control

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store"
)

// canary is a file with a rollout of green over blue. Each step lasts at least for.
func canary(each time.Duration, edit ...func(*config.Rollout)) *config.Config {
	r := &config.Rollout{
		Start: config.StartManual, Deadline: 30 * time.Minute, Undecided: config.UndecidedHold,
		OnFail: config.FailRollback, Alpha: 0.01, Beta: 0.05,
		Checks: []config.Check{
			{Name: config.CheckErrors, MaxRatio: 1, MaxIncrease: 0.002},
			{Name: config.CheckP50, Quantile: 0.5, MaxRatio: 1.2},
			{Name: config.CheckP95, Quantile: 0.95, MaxRatio: 1.2},
			{Name: config.CheckP99, Quantile: 0.99, MaxRatio: 1.2},
		},
	}
	for _, w := range []config.Weight{500, 2500, 5000, config.Full} {
		r.Steps = append(r.Steps, config.Step{Weight: w, For: each})
	}
	for _, f := range edit {
		f(r)
	}
	s := service("shop", config.All("blue"), "blue@2.4.0 b1 b2", "green@2.5.0 g1 g2")
	s.Rollout = r
	return files(s)
}

// electing is a store whose nodes elect one.
type electing interface {
	store.Store
	store.Elector
}

// lead starts a node that may lead, with traffic of its own.
func lead(t testing.TB, st electing, c *config.Config, w *world, edit ...func(*Options)) *node {
	t.Helper()
	o := Options{Config: c, Store: st, Elector: st, Sampler: newTraffic(w, 7), Node: "a"}
	for _, f := range edit {
		f(&o)
	}
	return startWith(t, o)
}

// warm lets the leader learn how the baseline behaves.
func warm() { rest(90 * time.Second) }

// rest lets time pass and everything be done that was due by its end: a bare Sleep may return while the
// loop is still at what falls due at the same instant.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (n *node) startRollout() api.Change {
	n.t.Helper()
	c, err := n.StartRollout(n.t.Context(), "shop", api.StartRequest{Reason: "release"}, api.Call{By: "ci"})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// stands is where the rollout stands: "stepping 2 25".
func (n *node) stands() string {
	n.t.Helper()
	r := n.service().Rollout
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("%s %d %v", r.Phase, r.Step, r.Weight)
}

// until waits for a state of the rollout and returns how long that took.
func (n *node) until(want string, most time.Duration) time.Duration {
	n.t.Helper()
	began := time.Now()
	for !strings.HasPrefix(n.stands(), want) {
		if time.Since(began) > most {
			n.t.Fatalf("after %v the rollout is at %s, want %s\n%s", most, n.stands(), want, n.story())
		}
		time.Sleep(max(time.Second/4, most/1000))
	}
	return time.Since(began)
}

// story is what was decided.
func (n *node) story() string {
	events, err := n.Events(n.t.Context(), "shop", "")
	if err != nil {
		n.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.At.Format("15:04:05"), e.Type, e.By, e.Sentence)
	}
	if r := n.service().Rollout; r != nil {
		fmt.Fprintf(&b, "waiting %q observed %s checks %+v\n", r.Waiting, r.Observed, r.Checks)
	}
	return b.String()
}

// types is the types of all decisions.
func (n *node) types() string {
	n.t.Helper()
	events, err := n.Events(n.t.Context(), "shop", "")
	if err != nil {
		n.t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		all = append(all, e.Type)
	}
	return strings.Join(all, " ")
}

// counter remembers what was counted.
type counter struct {
	mu        sync.Mutex
	requests  map[string]int64
	decisions map[string]int
	verdicts  map[string]int
}

func (c *counter) Judged(_, pool string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = map[string]int64{}
	}
	c.requests[pool] += int64(n)
}

func (c *counter) Verdict(_, check, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdicts == nil {
		c.verdicts = map[string]int{}
	}
	c.verdicts[check+" "+outcome]++
}

func (c *counter) Decision(_, action string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decisions == nil {
		c.decisions = map[string]int{}
	}
	c.decisions[action]++
}

func (c *counter) judged(pool string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[pool]
}

func (c *counter) decided(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decisions[action]
}
