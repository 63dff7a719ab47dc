package control

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestLeaderLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(150)
		c := canary(2 * time.Minute)
		a := lead(t, st, c, w)
		rest(time.Second)
		b := lead(t, st, c, w, func(o *Options) { o.Node, o.Sampler = "b", newTraffic(w, 8) })
		warm()
		a.startRollout()
		a.until("stepping 2", 3*time.Minute)
		rest(time.Minute)
		if !a.Leads() || b.Leads() {
			t.Fatal("a does not lead alone")
		}
		a.stop()
		rest(2 * time.Second)
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
	})
}

func TestDeposedLeaderHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := lead(t, st, canary(time.Minute), newWorld(100))
		rest(2 * time.Second)
		st.Depose()
		rest(2 * time.Second)
		if !n.Leads() {
			t.Error("the only node does not lead again")
		}
		if n.logged("leading") != 2 {
			t.Errorf("it led %d times, want 2", n.logged("leading"))
		}
	})
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
		rest(100 * time.Second)
		before := m.service().Rollout
		m.boot(c)
		m.want("blue=75 green=25")
		rest(1500 * time.Millisecond)
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
		rest(5 * time.Minute)
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
		rest(100 * time.Second)
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

// TestEvidenceOfAnother ignores evidence of another rollout but for what it knows of the baseline.
func TestEvidenceOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, w := memory.New(), newWorld(300)
		c := canary(time.Minute)
		n := lead(t, st, c, w)
		warm()
		n.startRollout()
		rest(50 * time.Second)
		old := n.entry(evidencePrefix + "shop")
		n.rollback()
		rest(6 * time.Second)
		n.startRollout()
		n.stop()
		now := n.entry(evidencePrefix + "shop")
		if _, err := st.Put(t.Context(), now.Key, old.Value, now.Revision); err != nil {
			t.Fatal(err)
		}
		n = lead(t, st, c, w)
		rest(3 * time.Second)
		r := n.service().Rollout
		if observed, _ := time.ParseDuration(r.Observed); r.ID != "2" || observed > 5*time.Second || r.Checks[0].Candidate.Requests > 100 {
			t.Errorf("rollout %s goes on at %s with %+v", r.ID, r.Observed, r.Checks[0])
		}
	})
}

func (n *node) entry(key string) store.Entry {
	n.t.Helper()
	e, err := n.store.Get(n.t.Context(), key)
	if err != nil {
		n.t.Fatal(err)
	}
	return e
}

// TestLaterTerm has a leader find out that another one was elected, by what that one wrote.
func TestLaterTerm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := lead(t, st, canary(time.Minute), newWorld(100))
		warm()
		n.startRollout()
		rest(7 * time.Second)
		e := n.entry(evidencePrefix + "shop")
		later := strings.Replace(string(e.Value), `"term":1`, `"term":9`, 1)
		if later == string(e.Value) {
			t.Fatalf("no term in %.200s", e.Value)
		}
		if _, err := st.Put(t.Context(), e.Key, []byte(later), e.Revision); err != nil {
			t.Fatal(err)
		}
		rest(7 * time.Second)
		if n.logged("another node leads") == 0 {
			t.Error("the leader did not notice a later term")
		}
		if got := n.stands(); got != "stepping 1 5" {
			t.Errorf("the rollout went to %s", got)
		}
	})
}
