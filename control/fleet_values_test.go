package control

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

// TestANodeThatDoesNotLeadCountsToo has all customers and all that answers tell on the node that does not
// decide. What it counted is found all the same.
func TestANodeThatDoesNotLeadCountsToo(t *testing.T) {
	conversion := config.Check{Name: "conversion", Kind: config.KindRatio, MaxDecrease: 0.05, Within: 20 * time.Second}
	db := config.Check{Name: "db", Kind: config.KindServerTiming, ServerTiming: "db", Quantile: 0.95, MaxRatio: 1.3}
	for _, test := range []struct {
		check config.Check
		worse func(b *behavior)
		says  string
	}{
		{conversion, func(b *behavior) { b.converts = 0.1 }, "green had conversion in "},
		{db, func(b *behavior) { b.db *= 3 }, "green took longer than 1.3 times blue's p95 of db ("},
	} {
		t.Run(test.check.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				quiet, busy := newWorld(5), newWorld(300)
				for _, p := range []string{"blue", "green"} {
					busy.change(p, func(b *behavior) { b.converts, b.db = 0.5, 5*time.Millisecond })
				}
				c := judgedBy(test.check)
				c.Services[0].Sticky.Key = []config.StickyKey{{Header: "X-User"}}
				c = files(c.Services...)
				st := memory.New()
				a := lead(t, st, c, quiet)
				rest(time.Second)
				b := lead(t, st, c, busy, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(busy, 8) })
				warm()
				if !a.Leads() || b.Leads() {
					t.Fatal("the quiet node does not lead")
				}
				a.startRollout()
				rest(45 * time.Second)
				busy.change("green", test.worse)
				a.until("rolled_back", 2*time.Minute)
				if s := a.service().Rollout.Sentence; !strings.Contains(s, test.says) {
					t.Error(s)
				}
			})
		})
	}
}

// TestJourneysDoNotPileUp on a node that does not lead while no rollout runs.
func TestJourneysDoNotPileUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(50)
		w.change("blue", func(b *behavior) { b.converts = 0.5 })
		c := judgedBy(config.Check{Name: "conversion", Kind: config.KindRatio, MaxDecrease: 0.05, Within: 20 * time.Second})
		c.Services[0].Sticky.Key = []config.StickyKey{{Header: "X-User"}}
		c = files(c.Services...)
		st := memory.New()
		lead(t, st, c, newWorld(5))
		rest(time.Second)
		tr := newTraffic(w, 8)
		b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", tr })
		for range 600 {
			rest(time.Second)
			tr.Cells("shop", "blue").Traffic(time.Now()) // makes the requests of the second
		}
		if b.Leads() {
			t.Fatal("the wrong node leads")
		}
		left := tr.Journeys("shop", "conversion").Take(tr.Second(time.Now()), nil)
		if n := len(left); n == 0 || n > 30 {
			t.Errorf("%d seconds of journeys are kept, want about 20", n)
		}
	})
}
