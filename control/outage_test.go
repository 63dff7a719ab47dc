package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestStoreAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(200)
		n := lead(t, st, canary(time.Minute), w)
		warm()
		n.startRollout()
		rest(30 * time.Second)
		n.swapper.loosen()
		before := n.service().Rollout.Observed
		st.Fail(errors.New("no space left"))
		rest(time.Minute)
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
		rest(2 * time.Second)
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
		rest(30 * time.Second)
		st.Fail(errors.New("away"))
		rest(time.Minute)
		st.Fail(nil)
		took := n.until("promoted", 10*time.Minute)
		if took < 3*time.Minute+25*time.Second {
			t.Errorf("promoted %v after the store came back: the minute without it counted", took)
		}
	})
}

// TestPersonRollsBackWithoutStore is a rollback by hand while the store refuses writes.
func TestPersonRollsBackWithoutStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := lead(t, st, canary(time.Minute), newWorld(100))
		warm()
		n.startRollout()
		n.swapper.loosen()
		rest(10 * time.Second)
		st.Fail(errors.New("away"))
		if c := n.rollback(); c.Durable || c.Weights["green"] != 0 {
			t.Errorf("rollback without the store: %+v", c)
		}
		n.want("blue=100")
		_, err := n.Promote(t.Context(), "shop", api.PromoteRequest{}, api.Call{})
		if err == nil {
			t.Error("promoted without the store")
		}
		rest(time.Minute)
		st.Fail(nil)
		rest(2 * time.Second)
		s := n.service()
		if !s.Durable || s.Rollout.Phase != api.PhaseRolledBack || s.Failed != "2.5.0" {
			t.Errorf("the store is back: durable %v, %s, failed %q", s.Durable, s.Rollout.Phase, s.Failed)
		}
	})
}
