package control

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

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
		rest(time.Second)
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
				rest(40 * time.Second) // latency is judged after a warm-up
				w.change("green", test.change)
				n.until("rolled_back", test.within)
				n.want("blue=100")
				s := n.service()
				if s.Failed != "2.5.0" || !strings.Contains(s.Rollout.Sentence, test.says) || !strings.HasPrefix(s.Rollout.Sentence, "rolled back: since ") {
					t.Errorf("failed %q: %s", s.Failed, s.Rollout.Sentence)
				}
				rest(10 * time.Minute)
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
		rest(20 * time.Second)
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

func TestSharedTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(200)
		n := lead(t, memory.New(), canary(time.Minute), w)
		warm()
		n.startRollout()
		rest(30 * time.Second)
		both := func(share float64) {
			for _, pool := range []string{"blue", "green"} {
				w.change(pool, func(b *behavior) { b.fails = share })
			}
		}
		both(0.3)
		rest(20 * time.Second)
		if r := n.service().Rollout; !strings.Contains(r.Waiting, "not the fault of green") {
			t.Errorf("waiting: %s", r.Waiting)
		}
		rest(40 * time.Second)
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
		rest(29 * time.Minute)
		if got := n.types(); got != "traffic.weights rollout.started" {
			t.Fatalf("decided before the deadline: %s", got)
		}
		rest(90 * time.Second)
		if got := n.types(); got != "traffic.weights rollout.started rollout.undecided" {
			t.Fatalf("decided at the deadline: %s", got)
		}
		r := n.service().Rollout
		if n.stands() != "stepping 1 5" || r.Awaits != api.AwaitsData || !strings.Contains(r.Waiting, "nothing to judge") {
			t.Errorf("%s awaits %q: %q", n.stands(), r.Awaits, r.Waiting)
		}
		rest(time.Hour)
		n.want("blue=95 green=5")
	})
}

func TestFileDuringRollout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute), newWorld(100))
		warm()
		n.startRollout()
		rest(10 * time.Second)

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
		rest(10 * time.Minute)
		n.want("blue=90 green=10")
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
				rest(time.Minute)
				mu.Lock()
				offset = jump
				mu.Unlock()
				rest(10 * time.Second)
				observed, _ := time.ParseDuration(n.service().Rollout.Observed)
				if n.stands() != "stepping 1 5" || observed > 75*time.Second {
					t.Errorf("a clock that jumped by %v: %s, observed %v", jump, n.stands(), observed)
				}
			})
		})
	}
}
