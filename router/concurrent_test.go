package router_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// TestDecideWhileEverythingChanges: requests are decided while health flaps, weights move and tables
// follow one another. Each pool keeps one target up, so every request finds one; in the end nothing is
// in flight on targets that went through every table.
func TestDecideWhileEverythingChanges(t *testing.T) {
	const deciders, requests, swaps = 4, 5000, 500
	random, round := service(t, "random", "blue 50", "green 50"), service(t, "round", "blue 50", "green 50")
	round.Balance = config.RoundRobin
	round.Paths = []string{"/round"}
	for _, s := range []*config.Service{&random, &round} {
		s.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}}
		s.Pools[0].Targets, s.Pools[1].Targets = targets("blue", 1, 2, 3), targets("green", 3, 2, 1)
	}
	c := conf(random, round)
	var current atomic.Pointer[router.Table]
	first := compile(t, c, nil, nil)
	current.Store(first)
	for _, p := range first.Pools {
		health(p, up, un, dn)
	}

	var changing, deciding sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		r := luck(1)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, p := range current.Load().Pools {
				p.Targets[1+r.IntN(2)].SetHealth(router.Health{Status: router.Status(i % 3)})
			}
		}
	})
	changing.Go(func() {
		r := luck(2)
		for range swaps {
			in := intents{}
			for _, s := range []string{"random", "round"} {
				w := config.Weight(r.IntN(10001))
				in[s] = router.Intent{Weights: config.Weights{"blue": config.Full - w, "green": w}, Baseline: "blue"}
			}
			next, err := router.Compile(c, in, nil, current.Load())
			if err != nil {
				t.Errorf("Compile: %v", err)
				return
			}
			current.Store(next)
		}
	})
	for n := range deciders {
		deciding.Go(func() {
			r := luck(uint64(10 + n))
			queries := []*router.Request{get("", "/"), get("", "/", "X-User-Id", "alice"), get("", "/round"), get("", "//round", "X-User-Id", "bob")}
			for i := range requests {
				d, err := current.Load().Decide(queries[i%len(queries)], [2]uint64{r.Uint64(), r.Uint64()})
				if err != nil || d.Target.Pool != d.Pool || d.Fallback {
					t.Errorf("got %+v, %v", d, err)
					return
				}
				d.Target.Begin()
				if d.Pool.InFlight() < 1 {
					t.Error("a pool that serves has nothing in flight")
				}
				d.Target.End()
			}
		})
	}
	deciding.Wait()
	close(stop)
	changing.Wait()
	for _, p := range current.Load().Pools {
		if p.InFlight() != 0 {
			t.Errorf("%s/%s has %d in flight", p.Service.Name, p.Name, p.InFlight())
		}
		if p.Targets[0].State != first.Pools[p.Index].Targets[0].State {
			t.Errorf("%s/%s lost its state", p.Service.Name, p.Name)
		}
	}
}

// TestRoundRobinUnderContention: requests that race for turns spread, and none is left with a target that
// is down.
func TestRoundRobinUnderContention(t *testing.T) {
	const racers, turns = 8, 3000
	p := weighted(t, config.RoundRobin, 1, 1, 1, 1)
	health(p, up, dn, dn, up)
	var served [4]atomic.Int64
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			for range turns {
				target := p.Pick(0)
				for i := range p.Targets {
					if p.Targets[i] == target {
						served[i].Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if served[1].Load() != 0 || served[2].Load() != 0 {
		t.Errorf("targets that are down served %d and %d", served[1].Load(), served[2].Load())
	}
	if a, b := served[0].Load(), served[3].Load(); a+b != racers*turns || min(a, b) < racers*turns/4 {
		t.Errorf("served %d and %d of %d, want about half each", a, b, racers*turns)
	}
}
