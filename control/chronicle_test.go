package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/journal"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
)

// keeping runs a Loop whose events outlive it, over what is in dir.
func keeping(t *testing.T, dir string, st store.Store, c *config.Config) *node {
	t.Helper()
	j, kept, err := journal.Open(dir, Lanes, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := startWith(t, Options{Config: c, Store: st, Journal: j, Kept: kept})
	t.Cleanup(func() {
		n.stop()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// end stops a node as the end of the process does.
func (n *node) end() {
	n.t.Helper()
	n.stop()
	if err := n.o.Journal.Close(); err != nil {
		n.t.Error(err)
	}
}

// said is every event as type and what it is about, without the node's own.
func (n *node) said() []string {
	n.t.Helper()
	events, err := n.Events(n.t.Context(), "", "")
	if err != nil {
		n.t.Fatal(err)
	}
	var all []string
	last := ""
	for _, e := range events {
		if e.ID <= last {
			n.t.Errorf("event %s comes behind %s", e.ID, last)
		}
		last = e.ID
		if !strings.HasPrefix(e.Type, "node.") {
			all = append(all, strings.TrimSpace(e.Type+" "+e.Service+e.Flag+" "+e.Reason))
		}
	}
	return all
}

func (n *node) wantSaid(want ...string) {
	n.t.Helper()
	if got := n.said(); !slices.Equal(got, want) {
		n.t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A restart keeps every event with its id, and tells none twice; so does a crash that kept a decision from
// becoming an event.
func TestEventsOutliveARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, st := filepath.Join(t.TempDir(), "events"), memory.New()
		n := keeping(t, dir, st, blueGreen(100))
		n.cutover("green")
		before, err := n.Events(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		n.end()

		rest(time.Hour)
		n = keeping(t, dir, st, blueGreen(100))
		n.wantSaid("traffic.weights shop first start", "traffic.cutover shop release")
		now, err := n.Events(t.Context(), "", "")
		if err != nil || len(now) != len(before)+1 || now[1].ID != before[1].ID || now[1].Sentence != before[1].Sentence {
			t.Errorf("after a restart\n%+v, %v\nbefore\n%+v", now, err, before)
		}
		if kept := n.o.Kept; kept != nil {
			t.Errorf("%d records of the journal stay in memory beside their events", len(kept))
		}
		n.end()

		// A node that keeps nothing makes a decision: as if the process had ended before it was an event.
		n = start(t, st, blueGreen(100))
		n.rollback()
		n.stop()
		for range 2 {
			n = keeping(t, dir, st, blueGreen(100))
			n.wantSaid("traffic.weights shop first start", "traffic.cutover shop release", "traffic.rollback shop")
			n.end()
		}
	})
}

// A state that was lost counts its decisions from 1 again; they are events all the same.
func TestEventsOfALostState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		n := keeping(t, dir, memory.New(), blueGreen(100))
		n.cutover("green")
		n.end()
		rest(time.Second)
		n = keeping(t, dir, memory.New(), blueGreen(100))
		n.cutover("green")
		n.wantSaid("traffic.weights shop first start", "traffic.cutover shop release", "traffic.weights shop first start", "traffic.cutover shop release")
	})
}

// What is seen often is told a few times in a minute and then with a number, and pushes out no decision.
func TestFlappingHealthIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		flap := func() {
			n.TargetChanged("shop", "blue", "http://b1:80", router.Up, router.Health{Status: router.Down, Error: "refused"})
			n.TargetChanged("shop", "blue", "http://b1:80", router.Down, router.Health{Status: router.Up})
		}
		for range 50 {
			flap()
		}
		up, down := "target.up shop", "target.down shop"
		n.wantSaid("traffic.weights shop first start", down, up, down, up)
		rest(burstSpan + 2*time.Second)
		events, _ := n.Events(t.Context(), "", "")
		last := events[len(events)-1]
		if last.Count != 96 || last.Type != api.EventTargetUp || !strings.Contains(last.Sentence, "96 like this") {
			t.Errorf("in bulk: %+v", last)
		}
		// It still flaps, so it goes on in bulk, once a minute.
		for range 10 * keepEvents[laneSeen] {
			flap()
		}
		rest(burstSpan + 2*time.Second)
		events, _ = n.Events(t.Context(), "", "")
		if again := events[len(events)-1]; again.Count != 20*keepEvents[laneSeen] {
			t.Errorf("the next minute: %+v", again)
		}
		rest(2 * burstSpan)
		n.bursts.mu.Lock()
		defer n.bursts.mu.Unlock()
		if got := len(n.bursts.things); got != 0 {
			t.Errorf("%d things are still counted after they were quiet for two minutes", got)
		}
	})
}

func TestPoolWithoutTargets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		set := func(target string, down bool) {
			was, is := router.Up, router.Health{Status: router.Down, Error: "refused"}
			if !down {
				was, is = router.Down, router.Health{Status: router.Up}
			}
			n.prober.set(down, target)
			n.TargetChanged("shop", "blue", target, was, is)
		}
		set("http://b1:80", true)
		set("http://b2:80", true)
		set("http://b1:80", false)
		set("http://b2:80", false)
		n.wantSaid("traffic.weights shop first start", "target.down shop", "target.down shop", "pool.empty shop", "target.up shop", "pool.ready shop", "target.up shop")
	})
}

func TestConfigurationsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		ctx := t.Context()
		n.Invalid(ctx, "d", errors.New("line 3: no"))
		n.Invalid(ctx, "d", errors.New("line 3: no")) // once is enough
		n.Invalid(Signalled(ctx), "e", errors.New("line 4: no"))
		n.apply(withTimeout(blueGreen(100)))
		if err := n.Offer(Signalled(ctx), blueGreen(50)); err != nil {
			t.Fatal(err)
		}
		n.prober.set(false, "http://g1:80")
		synctest.Wait()
		n.o.Reread = func(context.Context) (*config.Config, error) {
			n.Invalid(ctx, "f", errors.New("line 5: no")) // the watcher is faster
			return nil, errors.New("line 5: no")
		}
		if _, err := n.Reload(ctx, api.Call{By: "ann", From: "10.1.1.1", Reason: "new limits"}); err == nil {
			t.Error("a wrong file is in force")
		}
		var got []string
		events, _ := n.Events(ctx, "", "")
		for _, e := range events {
			if strings.HasPrefix(e.Type, "config.") {
				got = append(got, strings.Join([]string{e.Type, e.By, e.From, e.Reason, e.Error}, "|"))
			}
		}
		want := []string{
			"config.refused|file|||line 3: no", "config.refused|SIGHUP|||line 4: no", "config.loaded|file|||",
			"config.waiting|SIGHUP|||", "config.loaded|SIGHUP|||", "config.refused|ann|10.1.1.1|new limits|line 5: no",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// A store that goes away and comes back is told, and what was not durable meanwhile.
func TestStoreTroubleIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		n.cutover("green")
		st.Fail(errDisk)
		n.swapper.loosen()
		n.rollback()
		rest(3 * retryEvery)
		st.Fail(nil)
		rest(2 * retryEvery)
		n.wantSaid("traffic.weights shop first start", "traffic.cutover shop release", "state.refused", "traffic.rollback shop", "state.accepted", "state.written shop")
	})
}

func TestRefusalsAreToldInBulk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		for range 500 {
			n.Refused(api.Call{From: "10.0.0.3"}, "no valid token")
		}
		n.Refused(api.Call{By: "eye", From: "10.0.0.4"}, "a viewer can only read")
		n.wantSaid("traffic.weights shop first start", "admin.refused", "admin.refused")
		rest(burstSpan + 2*time.Second)
		events, _ := n.Events(t.Context(), "", "")
		if last := events[len(events)-1]; last.Count != 499 || last.From != "10.0.0.3" {
			t.Errorf("in bulk: %+v", last)
		}
	})
}

// A reader that does not read is cut once events are forgotten that it did not get; one that comes late is not.
func TestReadersThatFallBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		stalled, err := n.Follow(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		first := <-stalled
		for i := range keepEvents[laneSeen] + 2*followed {
			n.happened(laneSeen, api.Event{Type: "test", Sentence: fmt.Sprint(i)})
		}
		got := 0
		for range stalled {
			got++
		}
		if most := followed + buffered + 1; got == 0 || got > most {
			t.Errorf("a stalled reader still got %d events, want at most the %d it had been given", got, most)
		}
		ctx, cancel := context.WithCancel(t.Context())
		late, err := n.Follow(ctx, first.ID)
		if err != nil {
			t.Fatal(err)
		}
		for i := range keepEvents[laneSeen] {
			if _, open := <-late; !open {
				t.Fatalf("a late reader was cut after %d events", i)
			}
		}
		cancel()
	})
}

// Decisions that are forgotten, because so many came later, are not taken for new ones after a restart.
func TestForgottenDecisionsAreNotToldAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir, st := filepath.Join(t.TempDir(), "events"), memory.New()
		n := keeping(t, dir, st, blueGreen(100))
		n.cutover("green")
		rest(time.Second)
		for i := range keepEvents[laneDecided] {
			n.happened(laneDecided, api.Event{Type: "test"})
			if i%1000 == 0 {
				rest(time.Second) // for the disk
			}
		}
		n.end()
		n = keeping(t, dir, st, blueGreen(100))
		for _, said := range n.said() {
			if said != "test " && said != "test" {
				t.Errorf("told again: %s", said)
			}
		}
	})
}

// Large events are bounded by their bytes, small ones by their number.
func TestEventsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		for size, most := range map[int]int{
			0:       keepEvents[laneSeen],
			8 << 10: int(Lanes[laneSeen].Bytes / (8 << 10)),
		} {
			for range keepEvents[laneSeen] + 10 {
				n.happened(laneSeen, api.Event{Type: "test", Sentence: strings.Repeat("x", size)})
			}
			c, bytes := n.events, int64(0)
			for _, e := range c.lanes[laneSeen] {
				bytes += e.size
			}
			if got := len(c.lanes[laneSeen]); got > most || got < most*9/10 || bytes != c.bytes[laneSeen] || bytes > Lanes[laneSeen].Bytes {
				t.Errorf("of %d bytes each there are %d, at most %d; %d bytes, counted %d", size, got, most, bytes, c.bytes[laneSeen])
			}
			if c.gone[laneSeen] >= c.lanes[laneSeen][0].id {
				t.Errorf("%d is forgotten, and %d is there", c.gone[laneSeen], c.lanes[laneSeen][0].id)
			}
		}
	})
}
