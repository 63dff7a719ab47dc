package control

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/store/memory"
)

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
		rest(time.Second)
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
				rest(10 * time.Second)
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
				rest(10 * time.Second)
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

// TestEventsAreNotBehind asks for events as soon as a decision shows in the state: its own is among them.
func TestEventsAreNotBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		last := ""
		for i := range 200 {
			before, found := n.service().Revision, make(chan []api.Event)
			go func() {
				for {
					if s, err := n.Service("shop"); err != nil || s.Revision != before {
						events, _ := n.Events(t.Context(), "shop", last)
						found <- events
						return
					}
				}
			}()
			n.cutover([]string{"green", "blue"}[i%2])
			events := <-found
			if len(events) == 0 {
				t.Fatalf("decision %d shows, its event does not", i)
			}
			last = events[len(events)-1].ID
		}
	})
}
