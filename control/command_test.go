package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestCutoverAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		blue := n.swapper.last().Service("shop").Pool("blue").Targets[0]
		blue.Begin()
		blue.Begin()
		before := n.service().Revision
		c := n.cutover("green")
		if c.Service != "shop" || !c.Changed || !c.Durable || c.Drained != nil || c.Revision <= before ||
			c.Previous["blue"] != 100 || c.Previous["green"] != 0 || c.Weights["green"] != 100 || c.Weights["blue"] != 0 ||
			len(c.InFlight) != 1 || c.InFlight["blue"] != 2 || c.Undo != "switchback rollback shop" {
			t.Errorf("got %+v", c)
		}
		n.want("green=100") // at the time of the answer
		again := n.cutover("green")
		if again.Changed || again.Revision != c.Revision || len(again.InFlight) != 0 {
			t.Errorf("repeated: got %+v", again)
		}
		s := n.service()
		if s.Revision != c.Revision || s.Undo != "switchback rollback shop" || s.Roles.Live != "green" || s.Roles.Idle != "blue" || s.Roles.Candidate != "blue" {
			t.Errorf("got %+v", s)
		}
		if !strings.HasPrefix(s.Why, "cutover by ci at ") || !strings.HasSuffix(s.Why, ": release") {
			t.Errorf("why is %q", s.Why)
		}
		n.checkSwaps()
	})
}

func TestCutoverRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g2:80")
		swaps, revision := n.swapper.count(), n.service().Revision
		tests := []struct {
			name string
			r    api.CutoverRequest
			call api.Call
			typ  string
		}{
			{"no pool", api.CutoverRequest{}, api.Call{}, api.TypeInvalid},
			{"unknown pool", api.CutoverRequest{To: "gren"}, api.Call{}, api.TypeInvalid},
			{"unknown from", api.CutoverRequest{To: "green", From: "bleu"}, api.Call{}, api.TypeInvalid},
			{"another pool is live", api.CutoverRequest{To: "green", From: "green"}, api.Call{}, api.TypeUnexpectedLivePool},
			{"not ready", api.CutoverRequest{To: "green"}, api.Call{}, api.TypePoolNotReady},
			{"force without a reason", api.CutoverRequest{To: "green", Force: true}, api.Call{}, api.TypeInvalid},
			{"force with a blank reason", api.CutoverRequest{To: "green", Force: true, Reason: " \n"}, api.Call{}, api.TypeInvalid},
			{"stale", api.CutoverRequest{To: "green"}, api.Call{IfMatch: revision + 1}, api.TypeStaleRevision},
			{"unknown wait", api.CutoverRequest{To: "green", Wait: "drain"}, api.Call{}, api.TypeInvalid},
			{"bad timeout", api.CutoverRequest{To: "green", Wait: "drained", Timeout: "5"}, api.Call{}, api.TypeInvalid},
			{"negative timeout", api.CutoverRequest{To: "green", Wait: "drained", Timeout: "-5s"}, api.Call{}, api.TypeInvalid},
			{"a novel as reason", api.CutoverRequest{To: "green", Reason: strings.Repeat("x", 2000)}, api.Call{}, api.TypeInvalid},
		}
		for _, tt := range tests {
			_, err := n.Cutover(t.Context(), "shop", tt.r, tt.call)
			p := refused(t, err, tt.typ)
			if tt.typ == api.TypePoolNotReady {
				if len(p.Targets) != 1 || p.Targets[0].URL != "http://g2:80" || p.Targets[0].Error != "connection refused" || p.Targets[0].Since.IsZero() ||
					!strings.HasPrefix(p.Detail, "health check failed, not switching: green has 1 of 2 targets up") {
					t.Errorf("%s: got %+v", tt.name, p)
				}
			}
		}
		if n.swapper.count() != swaps || n.service().Revision != revision {
			t.Error("a refusal changed something")
		}
		_, err := n.Cutover(t.Context(), "shops", api.CutoverRequest{To: "green"}, api.Call{})
		refused(t, err, api.TypeNotFound)
		c, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green", Force: true, Reason: "now"}, api.Call{IfMatch: revision})
		if err != nil || !c.Changed {
			t.Errorf("forced: got %+v, %v", c, err)
		}
	})
}

func TestCutoverWaitsForFirstProbes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		n.prober.mu.Lock()
		n.prober.unknown["http://n1:80"] = true
		n.prober.mu.Unlock()
		n.apply(file(config.All("blue"), "blue@2.4.0 b1 b2", "green@2.5.0 n1"))
		began := time.Now()
		_, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green"}, api.Call{})
		if p := refused(t, err, api.TypePoolNotReady); len(p.Targets) != 1 || p.Targets[0].Status != "unknown" {
			t.Errorf("got %+v", p)
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v, want the health timeout", waited)
		}
		time.AfterFunc(300*time.Millisecond, func() { n.prober.set(false, "http://n1:80") })
		n.cutover("idle")
		n.want("green=100")
	})
}

func TestCutoverWaitsUntilDrained(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		blue := n.swapper.last().Service("shop").Pool("blue").Targets[0]
		wait := func(to, timeout string) api.Change {
			c, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: to, Wait: "drained", Timeout: timeout}, api.Call{})
			if err != nil || c.Drained == nil {
				t.Fatalf("got %+v, %v", c, err)
			}
			return c
		}
		blue.Begin()
		began := time.Now()
		c := wait("green", "")
		if *c.Drained || c.InFlight["blue"] != 1 || time.Since(began) != 30*time.Second {
			t.Errorf("after %v got %+v", time.Since(began), c)
		}
		// Made already; only the waiting is left.
		time.AfterFunc(time.Minute, blue.End)
		began = time.Now()
		c = wait("green", "5m")
		if !*c.Drained || c.Changed || c.InFlight["blue"] != 0 || time.Since(began).Round(time.Second) != time.Minute {
			t.Errorf("after %v got %+v", time.Since(began), c)
		}
		if c = wait("blue", ""); !*c.Drained || !c.Changed {
			t.Errorf("got %+v", c)
		}
		// A caller that goes away still made its cutover.
		blue.Begin()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		c, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green", Wait: "drained"}, api.Call{})
		if err != nil || *c.Drained {
			t.Errorf("got %+v, %v", c, err)
		}
		n.want("green=100")
	})
}

func TestSetWeights(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		tests := []struct {
			name    string
			weights api.Weights
			typ     string
		}{
			{"none", nil, api.TypeInvalid},
			{"not a whole", api.Weights{"blue": 99}, api.TypeInvalid},
			{"three decimals", api.Weights{"blue": 99.999, "green": 0.001}, api.TypeInvalid},
			{"negative", api.Weights{"blue": 110, "green": -10}, api.TypeInvalid},
			{"unknown", api.Weights{"blue": 50, "red": 50}, api.TypeInvalid},
			{"no target up", api.Weights{"blue": 50, "green": 50}, api.TypePoolNotReady},
		}
		for _, tt := range tests {
			_, err := n.SetWeights(t.Context(), "shop", api.WeightsRequest{Weights: tt.weights}, api.Call{})
			if p := refused(t, err, tt.typ); tt.typ == api.TypePoolNotReady && len(p.Targets) != 2 {
				t.Errorf("%s: got %+v", tt.name, p)
			}
		}
		n.prober.set(false, "http://g1:80")
		if c := n.set(66.67); !c.Changed || c.Weights["green"] != 33.33 || len(c.InFlight) != 0 {
			t.Errorf("got %+v", c)
		}
		s := n.service()
		if s.Weights.Intent == nil || s.Weights.Intent.By != "ann" || s.Roles.Baseline != "blue" {
			t.Errorf("got %+v", s.Weights)
		}
		if n.set(66.67).Changed {
			t.Error("the same weights changed something")
		}
		n.set(100)
		if got := n.service().Weights.Intent; got != nil {
			t.Errorf("the file's weights are an intent: %+v", got)
		}
		n.cutover("live")
		n.rollback()
		n.want("blue=66.67 green=33.33")
		c, err := n.DropIntent(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		if err != nil || !c.Changed || c.Weights["blue"] != 100 {
			t.Errorf("got %+v, %v", c, err)
		}
		if c, err = n.DropIntent(t.Context(), "shop", api.CommandRequest{}, api.Call{}); err != nil || c.Changed {
			t.Errorf("got %+v, %v", c, err)
		}
		n.checkSwaps()
	})
}

func TestRollbackReadiness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		_, err := n.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		refused(t, err, api.TypeNothingToRollBack)
		n.cutover("green")
		n.prober.set(true, "http://b1:80", "http://b2:80")
		if got, want := n.service().Undo, "undo impossible: blue has 0 of 2 targets up"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		_, err = n.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		if p := refused(t, err, api.TypePoolNotReady); len(p.Targets) != 2 {
			t.Errorf("got %+v", p)
		}
		_, err = n.Rollback(t.Context(), "shop", api.CommandRequest{Force: true}, api.Call{})
		refused(t, err, api.TypeInvalid)
		c, err := n.Rollback(t.Context(), "shop", api.CommandRequest{Force: true, Reason: "probes lie"}, api.Call{})
		if err != nil || !c.Changed || c.Undo != "" {
			t.Errorf("got %+v, %v", c, err)
		}
		n.want("blue=100")
		if got := n.service().Undo; got != "" {
			t.Errorf("undo is %q", got)
		}
	})
}

// Of two cutovers made from the same look at the service, one wins, whichever guard they use.
func TestCutoversRace(t *testing.T) {
	guards := map[string]func(n *node, to string) error{
		"from": func(n *node, to string) error {
			_, err := n.Cutover(context.Background(), "shop", api.CutoverRequest{To: to, From: "blue"}, api.Call{})
			return err
		},
		"if-match": func(n *node, to string) error {
			_, err := n.Cutover(context.Background(), "shop", api.CutoverRequest{To: to}, api.Call{IfMatch: 1})
			return err
		},
	}
	for name, try := range guards {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := start(t, memory.New(), file(config.All("blue"), "blue b1", "green g1", "red r1"))
				errs := make(chan error, 2)
				for _, to := range []string{"green", "red"} {
					go func() { errs <- try(n, to) }()
				}
				a, b := <-errs, <-errs
				if (a == nil) == (b == nil) {
					t.Fatalf("got %v and %v", a, b)
				}
				if err := errors.Join(a, b); name == "from" {
					refused(t, err, api.TypeUnexpectedLivePool)
				} else {
					refused(t, err, api.TypeStaleRevision)
				}
				n.checkSwaps()
			})
		})
	}
}

// slowSwapper lets a test look around while a table is being put in force.
type slowSwapper struct {
	swapper
	begin, finish chan struct{}
}

func (s *slowSwapper) Swap(t *router.Table) {
	if s.begin != nil {
		s.begin <- struct{}{}
		<-s.finish
	}
	s.swapper.Swap(t)
}

// TestAnswerComesAfterSwap: no answer before the proxy has the table; and reads wait for nobody.
func TestAnswerComesAfterSwap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		slow := &slowSwapper{swapper: swapper{store: st}}
		l := New(Options{Config: blueGreen(100), Store: st, Swapper: slow, Prober: newProber()})
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		slow.begin, slow.finish = make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		answered := make(chan error, 1)
		go func() {
			_, err := l.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, api.Call{})
			answered <- err
		}()
		<-slow.begin
		synctest.Wait()
		if len(answered) != 0 {
			t.Error("answered before the table was swapped")
		}
		if s, err := l.Service("shop"); err != nil || s.Weights.InForce["blue"] != 100 {
			t.Errorf("got %+v, %v", s, err)
		}
		if len(l.Overview().Services) != 1 || len(l.Samples()) != 1 {
			t.Error("the reads are empty")
		}
		close(slow.finish)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, w := range slow.wrong {
			t.Error(w)
		}
	})
}

// After Run nothing changes, and nobody waits for ever.
func TestCommandsAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		waits := n.applying(t.Context(), blueGreen(50))
		n.stop()
		synctest.Wait()
		if !waits.done || waits.err == nil {
			t.Errorf("got %+v", waits)
		}
		_, err := n.Pause(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		refused(t, err, api.TypeStoreUnavailable)
		n.Invalid(t.Context(), "d", errors.New("no"))
		n.want("blue=100")
	})
}

func TestSamples(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		if s := n.Samples()[0]; s.Service != "shop" || s.Intent != nil || !s.Since.IsZero() || s.InForce["blue"] != config.Full || strings.Join(s.Pools, " ") != "blue green" {
			t.Errorf("got %+v", s)
		}
		since := time.Now()
		n.set(70)
		rest(time.Hour)
		n.set(50)
		s := n.Samples()[0]
		if s.File["blue"] != config.Full || s.Intent["green"] != 5000 || s.InForce["green"] != 5000 || !s.Since.Equal(since) {
			t.Errorf("got %+v, want since %v", s, since)
		}
	})
}
