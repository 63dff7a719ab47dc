package control

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

// rolloutStorm is two nodes on one store that go through whatever happens, in random order.
type rolloutStorm struct {
	t     *testing.T
	rnd   *rand.Rand
	store *memory.Store
	file  *config.Config
	world *world
	nodes [2]*node
	sick  time.Time // since when green fails; zero: it does not
	well  time.Time // since when it does not
}

// TestRolloutStorm has stores, leaders, nodes, people and upstreams come and go during rollouts. A
// candidate that fails must never be promoted by the judge, and after all the nodes agree.
func TestRolloutStorm(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &rolloutStorm{
					t: t, rnd: rand.New(rand.NewPCG(seed, 2)), store: memory.New(), world: newWorld(40),
					file: canary(20 * time.Second),
				}
				for i := range s.nodes {
					s.boot(i)
				}
				warm()
				for range 60 {
					s.happen()
					for range 1 + s.rnd.IntN(20) {
						rest(time.Second)
						s.check()
					}
				}
				s.settle()
			})
		})
	}
}

func (s *rolloutStorm) boot(i int) {
	if s.nodes[i] != nil {
		s.nodes[i].stop()
	}
	s.nodes[i] = lead(s.t, s.store, s.file, s.world, func(o *Options) {
		o.Node, o.Sampler = fmt.Sprint("node ", i), newTraffic(s.world, s.rnd.Uint64())
	})
	s.nodes[i].swapper.loosen()
}

// happen does one thing that can happen. That commands are refused is part of it.
func (s *rolloutStorm) happen() {
	n, call, ctx := s.nodes[s.rnd.IntN(2)], api.Call{By: "storm"}, s.t.Context()
	switch s.rnd.IntN(12) {
	case 0, 1, 2:
		_, _ = n.StartRollout(ctx, "shop", api.StartRequest{To: "green"}, call)
	case 3:
		_, _ = n.Promote(ctx, "shop", api.PromoteRequest{}, call)
	case 4:
		_, _ = n.StepBack(ctx, "shop", api.CommandRequest{}, call)
	case 5:
		_, _ = n.Rollback(ctx, "shop", api.CommandRequest{}, call)
	case 6:
		_, _ = n.Pause(ctx, "shop", api.CommandRequest{}, call)
		rest(5 * time.Second)
		_, _ = n.Resume(ctx, "shop", api.CommandRequest{}, call)
	case 7:
		s.store.Fail(errors.New("storm"))
		rest(time.Duration(s.rnd.IntN(30)) * time.Second)
		s.store.Fail(nil)
	case 8:
		s.store.Depose()
	case 9:
		s.boot(s.rnd.IntN(2))
	case 10:
		s.world.change("green", func(b *behavior) { b.fails = 0.5 })
		s.sick = time.Now()
	case 11:
		s.world.change("green", func(b *behavior) { b.fails = 0.001 })
		s.sick, s.well = time.Time{}, time.Now()
	}
}

// check demands that the judge gives nothing to a candidate that has been failing for a while, and takes
// nothing from one that has long been well.
func (s *rolloutStorm) check() {
	s.t.Helper()
	for _, n := range s.nodes {
		events, err := n.Events(s.t.Context(), "shop", "")
		if err != nil || len(events) == 0 {
			s.t.Fatalf("events: %v, %v", events, err)
		}
		e := events[len(events)-1]
		if e.By != "switchback" {
			continue
		}
		proven := e.After["green"] > e.Before["green"] && len(e.Checks) > 0 && e.Checks[0].Candidate.Requests > 0
		if proven && !s.sick.IsZero() && e.At.Sub(s.sick) > 10*time.Second {
			s.t.Fatalf("green fails since %v\n%s", s.sick, n.story())
		}
		if e.Type == "rollout.rolled_back" && s.sick.IsZero() && e.At.Sub(s.well) > 30*time.Second {
			s.t.Fatalf("green is well since %v\n%s", s.well, n.story())
		}
	}
}

// settle demands that both nodes have the same in force when nothing happens any more.
func (s *rolloutStorm) settle() {
	s.t.Helper()
	rest(5 * time.Second)
	a, b := s.nodes[0], s.nodes[1]
	if a.weights() != b.weights() || a.stands() != b.stands() || a.types() != b.types() {
		s.t.Errorf("a has %s at %s, b has %s at %s\n%s\n%s", a.weights(), a.stands(), b.weights(), b.stands(), a.story(), b.story())
	}
	if a.Leads() == b.Leads() {
		s.t.Error("not exactly one node leads")
	}
	if s := a.service(); !s.Durable {
		a.t.Error("what is in force is not durable")
	}
}
