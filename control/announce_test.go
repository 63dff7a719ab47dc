package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store/memory"
)

// toAndFro moves traffic to and fro, n times, and expects no decision to take any time.
func (n *node) toAndFro(times int) {
	n.t.Helper()
	for i := range times {
		began := time.Now()
		n.cutover(n.service().Roles.Idle)
		if took := time.Since(began); took != 0 {
			n.t.Errorf("cutover %d took %v", i, took)
		}
	}
}

// sentences are those of all decisions that are remembered, in order.
func (n *node) sentences() []string {
	n.t.Helper()
	events, err := n.Events(n.t.Context(), "shop", "")
	if err != nil {
		n.t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		all = append(all, e.Sentence)
	}
	return all
}

func (n *node) waiting() int {
	n.t.Helper()
	return len(n.state("shop").Outbox)
}

func TestAnnounces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "hooks")
		n := lead(t, memory.New(), canary(time.Minute, announcing("hooks")), newWorld(200), w.with)
		rest(2 * time.Second)
		before := n.service().Revision
		if before == 0 || len(w.heard("hooks")) != 1 {
			t.Fatalf("revision %d, told %q", before, w.heard("hooks"))
		}
		n.startRollout()
		n.until("promoted", 10*time.Minute)
		rest(2 * time.Second)
		if got, want := w.heard("hooks"), n.sentences(); !slices.Equal(got, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		last := w.bodies[len(w.bodies)-2]
		if last["undo"] != "switchback rollback shop" || last["type"] != api.EventStep || last["rollout"] != "1" || last["checks"] == nil {
			t.Errorf("told %v", last)
		}
		if n.waiting() > 1 {
			t.Errorf("%d announcements wait although all were taken", n.waiting())
		}
	})
}

// TestTellingMovesNoRevision: who holds a revision can still use it when a decision was announced.
func TestTellingMovesNoRevision(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "hooks")
		n := lead(t, memory.New(), canary(time.Minute, announcing("hooks")), newWorld(10), w.with)
		held := n.cutover("green").Revision
		rest(10 * time.Second)
		if len(w.heard("hooks")) != 2 || n.service().Revision != held {
			t.Errorf("told %d, revision %d, want 2 and %d", len(w.heard("hooks")), n.service().Revision, held)
		}
	})
}

// TestReceiverDownForAnHour: nothing is lost, the order stays, others are told at once and no decision waits.
func TestReceiverDownForAnHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "hooks", "chat")
		n := lead(t, memory.New(), canary(time.Minute, announcing("chat", "hooks")), newWorld(10), w.with)
		rest(2 * time.Second)
		w.answer("chat", 503)
		for i := range 30 {
			n.toAndFro(1)
			rest(2 * time.Second)
			if got := len(w.heard("hooks")); got != i+2 {
				t.Errorf("hooks was told %d decisions of %d", got, i+2)
			}
			rest(2*time.Minute - 2*time.Second)
		}
		if got := len(w.heard("chat")); got != 1 {
			t.Fatalf("chat took %d while it was down", got)
		}
		w.answer("chat", 200)
		rest(time.Minute + 10*time.Second)
		if got, want := w.heard("chat"), n.sentences(); !slices.Equal(got, want) {
			t.Errorf("chat was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		n.toAndFro(1)
		if n.waiting() != 1 {
			t.Errorf("%d announcements wait, want the last one", n.waiting())
		}
	})
}

// TestOutboxIsBounded: who is away for more decisions than are kept is told the newest, and a line says how
// many are lost.
func TestOutboxIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "hooks")
		n := lead(t, memory.New(), canary(time.Minute, announcing("hooks")), newWorld(10), w.with)
		rest(2 * time.Second)
		w.answer("hooks", 500)
		n.toAndFro(1)
		rest(2 * time.Second)
		n.toAndFro(rollout.KeepOutbox + 9)
		if n.waiting() != rollout.KeepOutbox {
			t.Errorf("%d announcements wait, want %d", n.waiting(), rollout.KeepOutbox)
		}
		w.answer("hooks", 200)
		rest(2 * time.Minute)
		// The first start, the one that was being told, and the newest.
		if got := len(w.heard("hooks")); got != 2+rollout.KeepOutbox {
			t.Errorf("told %d, want %d", got, 2+rollout.KeepOutbox)
		}
		if n.logs.FilterMessage("announcements lost: a receiver was away for too long").Len() != 1 {
			t.Error("no line about what was lost")
		}
	})
}

// TestRestartTellsTheRest: what was taken is not told again, the rest is.
func TestRestartTellsTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, st, c := newOutside(t, "hooks"), memory.New(), canary(time.Minute, announcing("hooks"))
		n := lead(t, st, c, newWorld(10), w.with)
		n.toAndFro(3)
		rest(2 * time.Second)
		w.answer("hooks", 500)
		n.toAndFro(3)
		rest(2 * time.Second)
		n.stop()
		rest(time.Hour)
		w.answer("hooks", 200)
		n = lead(t, st, c, newWorld(10), w.with)
		rest(2 * time.Second)
		if got, want := w.heard("hooks"), n.sentences(); !slices.Equal(got, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := w.heardIDs("hooks"); got != "shop/1 shop/2 shop/3 shop/4 shop/5 shop/6 shop/7" {
			t.Errorf("ids %s", got)
		}
	})
}

// TestToldIsWrittenLater: a store that refuses what was told costs nothing but a repetition after a crash.
func TestToldIsWrittenLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, st, c := newOutside(t, "hooks"), memory.New(), canary(time.Minute, announcing("hooks"))
		w.delay["hooks"] = 5 * time.Second
		n := lead(t, st, c, newWorld(10), w.with)
		n.swapper.loosen()
		rest(2 * time.Second)
		st.Fail(errors.New("no space left"))
		rest(time.Minute)
		st.Fail(nil)
		rest(10 * time.Second)
		n.stop()
		n = lead(t, st, c, newWorld(10), w.with)
		n.toAndFro(1)
		rest(10 * time.Second)
		if got := w.heardIDs("hooks"); got != "shop/1 shop/2" {
			t.Errorf("told %s", got)
		}
	})
}

// TestNewLeaderAnnounces: the node that does not lead is silent, and goes on where the other one was.
func TestNewLeaderAnnounces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, st, c := newOutside(t, "hooks"), memory.New(), canary(time.Minute, announcing("hooks"))
		a := lead(t, st, c, newWorld(10), w.with)
		rest(2 * time.Second)
		b := lead(t, st, c, newWorld(10), w.with, func(o *Options) { o.Node = "b" })
		b.toAndFro(2)
		rest(2 * time.Second)
		a.stop()
		b.toAndFro(2)
		rest(5 * time.Second)
		if got := w.heardIDs("hooks"); got != "shop/1 shop/2 shop/3 shop/4 shop/5" {
			t.Errorf("told %s", got)
		}
	})
}

// TestReceiversChange: a new receiver hears what is decided from then on, one that left nothing more.
func TestReceiversChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "hooks", "chat")
		n := lead(t, memory.New(), canary(time.Minute, announcing("hooks")), newWorld(10), w.with)
		n.toAndFro(2)
		rest(2 * time.Second)
		n.apply(canary(time.Minute, announcing("chat")))
		rest(2 * time.Second)
		n.toAndFro(2)
		rest(2 * time.Second)
		if got := fmt.Sprint(w.heardIDs("hooks"), "; ", w.heardIDs("chat")); got != "shop/1 shop/2 shop/3; shop/4 shop/5" {
			t.Errorf("told %s", got)
		}
		n.apply(canary(time.Minute))
		n.toAndFro(1)
		rest(2 * time.Second)
		if n.waiting() != 0 || w.heardIDs("chat") != "shop/4 shop/5" {
			t.Errorf("nobody is to be told: %d wait, told %s", n.waiting(), w.heardIDs("chat"))
		}
	})
}
