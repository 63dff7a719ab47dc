package control

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
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
func warm() { time.Sleep(90 * time.Second) }

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

func TestHealthyHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(30)
		c := canary(15 * time.Minute)
		a := lead(t, st, c, w)
		b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(w, 8) })
		warm()
		b.startRollout()
		began := time.Now()
		a.until("promoted", 62*time.Minute)
		if took := time.Since(began); took < 60*time.Minute {
			t.Errorf("promoted after %v, each of four steps takes 15m", took)
		}
		time.Sleep(time.Second)
		a.want("green=100")
		b.want("green=100")
		if a.Leads() == b.Leads() {
			t.Error("not exactly one node leads")
		}
		for _, e := range []string{a.story(), b.story()} {
			if !strings.Contains(e, "promoted to 25 %: in ") || !strings.Contains(e, "is ruled out at 95 %") {
				t.Errorf("no proof is told:\n%s", e)
			}
		}
		if list, _, err := st.List(t.Context(), samplePrefix); err != nil || len(list) != 1 {
			t.Errorf("%d nodes handed over what they counted, %v; want the one that does not lead", len(list), err)
		}
		a.checkSwaps()
		b.checkSwaps()
	})
}

func TestBadCandidates(t *testing.T) {
	tests := []struct {
		name   string
		rate   float64
		change func(b *behavior)
		within time.Duration
		says   string
	}{
		{"outage", 500, func(b *behavior) { b.fails = 1 }, 5 * time.Second, "green failed"},
		{"5 points", 500, func(b *behavior) { b.fails = 0.051 }, 10 * time.Second, "green failed"},
		{"hang", 500, func(b *behavior) { b.hangs = true }, 10 * time.Second, "green took longer than"},
		{"twice as slow", 500, func(b *behavior) { b.median *= 2 }, 15 * time.Second, "green took longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(test.rate)
				n := lead(t, memory.New(), canary(time.Minute), w)
				warm()
				n.startRollout()
				time.Sleep(40 * time.Second) // latency is judged after a warm-up
				w.change("green", test.change)
				n.until("rolled_back", test.within)
				n.want("blue=100")
				s := n.service()
				if s.Failed != "2.5.0" || !strings.Contains(s.Rollout.Sentence, test.says) || !strings.HasPrefix(s.Rollout.Sentence, "rolled back: since ") {
					t.Errorf("failed %q: %s", s.Failed, s.Rollout.Sentence)
				}
				time.Sleep(10 * time.Minute)
				n.want("blue=100")
				n.checkSwaps()
			})
		})
	}
}

// TestSentenceAddsUp compares the numbers behind a decision with what was handed over.
func TestSentenceAddsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(200)
		count := &counter{}
		n := lead(t, memory.New(), canary(time.Minute), w, func(o *Options) { o.Count = count })
		warm()
		started := n.startRollout()
		time.Sleep(20 * time.Second)
		w.change("green", func(b *behavior) { b.fails = 0.3 })
		n.until("rolled_back", 30*time.Second)
		tr := n.o.Sampler.(*traffic)
		events, err := n.Events(t.Context(), "shop", "")
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		tr.mu.Lock()
		defer tr.mu.Unlock()
		var blue, green counts
		for key, c := range tr.taken {
			if key.revision < started.Revision {
				continue
			}
			if key.pool == "blue" {
				blue.requests, blue.failed = blue.requests+c.requests, blue.failed+c.failed
			} else {
				green.requests, green.failed = green.requests+c.requests, green.failed+c.failed
			}
		}
		check := last.Checks[0]
		if check.Candidate != (api.Counts{Requests: green.requests, Bad: green.failed}) || check.Baseline != (api.Counts{Requests: blue.requests, Bad: blue.failed}) {
			t.Errorf("decided with %+v, counted were green %+v and blue %+v", check, green, blue)
		}
		if said := fmt.Sprintf("green failed %d of %d requests", green.failed, green.requests); !strings.Contains(last.Sentence, said) {
			t.Errorf("%q does not say %q", last.Sentence, said)
		}
		if got := count.judged("green"); got != green.requests {
			t.Errorf("%d requests of green are said to be judged, %d were", got, green.requests)
		}
		if count.decided("rollout.rolled_back") != 1 {
			t.Error("the decision was not counted once")
		}
	})
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

func TestSharedTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(200)
		n := lead(t, memory.New(), canary(time.Minute), w)
		warm()
		n.startRollout()
		time.Sleep(30 * time.Second)
		both := func(share float64) {
			for _, pool := range []string{"blue", "green"} {
				w.change(pool, func(b *behavior) { b.fails = share })
			}
		}
		both(0.3)
		time.Sleep(20 * time.Second)
		if r := n.service().Rollout; !strings.Contains(r.Waiting, "not the fault of green") {
			t.Errorf("waiting: %s", r.Waiting)
		}
		time.Sleep(40 * time.Second)
		if got := n.stands(); got != "stepping 1 5" {
			t.Errorf("both pools fail, the rollout is at %s\n%s", got, n.story())
		}
		both(0.001)
		n.until("promoted", 25*time.Minute)
	})
}

func TestNoTraffic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute), newWorld(0))
		warm()
		n.startRollout()
		time.Sleep(29 * time.Minute)
		if got := n.types(); got != "traffic.weights rollout.started" {
			t.Fatalf("decided before the deadline: %s", got)
		}
		time.Sleep(90 * time.Second)
		if got := n.types(); got != "traffic.weights rollout.started rollout.undecided" {
			t.Fatalf("decided at the deadline: %s", got)
		}
		r := n.service().Rollout
		if n.stands() != "stepping 1 5" || r.Awaits != api.AwaitsData || !strings.Contains(r.Waiting, "nothing to judge") {
			t.Errorf("%s awaits %q: %q", n.stands(), r.Awaits, r.Waiting)
		}
		time.Sleep(time.Hour)
		n.want("blue=95 green=5")
	})
}

func TestFileDuringRollout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute), newWorld(100))
		warm()
		n.startRollout()
		time.Sleep(10 * time.Second)

		gone := canary(time.Minute)
		gone.Services[0].Pools = gone.Services[0].Pools[:1]
		_, err := n.Apply(t.Context(), files(gone.Services...))
		if p := refused(t, err, api.TypeUnexpectedLivePool); !strings.Contains(p.Detail, "green carries 5 %") {
			t.Errorf("a file without the candidate: %s", p.Detail)
		}
		if got := n.stands(); got != "stepping 1 5" {
			t.Fatalf("after a refused file the rollout is at %s", got)
		}

		edited := canary(time.Minute)
		edited.Services[0].Weights = config.Weights{"blue": 9000, "green": 1000}
		n.apply(files(edited.Services...))
		if got := n.stands(); !strings.HasPrefix(got, "superseded") {
			t.Errorf("after an edit of weights the rollout is at %s", got)
		}
		time.Sleep(10 * time.Minute)
		n.want("blue=90 green=10")
	})
}

func TestStoreAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(200)
		n := lead(t, st, canary(time.Minute), w)
		warm()
		n.startRollout()
		time.Sleep(30 * time.Second)
		n.swapper.loosen()
		before := n.service().Rollout.Observed
		st.Fail(errors.New("no space left"))
		time.Sleep(time.Minute)
		if got := n.stands(); got != "stepping 1 5" {
			t.Errorf("without the store the rollout went to %s", got)
		}
		was, _ := time.ParseDuration(before)
		is, _ := time.ParseDuration(n.service().Rollout.Observed)
		if is > was {
			t.Errorf("observed went from %v to %v without the store", was, is)
		}

		w.change("green", func(b *behavior) { b.fails = 0.5 })
		n.until("rolled_back", 10*time.Second)
		n.want("blue=100")
		if n.service().Durable {
			t.Error("a rollback that the store refused is called durable")
		}
		st.Fail(nil)
		time.Sleep(2 * time.Second)
		if !n.service().Durable {
			t.Error("the store is back and does not have the rollback")
		}
		n.stop()
		again := lead(t, st, canary(time.Minute), w)
		if got := again.stands(); !strings.HasPrefix(got, "rolled_back 1") {
			t.Errorf("after a restart the rollout is at %s", got)
		}
	})
}

func TestStoreAwayGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := lead(t, st, canary(time.Minute), newWorld(300))
		warm()
		n.startRollout()
		time.Sleep(30 * time.Second)
		st.Fail(errors.New("away"))
		time.Sleep(time.Minute)
		st.Fail(nil)
		took := n.until("promoted", 10*time.Minute)
		if took < 3*time.Minute+25*time.Second {
			t.Errorf("promoted %v after the store came back: the minute without it counted", took)
		}
	})
}

func TestTwoStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(50)
		c := canary(time.Minute)
		a := lead(t, st, c, w)
		b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(w, 8) })
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, n := range []*node{a, b} {
			wg.Go(func() {
				_, errs[i] = n.StartRollout(t.Context(), "shop", api.StartRequest{}, api.Call{By: fmt.Sprint("ci ", i)})
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("of two starts at once: %v and %v", errs[0], errs[1])
		}
		refused(t, errors.Join(errs...), api.TypeRolloutInProgress)
		time.Sleep(time.Second)
		if a.stands() != "stepping 1 5" || b.stands() != "stepping 1 5" {
			t.Errorf("a is at %s, b at %s", a.stands(), b.stands())
		}
	})
}

// TestCommandRacesVerdict has a person promote and roll back a candidate that the judge is about to roll
// back. Whoever comes first, it is rolled back in the end, and once.
func TestCommandRacesVerdict(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second, 2 * time.Second, 2500 * time.Millisecond, 3 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(500)
				st := memory.New()
				c := canary(time.Minute)
				a := lead(t, st, c, w)
				b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(w, 8) })
				warm()
				a.startRollout()
				time.Sleep(10 * time.Second)
				w.change("green", func(b *behavior) { b.fails = 0.9 })
				time.Sleep(delay)
				_, promoted := b.Promote(t.Context(), "shop", api.PromoteRequest{}, api.Call{By: "ann"})
				_, rolledBack := b.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ben"})
				if rolledBack != nil {
					t.Errorf("rollback: %v", rolledBack)
				}
				if promoted != nil {
					refused(t, promoted, api.TypeInvalid) // the judge was first
				}
				time.Sleep(10 * time.Second)
				for _, n := range []*node{a, b} {
					n.want("blue=100")
					if got := strings.Count(n.types(), "rollout.rolled_back"); got != 1 {
						t.Errorf("rolled back %d times:\n%s", got, n.story())
					}
				}
			})
		})
	}
}

func TestLeaderLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(150)
		c := canary(2 * time.Minute)
		a := lead(t, st, c, w)
		time.Sleep(time.Second)
		b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(w, 8) })
		warm()
		a.startRollout()
		a.until("stepping 2", 3*time.Minute)
		time.Sleep(time.Minute)
		if !a.Leads() || b.Leads() {
			t.Fatal("a does not lead alone")
		}
		first := st
		a.stop()
		time.Sleep(2 * time.Second)
		if !b.Leads() {
			t.Fatal("a is gone and b does not lead")
		}
		if got := b.stands(); got != "stepping 2 25" {
			t.Errorf("the new leader is at %s", got)
		}
		observed, _ := time.ParseDuration(b.service().Rollout.Observed)
		if observed < 50*time.Second || observed > 65*time.Second {
			t.Errorf("the new leader goes on at %v of the step, the old one was at about a minute", observed)
		}
		b.until("stepping 3", 90*time.Second)
		b.until("promoted", 6*time.Minute)
		_ = first
	})
}

func TestDeposedLeaderHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := lead(t, st, canary(time.Minute), newWorld(100))
		time.Sleep(2 * time.Second)
		st.Depose()
		time.Sleep(2 * time.Second)
		if !n.Leads() {
			t.Error("the only node does not lead again")
		}
		if n.logged("leading") != 2 {
			t.Errorf("it led %d times, want 2", n.logged("leading"))
		}
	})
}

func TestClockJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				offset := time.Duration(0)
				now := func() time.Time {
					mu.Lock()
					defer mu.Unlock()
					return time.Now().Add(offset)
				}
				n := lead(t, memory.New(), canary(5*time.Minute), newWorld(200), func(o *Options) { o.Now = now })
				warm()
				n.startRollout()
				time.Sleep(time.Minute)
				mu.Lock()
				offset = jump
				mu.Unlock()
				time.Sleep(10 * time.Second)
				observed, _ := time.ParseDuration(n.service().Rollout.Observed)
				if n.stands() != "stepping 1 5" || observed > 75*time.Second {
					t.Errorf("a clock that jumped by %v: %s, observed %v", jump, n.stands(), observed)
				}
			})
		})
	}
}

func TestRestartInRollout(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		w := newWorld(200)
		c := canary(2 * time.Minute)
		m.with = func(o *Options) {
			o.Sampler = newTraffic(w, 7)
			o.Elector = o.Store.(store.Elector)
		}
		m.boot(c)
		warm()
		m.startRollout()
		m.until("stepping 2", 3*time.Minute)
		time.Sleep(100 * time.Second)
		before := m.service().Rollout
		m.boot(c)
		m.want("blue=75 green=25")
		time.Sleep(1500 * time.Millisecond)
		after := m.service().Rollout
		was, _ := time.ParseDuration(before.Observed)
		is, _ := time.ParseDuration(after.Observed)
		if after.Step != 2 || is < was-6*time.Second || is > was+2*time.Second {
			t.Errorf("before the restart step %d at %v, after it step %d at %v", before.Step, was, after.Step, is)
		}
		if len(after.Checks) == 0 || after.Checks[0].Candidate.Requests < before.Checks[0].Candidate.Requests*9/10 {
			t.Errorf("the evidence went from %+v to %+v", before.Checks, after.Checks)
		}

		w.set(func(w *world) { w.rate = 0 }) // what was proven before promotes nothing without a new window
		m.boot(c)
		time.Sleep(5 * time.Minute)
		if got := m.stands(); got != "stepping 2 25" {
			t.Errorf("without a new window the rollout went to %s\n%s", got, m.story())
		}
		w.set(func(w *world) { w.rate = 200 })
		m.until("stepping 3", 10*time.Second)
	})
}

func TestUnreadableEvidence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(200)
		c := canary(2 * time.Minute)
		n := lead(t, st, c, w)
		warm()
		n.startRollout()
		time.Sleep(100 * time.Second)
		n.stop()
		e, err := st.Get(t.Context(), evidencePrefix+"shop")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Put(t.Context(), e.Key, []byte("{"), e.Revision); err != nil {
			t.Fatal(err)
		}
		n = lead(t, st, c, w)
		if took := n.until("stepping 2", 4*time.Minute); took < 2*time.Minute {
			t.Errorf("promoted %v after the evidence was lost, the step takes 2m", took)
		}
		if n.logged("evidence unreadable, gathered anew") != 1 {
			t.Error("nobody was warned")
		}
	})
}
