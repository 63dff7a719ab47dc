package control

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/scrape"
	"github.com/switchback-proxy/switchback/store/memory"
)

// gauge is a Scraper that looks at a model once a second.
type gauge struct {
	mu   sync.Mutex
	of   func(check string, at time.Time) scrape.Reading
	jobs []scrape.Job
	read map[string]time.Time // by check, until when it was
}

func newGauge(of func(check string, at time.Time) scrape.Reading) *gauge {
	return &gauge{of: of, read: map[string]time.Time{}}
}

func (g *gauge) change(of func(check string, at time.Time) scrape.Reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of = of
}

func (g *gauge) Want(jobs []scrape.Job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.jobs = jobs
}

func (g *gauge) wanted() []scrape.Job {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.jobs
}

func (g *gauge) Take(j scrape.Job) []scrape.Reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []scrape.Reading
	for _, c := range j.Checks {
		now := time.Now()
		if now.Sub(g.read[c.Name]) < c.Every {
			continue
		}
		g.read[c.Name] = now
		r := g.of(c.Name, now)
		r.Check, r.At = c.Name, now
		if r.From.IsZero() {
			r.From = now
		}
		all = append(all, r)
	}
	return all
}

// always is a model that does not change.
func always(candidate, baseline float64) func(string, time.Time) scrape.Reading {
	return func(string, time.Time) scrape.Reading {
		return scrape.Reading{Candidate: candidate, Baseline: baseline}
	}
}

func broken(why string) func(string, time.Time) scrape.Reading {
	return func(string, time.Time) scrape.Reading {
		return scrape.Reading{Candidate: math.NaN(), Baseline: math.NaN(), Err: why}
	}
}

// cpuCheck is looked at every second, by these rules.
func cpuCheck(edit ...func(*config.Check)) config.Check {
	c := config.Check{Name: "cpu", Kind: config.KindScrape, MaxRatio: 1.25, Every: time.Second, Scrape: config.Scrape{Metric: "cpu", Per: config.PerRequest}}
	for _, f := range edit {
		f(&c)
	}
	return c
}

// judgedBy is a canary with errors and one more check.
func judgedBy(c config.Check, edit ...func(*config.Rollout)) *config.Config {
	return canary(30*time.Second, append([]func(*config.Rollout){func(r *config.Rollout) {
		r.Checks = append(r.Checks[:1:1], c)
	}}, edit...)...)
}

func with(g *gauge) func(*Options) { return func(o *Options) { o.Scraper = g } }

// check is what readers are told of one.
func (n *node) check(name string) api.Check {
	n.t.Helper()
	for _, c := range n.service().Rollout.Checks {
		if c.Name == name {
			return c
		}
	}
	n.t.Fatalf("there is no check %s", name)
	return api.Check{}
}

func TestValuesRollBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(1, 1))
		n := lead(t, memory.New(), judgedBy(cpuCheck()), newWorld(100), with(g))
		warm()
		n.startRollout()
		rest(20 * time.Second)
		g.change(always(2, 1))
		took := n.until("rolled_back", time.Minute)
		n.want("blue=100")
		s := n.service().Rollout.Sentence
		if took > 30*time.Second || !strings.Contains(s, "cpu of green was worse than allowed in ") || !strings.Contains(s, "(last 2, 1 of blue); allowed is 1.25 times") {
			t.Errorf("after %v: %s", took, s)
		}
		events, err := n.Events(t.Context(), "shop", "")
		if err != nil {
			t.Fatal(err)
		}
		if c := events[len(events)-1].Checks[1]; c.Verdict != "fail" || len(c.Values) != 2 || c.Values[0] != 2 || c.Values[1] != 1 {
			t.Errorf("the decision has %+v", c)
		}
		rest(2 * time.Second)
		if got := g.wanted(); len(got) != 0 {
			t.Errorf("%d jobs are wanted after the end", len(got))
		}
	})
}

// TestValuesThatChangeAlike promotes: both versions take twice as much from the middle on.
func TestValuesThatChangeAlike(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(1.1, 1))
		n := lead(t, memory.New(), judgedBy(cpuCheck()), newWorld(300), with(g))
		warm()
		n.startRollout()
		n.until("stepping 2", 5*time.Minute)
		rest(2 * time.Second)
		if jobs := g.wanted(); len(jobs) != 1 || jobs[0].Step != 2 || jobs[0].Tried.Name != "green" || len(jobs[0].Tried.Targets) != 2 || jobs[0].Baseline.Version != "2.4.0" {
			t.Errorf("wanted %+v", jobs)
		}
		g.change(always(2.2, 2))
		n.until("promoted", 20*time.Minute)
		if story := n.story(); !strings.Contains(story, "; cpu passed too") {
			t.Errorf("nothing is told of cpu:\n%s", story)
		}
	})
}

func TestALimitOnAValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(400, math.NaN()))
		queue := cpuCheck(func(c *config.Check) { c.Name, c.MaxRatio, c.Max = "queue", 0, 500 })
		n := lead(t, memory.New(), judgedBy(queue), newWorld(100), with(g))
		warm()
		n.startRollout()
		rest(20 * time.Second)
		up := 0
		g.change(func(string, time.Time) scrape.Reading { // twice above the limit is not thrice
			up++
			return scrape.Reading{Candidate: []float64{400, 600, 600}[up%3], Baseline: math.NaN()}
		})
		rest(20 * time.Second)
		if got := n.stands(); !strings.HasPrefix(got, "stepping") {
			t.Fatalf("%s after two values in a row above the limit", got)
		}
		g.change(always(612, math.NaN()))
		n.until("rolled_back", 10*time.Second)
		if got, want := n.service().Rollout.Sentence, "rolled back: queue of green was above 500 3 times in a row (last 612); this limit is a rule of its own, outside alpha"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestAVerdictFromOutside: three times fail is a failure, and its word is told.
func TestAVerdictFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(0, math.NaN()))
		smoke := config.Check{Name: "smoke", Kind: config.KindWebhook, Every: time.Second}
		n := lead(t, memory.New(), judgedBy(smoke), newWorld(100), with(g))
		warm()
		n.startRollout()
		rest(20 * time.Second)
		g.change(always(1, math.NaN()))
		n.until("rolled_back", 10*time.Second)
		if s := n.service().Rollout.Sentence; !strings.Contains(s, "smoke said 3 times in a row that green fails") {
			t.Error(s)
		}
	})
}

// TestNoDataFailsNothing: it blocks promotion, is named with the last error and since when, and is over when
// there is data again.
func TestNoDataFailsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(1, 1))
		n := lead(t, memory.New(), judgedBy(cpuCheck()), newWorld(300), with(g))
		warm()
		n.startRollout()
		n.until("stepping 2", 5*time.Minute)
		rest(25 * time.Second) // proven, but the least time is not over
		if c := n.check("cpu"); c.Verdict != "pass" {
			t.Fatalf("cpu is %s", c.Verdict)
		}
		since := time.Now().UTC()
		g.change(broken("green: call http://g1/metrics: dial: connection refused"))
		rest(20 * time.Minute)
		if got := n.stands(); got != "stepping 2 25" {
			t.Fatalf("at %s without data\n%s", got, n.story())
		}
		r := n.service().Rollout
		c := n.check("cpu")
		if !strings.HasPrefix(c.Waiting, "cpu is missing since "+since.Format("15:04")) || !strings.HasSuffix(c.Error, "connection refused") ||
			r.Waiting != c.Waiting || c.Verdict != "missing" || len(c.Values) != 2 || c.MissingSince == nil {
			t.Errorf("waits for %q, told is %+v", r.Waiting, c)
		}
		if n.logged("a check has no data") != 1 {
			t.Errorf("logged %d times, want once", n.logged("a check has no data"))
		}
		g.change(always(1, 1))
		n.until("stepping 3", 10*time.Second)
		if n.logged("a check has data") != 2 { // the first time, too
			t.Errorf("logged %d times", n.logged("a check has data"))
		}
		n.until("promoted", 20*time.Minute)
	})
}

func TestNoDataAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(broken("the query for green found nothing"))
		c := judgedBy(cpuCheck(), func(r *config.Rollout) { r.Deadline, r.Undecided = 5*time.Minute, config.UndecidedLean })
		n := lead(t, memory.New(), c, newWorld(300), with(g))
		warm()
		n.startRollout()
		rest(10 * time.Minute)
		r := n.service().Rollout
		if r.Phase != "stepping" || r.Awaits != "data" || !strings.Contains(r.Sentence, "undecided after 5m: cpu is missing since ") || !strings.Contains(r.Sentence, "found nothing; holding at 5 %") {
			t.Errorf("%s, awaits %q: %s", r.Phase, r.Awaits, r.Sentence)
		}
	})
}

// TestASourceThatFallsSilent hangs instead of failing: what it said long ago is not taken for now.
func TestASourceThatFallsSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(1, 1))
		n := lead(t, memory.New(), judgedBy(cpuCheck(), func(r *config.Rollout) { r.Steps[0].For = 5 * time.Minute }), newWorld(300), with(g))
		warm()
		n.startRollout()
		rest(time.Minute)
		g.mu.Lock()
		g.read["cpu"] = time.Now().Add(time.Hour)
		g.mu.Unlock()
		rest(10 * time.Minute)
		if got := n.stands(); got != "stepping 1 5" {
			t.Errorf("at %s", got)
		}
		if w := n.service().Rollout.Waiting; !strings.Contains(w, "cpu is missing since ") || !strings.Contains(w, "no value came since") {
			t.Errorf("waits for %q", w)
		}
	})
}

func TestObservedChecksAreShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(always(9, 1))
		n := lead(t, memory.New(), judgedBy(cpuCheck(func(c *config.Check) { c.ObserveOnly = true })), newWorld(300), with(g))
		warm()
		n.startRollout()
		n.until("stepping 2", 5*time.Minute)
		rest(2 * time.Second) // nothing is told of a step before the first look at it
		if c := n.check("cpu"); c.Verdict != "fail" || !c.Observed || c.Values[0] != 9 {
			t.Errorf("%+v", c)
		}
		g.change(broken("gone"))
		n.until("promoted", 20*time.Minute)
	})
}

// TestValuesOfBeforeTheStep prove nothing for it: a query looks back a minute.
func TestValuesOfBeforeTheStep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGauge(func(_ string, at time.Time) scrape.Reading {
			return scrape.Reading{From: at.Add(-2 * time.Minute), Candidate: 1, Baseline: 1}
		})
		n := lead(t, memory.New(), judgedBy(cpuCheck()), newWorld(300), with(g))
		warm()
		n.startRollout()
		if took := n.until("stepping 2", 5*time.Minute); took < 2*time.Minute {
			t.Errorf("proven after %v by values that look back two minutes", took)
		}
	})
}

func TestEvidenceOfValuesSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		g := newGauge(always(2, 1))
		c := judgedBy(cpuCheck(func(c *config.Check) { c.Every = 5 * time.Second }))
		n := lead(t, st, c, newWorld(100), with(g))
		warm()
		n.startRollout()
		rest(40 * time.Second) // not enough yet
		n.stop()
		n = lead(t, st, c, newWorld(100), with(g))
		if took := n.until("rolled_back", time.Minute); took > 35*time.Second {
			t.Errorf("after a restart it took %v more, as if nothing had been seen before", took)
		}
	})
}

func TestServerTimingRollsBack(t *testing.T) {
	db := config.Check{Name: "db", Kind: config.KindServerTiming, ServerTiming: "db", Quantile: 0.95, MaxRatio: 1.3}
	slower := func(b *behavior) { b.db *= 2 }
	for name, alike := range map[string]bool{"candidate": false, "both": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(300)
				w.change("blue", func(b *behavior) { b.db = 5 * time.Millisecond })
				w.change("green", func(b *behavior) { b.db = 5 * time.Millisecond })
				n := lead(t, memory.New(), judgedBy(db), w)
				warm()
				n.startRollout()
				rest(45 * time.Second)
				w.change("green", slower)
				if alike {
					w.change("blue", slower)
					n.until("promoted", 20*time.Minute)
					return
				}
				n.until("rolled_back", 30*time.Second)
				if s := n.service().Rollout.Sentence; !strings.Contains(s, "green took longer than 1.3 times blue's p95 of db (") {
					t.Error(s)
				}
			})
		})
	}
}

func TestMissingServerTimingHoldsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(300)
		w.change("blue", func(b *behavior) { b.db = 5 * time.Millisecond })
		n := lead(t, memory.New(), judgedBy(config.Check{Name: "db", Kind: config.KindServerTiming, ServerTiming: "db", Quantile: 0.95, MaxRatio: 1.3}), w)
		warm()
		n.startRollout()
		rest(10 * time.Minute)
		if got := n.stands(); got != "stepping 1 5" {
			t.Errorf("at %s, although green tells nothing of its database", got)
		}
		if w := n.service().Rollout.Waiting; !strings.Contains(w, "db") {
			t.Errorf("waits for %q", w)
		}
	})
}

func TestConversion(t *testing.T) {
	sticky := func(c *config.Config) *config.Config {
		c.Services[0].Sticky.Key = []config.StickyKey{{Header: "X-User"}}
		return files(c.Services...)
	}
	check := config.Check{Name: "conversion", Kind: config.KindRatio, MaxDecrease: 0.05, Within: 20 * time.Second}
	worse := func(b *behavior) { b.converts = 0.15 }
	for name, test := range map[string]struct {
		edit  func(*config.Config) *config.Config
		alike bool
	}{
		"with a key":          {sticky, false},
		"with a key, both":    {sticky, true},
		"without a key":       {func(c *config.Config) *config.Config { return c }, false},
		"without a key, both": {func(c *config.Config) *config.Config { return c }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(300)
				for _, p := range []string{"blue", "green"} {
					w.change(p, func(b *behavior) { b.converts = 0.4 })
				}
				n := lead(t, memory.New(), test.edit(judgedBy(check)), w)
				warm()
				n.startRollout()
				rest(20 * time.Second)
				w.change("green", worse)
				if test.alike {
					w.change("blue", worse)
					n.until("promoted", 25*time.Minute)
					return
				}
				took := n.until("rolled_back", 2*time.Minute)
				s := n.service().Rollout.Sentence
				t.Logf("%v: %s", took, s)
				if !strings.Contains(s, "green had conversion in ") || !strings.Contains(s, "allowed is -5 points") {
					t.Error(s)
				}
			})
		})
	}
}
