package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestGatesOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "ci")
		w.delay["ci"] = 20 * time.Second
		c := canary(time.Minute, gates(config.GateStart, config.GatePromote, config.GateFinish))
		c.Admin = config.Admin{Address: "127.0.0.1:9900", Hosts: []string{"switchback.internal"}}
		n := lead(t, memory.New(), c, newWorld(200), w.with)
		warm()
		if change := n.startRollout(); change.Weights["green"] != 0 || !change.Changed {
			t.Errorf("started at %v before its gate opened", change.Weights)
		}
		rest(15 * time.Second)
		n.want("blue=100")
		if r := n.service().Rollout; !strings.HasPrefix(r.Waiting, "gate start http://ci, asked ") || r.Awaits != "" {
			t.Errorf("awaits %q: %s", r.Awaits, r.Waiting)
		}
		n.until("stepping 1 5", 10*time.Second)
		n.until("promoted", 10*time.Minute)
		var got []string
		for _, q := range w.questions() {
			if q.Candidate.Version != "2.5.0" || q.Baseline.Name != "blue" || q.Service != "shop" || q.Steps != 4 || q.Sentence == "" {
				t.Errorf("asked %+v", q)
			}
			if q.Link != "http://switchback.internal:9900/v1/services/shop/rollout" {
				t.Errorf("link %q", q.Link)
			}
			got = append(got, q.ID+" "+string(q.Gate))
		}
		want := "shop/1/1 start, shop/1/2 promote, shop/1/3 promote, shop/1/4 promote, shop/1/5 finish"
		if strings.Join(got, ", ") != want {
			t.Errorf("asked %v, want %s", got, want)
		}
		n.checkSwaps()
	})
}

// TestGateThatNeverAnswers holds the rollout until a person opens the gate. Nothing else waits meanwhile.
func TestGateThatNeverAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "ci")
		w.answer("ci", 0)
		n := lead(t, memory.New(), canary(time.Minute, gates(config.GatePromote)), newWorld(200), w.with)
		warm()
		n.startRollout()
		for len(w.questions()) == 0 {
			rest(time.Second)
		}
		began := time.Now()
		if _, err := n.Pause(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"}); err != nil || time.Since(began) != 0 {
			t.Errorf("a pause took %v while a gate was asked: %v", time.Since(began), err)
		}
		if _, err := n.Resume(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		rest(10 * time.Minute)
		r := n.service().Rollout
		if n.stands() != "stepping 1 5" || r.Awaits != api.AwaitsGate || !strings.Contains(r.Waiting, "gate promote http://ci stays closed: ") || !strings.Contains(r.Waiting, "no complete answer within 3m") {
			t.Fatalf("%s awaits %q: %s", n.stands(), r.Awaits, r.Waiting)
		}
		if !strings.HasSuffix(n.types(), "rollout.gate_closed") {
			t.Errorf("decided %s", n.types())
		}
		_, err := n.OpenGate(t.Context(), "shop", api.OpenGateRequest{Gate: "finish", Reason: "seen"}, api.Call{By: "ann"})
		refused(t, err, api.TypeInvalid)
		if _, err := n.OpenGate(t.Context(), "shop", api.OpenGateRequest{Gate: "promote", Reason: "seen"}, api.Call{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		n.until("stepping 2 25", time.Minute)
		if s := n.story(); !strings.Contains(s, "gate promote http://ci opened by ann; reason: seen") {
			t.Errorf("told:\n%s", s)
		}
	})
}

func TestGateAnswersBadly(t *testing.T) {
	for status, said := range map[int]string{500: "answered 500 Internal Server Error", 302: "answered 302, and redirects are not followed"} {
		t.Run(said, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newOutside(t, "ci")
				w.answer("ci", status)
				n := lead(t, memory.New(), canary(time.Minute, gates(config.GateStart)), newWorld(200), w.with)
				warm()
				n.startRollout()
				rest(4 * time.Minute)
				r := n.service().Rollout
				if n.stands() != "stepping 1 0" || !strings.Contains(r.Waiting, said) || len(w.questions()) < 10 {
					t.Errorf("%s: %s, asked %d times", n.stands(), r.Waiting, len(w.questions()))
				}
				n.want("blue=100")
				// It recovers, and a pause and its end ask again.
				w.answer("ci", 204)
				for _, f := range []func() (api.Change, error){
					func() (api.Change, error) {
						return n.Pause(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"})
					},
					func() (api.Change, error) {
						return n.Resume(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"})
					},
				} {
					if _, err := f(); err != nil {
						t.Fatal(err)
					}
				}
				n.until("stepping 1 5", 5*time.Second)
			})
		})
	}
}

// TestRollbackOutranksGates: worse than allowed while a gate is asked, and by hand. The question ends.
func TestRollbackOutranksGates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, load := newOutside(t, "ci"), newWorld(500)
		w.answer("ci", 0)
		n := lead(t, memory.New(), canary(time.Minute, gates(config.GatePromote)), load, w.with)
		warm()
		n.startRollout()
		for len(w.questions()) == 0 {
			rest(time.Second)
		}
		load.change("green", func(b *behavior) { b.fails = 1 })
		n.until("rolled_back", 10*time.Second)
		n.want("blue=100")
		rest(2 * time.Second)
		w.mu.Lock()
		gone := len(w.gone)
		w.mu.Unlock()
		if gone != 1 {
			t.Errorf("%d questions ended with the rollout, want the one", gone)
		}
	})
}

// TestRestartWhileAsking: the gate is asked the same question again, and its answer counts.
func TestRestartWhileAsking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, st, c := newOutside(t, "ci"), memory.New(), canary(time.Minute, gates(config.GatePromote))
		w.answer("ci", 0)
		n := lead(t, st, c, newWorld(200), w.with)
		warm()
		n.startRollout()
		for len(w.questions()) == 0 {
			rest(time.Second)
		}
		n.stop()
		rest(time.Hour)
		w.answer("ci", 204)
		n = lead(t, st, c, newWorld(200), w.with)
		n.until("stepping 2 25", 2*time.Minute)
		q := w.questions()
		if len(q) < 2 || q[0].ID != q[1].ID {
			t.Errorf("asked %+v, want the same question again", q)
		}
		if strings.Count(n.types(), "rollout.gate_asked") != strings.Count(n.types(), "rollout.gate_opened") {
			t.Errorf("decided %s", n.types())
		}
	})
}

// TestAnswerThatCannotBeWritten counts as soon as the store is back, and the gate is not asked again.
func TestAnswerThatCannotBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newOutside(t, "ci")
		w.delay["ci"] = 10 * time.Second
		st := memory.New()
		n := lead(t, st, canary(time.Minute, gates(config.GateStart)), newWorld(200), w.with)
		warm()
		n.startRollout()
		rest(2 * time.Second)
		st.Fail(errors.New("no space left"))
		rest(time.Minute)
		n.want("blue=100")
		st.Fail(nil)
		n.until("stepping 1 5", 10*time.Second)
		if q := w.questions(); len(q) != 1 {
			t.Errorf("asked %d times, want once", len(q))
		}
	})
}

func TestLink(t *testing.T) {
	const path = "/v1/services/shop/rollout"
	for _, tt := range []struct {
		admin config.Admin
		want  string
	}{
		{config.Admin{Address: "127.0.0.1:9900"}, "http://127.0.0.1:9900" + path},
		{config.Admin{Address: "[::1]:9900"}, "http://[::1]:9900" + path},
		{config.Admin{Address: ":9900", Hosts: []string{"switchback.internal", "other"}}, "http://switchback.internal:9900" + path},
		{config.Admin{Address: ":9900"}, ""},
		{config.Admin{Address: "0.0.0.0:9900"}, ""},
		{config.Admin{Address: "unix:/run/switchback.sock"}, ""},
		{config.Admin{Address: "unix:/run/switchback.sock", URL: "https://switchback.internal/x"}, "https://switchback.internal/x" + path},
	} {
		if got := link(&config.Config{Admin: tt.admin}, "shop"); got != tt.want {
			t.Errorf("%+v: link %q, want %q", tt.admin, got, tt.want)
		}
	}
}

func TestWindowIsNamed(t *testing.T) {
	bubble(t, func(t *testing.T) { // it begins on Saturday 2000-01-01 00:00 UTC
		window, err := config.ParseWindow("Sat 00:00-00:02 UTC")
		if err != nil {
			t.Fatal(err)
		}
		n := lead(t, memory.New(), canary(time.Minute, func(r *config.Rollout) { r.Windows = []config.Window{window} }), newWorld(200))
		warm()
		n.startRollout()
		rest(20 * time.Minute)
		if r := n.service().Rollout; n.stands() != "stepping 1 5" || r.Waiting != "a window, the next opens Sat 2000-01-08 00:00 UTC" {
			t.Errorf("%s waits for %q", n.stands(), r.Waiting)
		}
		if _, err := n.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"}); err != nil {
			t.Error(err)
		}
		n.want("blue=100")
	})
}
