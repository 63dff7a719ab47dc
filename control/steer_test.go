package control

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

func TestSteering(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute, func(r *config.Rollout) { r.Steps[1].Approve = true }), newWorld(300))
		ctx, ann := t.Context(), api.Call{By: "ann", From: "127.0.0.1"}
		_, err := n.Promote(ctx, "shop", api.PromoteRequest{}, ann)
		refused(t, err, api.TypeInvalid) // nothing runs
		warm()
		if c := n.startRollout(); !c.Changed || c.Weights["green"] != 5 || c.Undo != "switchback rollback shop" {
			t.Errorf("start: %+v", c)
		}
		_, err = n.StartRollout(ctx, "shop", api.StartRequest{}, ann)
		refused(t, err, api.TypeRolloutInProgress)
		_, err = n.SetWeights(ctx, "shop", api.WeightsRequest{Weights: api.Weights{"blue": 50, "green": 50}}, ann)
		refused(t, err, api.TypeRolloutInProgress)
		if _, err = n.Promote(ctx, "shop", api.PromoteRequest{Reason: "in a hurry"}, ann); err != nil {
			t.Fatal(err)
		}
		rest(2 * time.Minute)
		r := n.service().Rollout
		if n.stands() != "stepping 2 25" || r.Awaits != api.AwaitsApproval || r.Waiting != "an approval" || r.Next == nil || *r.Next != (api.NextStep{Weight: 50, Approve: true}) {
			t.Errorf("without an approval: %s awaits %q, waiting %q, next %+v", n.stands(), r.Awaits, r.Waiting, r.Next)
		}
		if _, err := n.Approve(ctx, "shop", api.CommandRequest{}, ann); err != nil {
			t.Fatal(err)
		}
		n.until("stepping 3", 2*time.Second)
		if c, err := n.StepBack(ctx, "shop", api.CommandRequest{}, ann); err != nil || c.Weights["green"] != 25 {
			t.Errorf("step back: %+v, %v", c, err)
		}
		c, err := n.SetWeights(ctx, "shop", api.WeightsRequest{Weights: api.Weights{"blue": 50, "green": 50}, Force: true, Reason: "by hand"}, ann)
		if err != nil || c.Weights["green"] != 50 || !strings.HasPrefix(n.stands(), "superseded") {
			t.Errorf("forced weights: %+v, %v, rollout %s", c, err, n.stands())
		}
	})
}

func TestPausedRollout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute), newWorld(300))
		warm()
		n.startRollout()
		rest(30 * time.Second)
		ann := api.Call{By: "ann"}
		if _, err := n.Pause(t.Context(), "shop", api.CommandRequest{Reason: "lunch"}, ann); err != nil {
			t.Fatal(err)
		}
		rest(time.Hour)
		r := n.service().Rollout
		observed, _ := time.ParseDuration(r.Observed)
		if n.stands() != "stepping 1 5" || observed > 35*time.Second || r.Awaits != api.AwaitsResume || r.Waiting != "paused by ann" {
			t.Errorf("paused: %s observed %s awaits %q, waiting %q", n.stands(), r.Observed, r.Awaits, r.Waiting)
		}
		if _, err := n.Resume(t.Context(), "shop", api.CommandRequest{}, ann); err != nil {
			t.Fatal(err)
		}
		if took := n.until("stepping 2", time.Minute); took < 25*time.Second {
			t.Errorf("the step went on for %v after the pause; a minute less what was observed was left", took)
		}
	})
}

// TestStartsByVersion has a deployment to the idle pool start its rollout, but not one that failed.
func TestStartsByVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		byVersion := func(version string) *config.Config {
			c := canary(time.Minute, func(r *config.Rollout) { r.Start = config.StartVersion })
			c.Services[0].Pools[1].Version = version
			return files(c.Services...)
		}
		w := newWorld(500)
		n := lead(t, memory.New(), byVersion("2.5.0"), w)
		warm()
		if got := n.stands(); got != "none" {
			t.Fatalf("at the first start a rollout is at %s", got)
		}
		w.change("green", func(b *behavior) { b.fails = 0.5 })
		n.apply(byVersion("2.6.0"))
		n.until("stepping 1", 3*time.Second)
		n.until("rolled_back", 10*time.Second)
		w.change("green", func(b *behavior) { b.fails = 0.001 })
		n.apply(withTimeout(byVersion("2.6.0")))
		rest(time.Minute)
		n.want("blue=100")
		if s := n.service(); s.Failed != "2.6.0" {
			t.Errorf("failed: %q", s.Failed)
		}
		n.apply(byVersion("2.6.1"))
		n.until("promoted", 5*time.Minute)
		n.wantVersions(map[string]string{"1": "2.6.0", "2": "2.6.1"})
	})
}

// TestSticky judges by counted odds: also when one pool alone has requests for seconds.
func TestSticky(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(8)
		c := canary(time.Minute)
		c.Services[0].Sticky = config.Sticky{Key: []config.StickyKey{{Header: "X-User"}}}
		n := lead(t, memory.New(), files(c.Services...), w)
		warm()
		n.startRollout()
		rest(2 * time.Minute)
		w.change("green", func(b *behavior) { b.fails = 1 })
		n.until("rolled_back", 45*time.Second)
		check := n.service().Rollout.Checks[0]
		if check.Candidate.Bad < 3 || check.Candidate.Bad > 25 {
			t.Errorf("a dead candidate failed %+v before it was rolled back", check.Candidate)
		}
	})
}

func TestWaitingText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), canary(time.Minute), newWorld(40))
		warm()
		n.startRollout()
		rest(10 * time.Second)
		if got := n.service().Rollout.Waiting; !strings.HasPrefix(got, "the warm-up of green, ") {
			t.Errorf("waiting %q", got)
		}
		rest(35 * time.Second)
		r := n.service().Rollout
		if !strings.Contains(r.Waiting, "requests on green (about ") || r.Least != "1m" || r.Deadline != "30m" || r.Observed == "0s" {
			t.Errorf("waiting %q, observed %s of %s, deadline %s", r.Waiting, r.Observed, r.Least, r.Deadline)
		}
		for _, c := range r.Checks {
			if c.Name == config.CheckErrors && (c.Candidate.Requests == 0 || c.Baseline.Requests < 10*c.Candidate.Requests || c.Verdict != "undecided" || c.For <= 0) {
				t.Errorf("errors: %+v", c)
			}
		}
		s := n.service()
		share := s.Pools["green"].Traffic
		if share == nil || share.Share < 1 || share.Share > 12 || s.Pools["blue"].Traffic.P99 < 0.03 {
			t.Errorf("seen of green %+v, of blue %+v", share, s.Pools["blue"].Traffic)
		}
		sample := n.Samples()[0]
		if sample.Phase != "stepping" || sample.Step != 1 || len(sample.Evidence) != 4 || math.IsNaN(sample.Evidence[0].For) {
			t.Errorf("for metrics: %+v", sample)
		}
	})
}

func TestPlan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(100)
		n := lead(t, memory.New(), canary(time.Minute), w)
		plan, err := n.Plan(t.Context(), "shop")
		if err != nil || len(plan.Problems) != 1 || !strings.Contains(plan.Problems[0], "no traffic") {
			t.Errorf("without traffic: %+v, %v", plan.Problems, err)
		}
		warm()
		plan, err = n.Plan(t.Context(), "shop")
		if err != nil || plan.Running || math.Abs(plan.Rate-100) > 15 || len(plan.Steps) != 4 || len(plan.Problems) != 0 {
			t.Fatalf("at 100 requests a second: %+v, %v", plan, err)
		}
		first := plan.Steps[0]
		if first.Weight != 5 || first.Least != "1m" || first.Deadline != "30m" || first.Clear.Requests < 20 || len(first.Detect) != 4 {
			t.Errorf("the first step: %+v", first)
		}
		var catches []string
		for _, d := range first.Detect {
			catches = append(catches, d.What)
		}
		if got := fmt.Sprint(catches); got != "[errors +0.2 points errors +1 points errors +5 points p99 ×1.5]" {
			t.Errorf("detects %s", got)
		}

		w.set(func(w *world) { w.rate = 0.5 })
		rest(10 * time.Minute)
		n.startRollout()
		plan, err = n.Plan(t.Context(), "shop")
		if err != nil || !plan.Running || len(plan.Problems) == 0 || !strings.Contains(plan.Problems[0], "too little traffic for the tolerance of ") {
			t.Errorf("at one request in two seconds: %+v, %v", plan.Problems, err)
		}
		_, err = n.Plan(t.Context(), "none")
		refused(t, err, api.TypeNotFound)
	})
}

func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := lead(t, memory.New(), canary(time.Minute), newWorld(0))
		followed, err := n.Follow(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		next := func() api.Event {
			for {
				if e := <-followed; strings.HasPrefix(e.Type, "traffic.") {
					return e
				}
			}
		}
		first := next()
		n.cutover("green")
		second := next()
		n.rollback()
		third := next()
		if got := first.Type + " " + second.Type + " " + third.Type; got != "traffic.weights traffic.cutover traffic.rollback" {
			t.Errorf("followed %s", got)
		}
		after, err := n.Events(ctx, "shop", first.ID)
		if err != nil || len(after) != 2 || after[0].ID != second.ID || after[1].ID != third.ID {
			t.Errorf("after the first: %+v, %v", after, err)
		}
		if after[0].By != "ci" || after[0].From != "127.0.0.1" || after[0].Before["blue"] != 100 || after[0].After["green"] != 100 {
			t.Errorf("cutover: %+v", after[0])
		}
		again, err := n.Follow(ctx, second.ID)
		if err != nil {
			t.Fatal(err)
		}
		var behind []string
		for e := range again {
			if behind = append(behind, e.ID); e.ID == third.ID {
				break
			}
		}
		if slices.Contains(behind, second.ID) || len(behind) > 2 { // the node leads meanwhile
			t.Errorf("followed again from the second: %q, want nothing but what came up to the third", behind)
		}
		_, err = n.Events(ctx, "", "yesterday")
		refused(t, err, api.TypeInvalid)
		cancel()
		for range followed { // what came up before may still be read; the stream ends with its context
		}
	})
}

// wantVersions compares the version that every remembered decision about a rollout names with what that
// rollout brought: those of earlier rollouts keep theirs.
func (n *node) wantVersions(want map[string]string) {
	n.t.Helper()
	events, err := n.Events(n.t.Context(), "shop", "")
	if err != nil {
		n.t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Rollout] = true
		if e.Version != want[e.Rollout] {
			n.t.Errorf("%s of rollout %q is about version %q, want %q", e.Type, e.Rollout, e.Version, want[e.Rollout])
		}
	}
	for id := range want {
		if !seen[id] {
			n.t.Errorf("no decision about rollout %s is remembered", id)
		}
	}
}
