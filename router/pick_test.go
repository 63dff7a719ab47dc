package router_test

import (
	"math"
	"slices"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// weighted is the only pool of a service, with targets of these weights.
func weighted(tb testing.TB, balance config.Balance, weights ...int) *router.Pool {
	tb.Helper()
	web := service(tb, "web", "blue 100")
	web.Balance = balance
	web.Pools[0].Targets = targets("blue", weights...)
	p := table(tb, web).Service("web").Baseline
	for i := range p.Targets {
		p.Targets[i].SetHealth(router.Health{Status: router.Up})
	}
	return p
}

// picks counts n picks by target.
func picks(tb testing.TB, p *router.Pool, n int, rnd func() uint64) []int {
	tb.Helper()
	counts := make([]int, len(p.Targets))
	for range n {
		i := slices.Index(p.Targets, p.Pick(rnd()))
		if i < 0 {
			tb.Fatal("picked a target of no pool")
		}
		counts[i]++
	}
	return counts
}

func zero() uint64 { return 0 }

func TestRoundRobin(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		down    []int
		cycle   int
		want    []int // of every cycle
	}{
		{"one", []int{1}, nil, 1, []int{1}},
		{"equal", []int{1, 1, 1}, nil, 3, []int{1, 1, 1}},
		{"weights", []int{5, 1, 2}, nil, 8, []int{5, 1, 2}},
		{"large weights", []int{600, 300, 100}, nil, 1000, []int{600, 300, 100}},
		{"scaled weights", []int{30000, 10000}, nil, 1000, []int{750, 250}},
		{"tiny beside huge still gets its turn", []int{1, 1_000_000}, nil, 1000, []int{1, 999}},
		{"one down", []int{1, 1, 1}, []int{1}, 2, []int{1, 0, 1}},
		{"the heaviest down", []int{5, 1, 2}, []int{0}, 3, []int{0, 1, 2}},
		{"neighbours down", []int{1, 1, 1, 1, 1}, []int{1, 2}, 3, []int{1, 0, 0, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := weighted(t, config.RoundRobin, tt.weights...)
			p.Service.Config.Health.PanicBelow = 0
			for _, i := range tt.down {
				p.Targets[i].SetHealth(router.Health{Status: router.Down})
			}
			for range 3 {
				if got := picks(t, p, tt.cycle, zero); !slices.Equal(got, tt.want) {
					t.Errorf("a cycle of %d gives %v, want %v", tt.cycle, got, tt.want)
				}
			}
		})
	}
}

// TestRoundRobinIsSmooth: a heavy target does not get its turns in a row.
func TestRoundRobinIsSmooth(t *testing.T) {
	p := weighted(t, config.RoundRobin, 2, 1, 1)
	for i := range 40 {
		got := picks(t, p, 2, zero)
		if got[0] != 1 {
			t.Fatalf("turns %d and %d give %v, want every other one at the target of weight 2", 2*i, 2*i+1, got)
		}
	}
}

func TestLeastInflight(t *testing.T) {
	tests := []struct {
		name     string
		weights  []int
		inflight []int
		want     int
	}{
		{"fewer of two", []int{1, 1}, []int{3, 2}, 1},
		{"fewer by weight", []int{3, 1}, []int{2, 1}, 0},
		{"fewer by weight on the lighter one", []int{3, 1}, []int{7, 2}, 1},
		{"idle beside busy", []int{1, 1}, []int{1, 0}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := weighted(t, config.LeastInflight, tt.weights...)
			for i, n := range tt.inflight {
				for range n {
					p.Targets[i].Begin()
				}
			}
			if got := picks(t, p, 200, luck(1).Uint64); got[tt.want] != 200 {
				t.Errorf("picks %v, want all at %d", got, tt.want)
			}
		})
	}
}

// TestLeastInflightNeverTakesTheBusiest: two different targets are drawn, so the busiest of three
// always loses.
func TestLeastInflightNeverTakesTheBusiest(t *testing.T) {
	p := weighted(t, config.LeastInflight, 1, 1, 1)
	p.Targets[1].Begin()
	if got := picks(t, p, 3000, luck(2).Uint64); got[1] != 0 || got[0] < 1300 || got[2] < 1300 {
		t.Errorf("picks %v, want about half at each idle target", got)
	}
}

// TestLeastInflightDrawsTwo: every pair of targets is equally likely, so the one that only beats the
// busiest serves when it meets that one, a third of the time.
func TestLeastInflightDrawsTwo(t *testing.T) {
	for busiest := range 3 {
		p := weighted(t, config.LeastInflight, 1, 1, 1)
		idle, second := p.Targets[(busiest+1)%3], p.Targets[(busiest+2)%3]
		second.Begin()
		for range 5 {
			p.Targets[busiest].Begin()
		}
		const n = 20_000
		got := picks(t, p, n, luck(6).Uint64)
		if got[busiest] != 0 || !near(got[slices.Index(p.Targets, idle)], n, 2.0/3) {
			t.Errorf("busiest %d: picks %v, want two thirds at the idle target", busiest, got)
		}
	}
}

// TestTargetIsDrawnApartFromPool: the luck that leads to a small pool says nothing about its targets.
func TestTargetIsDrawnApartFromPool(t *testing.T) {
	web := service(t, "web", "blue 95", "green 5")
	web.Pools[1].Targets = targets("green", 1, 1, 1)
	tab, r := table(t, web), luck(7)
	green := tab.Service("web").Candidate
	green.Targets[0].Begin()
	green.Targets[1].Begin()
	n, idle := 0, 0
	for range 100_000 {
		d := decide(t, tab, get("", "/"), [2]uint64{r.Uint64(), r.Uint64()})
		if d.Pool != green {
			continue
		}
		n++
		if d.Target == green.Targets[2] {
			idle++
		}
	}
	if !near(idle, n, 2.0/3) {
		t.Errorf("the idle one of three targets gets %d of %d, want two thirds", idle, n)
	}
}

// TestLeastInflightAtRest: one request at a time leaves nothing in flight to compare; then weights
// alone decide, and no target starves.
func TestLeastInflightAtRest(t *testing.T) {
	for _, weights := range [][]int{{1}, {1, 1}, {1, 2}, {5, 1, 2}, {1, 99}} {
		p := weighted(t, config.LeastInflight, weights...)
		sum := 0
		for _, w := range weights {
			sum += w
		}
		const n = 20_000
		for i, got := range picks(t, p, n, luck(3).Uint64) {
			if !near(got, n, float64(weights[i])/float64(sum)) {
				t.Errorf("weights %v: target %d gets %d of %d", weights, i, got, n)
			}
		}
	}
}

// TestLeastInflightFills: requests that never end settle at the weights.
func TestLeastInflightFills(t *testing.T) {
	p := weighted(t, config.LeastInflight, 1, 2, 3)
	r := luck(4)
	for range 6000 {
		p.Pick(r.Uint64()).Begin()
	}
	for i, target := range p.Targets {
		want := 1000 * int64(i+1)
		if got := target.InFlight(); got < want*9/10 || got > want*11/10 {
			t.Errorf("target %d has %d in flight, want about %d", i, got, want)
		}
	}
	if p.InFlight() != 6000 {
		t.Errorf("the pool has %d in flight, want 6000", p.InFlight())
	}
}

// near reports whether k of n lies within five standard deviations of a share. Shares of nothing and of
// everything are exact.
func near(k, n int, share float64) bool {
	d := math.Abs(float64(k) - float64(n)*share)
	return d <= 5*math.Sqrt(float64(n)*share*(1-share))
}

const (
	un = router.Unknown
	up = router.Up
	dn = router.Down
)

// TestStatuses says which targets of the baseline and of the candidate may be picked.
func TestStatuses(t *testing.T) {
	tests := []struct {
		name      string
		statuses  []router.Status
		panic     int
		baseline  []int
		candidate []int
	}{
		{"unknown serves while none is up", []router.Status{un, un}, 50, []int{0, 1}, []int{0, 1}},
		{"unknown beside down", []router.Status{dn, un, dn}, 50, []int{1}, []int{1}},
		{"up before unknown", []router.Status{un, up}, 50, []int{1}, []int{1}},
		{"all up", []router.Status{up, up}, 50, []int{0, 1}, []int{0, 1}},
		{"half up", []router.Status{up, dn}, 50, []int{0}, []int{0}},
		{"panic below half", []router.Status{up, dn, dn}, 50, []int{0, 1, 2}, []int{0}},
		{"panic takes the unknown too", []router.Status{dn, up, un, dn}, 50, []int{0, 1, 2, 3}, []int{1}},
		{"just enough", []router.Status{up, up, dn}, 66, []int{0, 1}, []int{0, 1}},
		{"just too few", []router.Status{up, up, dn}, 67, []int{0, 1, 2}, []int{0, 1}},
		{"panic at any loss", []router.Status{up, up, dn}, 100, []int{0, 1, 2}, []int{0, 1}},
		{"no panic at full strength", []router.Status{up, up}, 100, []int{0, 1}, []int{0, 1}},
		{"no panic", []router.Status{up, dn, dn, dn}, 0, []int{0}, []int{0}},
		{"no panic without one up", []router.Status{un, dn, dn}, 100, []int{0}, []int{0}},
		{"all down", []router.Status{dn, dn}, 100, nil, nil},
		{"no targets", nil, 50, nil, nil},
	}
	for _, balance := range []config.Balance{config.RoundRobin, config.LeastInflight} {
		for _, tt := range tests {
			t.Run(string(balance)+" "+tt.name, func(t *testing.T) {
				web := service(t, "web", "blue 100", "green 0")
				web.Balance, web.Health.PanicBelow = balance, tt.panic
				for i, pool := range []string{"blue", "green"} {
					web.Pools[i].Targets = targets(pool, slices.Repeat([]int{1}, len(tt.statuses))...)
				}
				s := table(t, web).Service("web")
				for pool, want := range map[*router.Pool][]int{s.Baseline: tt.baseline, s.Candidate: tt.candidate} {
					health(pool, tt.statuses...)
					if got := eligible(pool); !slices.Equal(got, want) {
						t.Errorf("%s picks among %v, want %v", pool.Name, got, want)
					}
					if pool.Usable() != (len(want) > 0) {
						t.Errorf("%s is usable: %v", pool.Name, pool.Usable())
					}
				}
			})
		}
	}
}

// eligible are the targets that 300 picks meet.
func eligible(p *router.Pool, tried ...*router.Target) []int {
	var met []int
	r := luck(5)
	for range 300 {
		if target := p.Pick(r.Uint64(), tried...); target != nil {
			met = append(met, slices.Index(p.Targets, target))
		}
	}
	slices.Sort(met)
	return slices.Compact(met)
}

func TestPickAgain(t *testing.T) {
	for _, balance := range []config.Balance{config.RoundRobin, config.LeastInflight} {
		p := weighted(t, balance, 1, 1, 1, 1)
		health(p, up, up, un, dn)
		if got := eligible(p, p.Targets[0]); !slices.Equal(got, []int{1}) {
			t.Errorf("%s: a second try meets %v, want the other one that is up", balance, got)
		}
		if got := p.Pick(0, p.Targets[0], p.Targets[1]); got != nil {
			t.Errorf("%s: a third try meets %s, want none", balance, got.URL)
		}
		health(p, up, dn, un, dn)
		if got := eligible(p, p.Targets[0]); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("%s: a second try in panic meets %v, want all others", balance, got)
		}
	}
}

func TestCount(t *testing.T) {
	p := weighted(t, config.LeastInflight, 1, 1, 1, 1)
	health(p, up, up, un, dn)
	if p.Count(up) != 2 || p.Count(un) != 1 || p.Count(dn) != 1 {
		t.Errorf("up %d, unknown %d, down %d", p.Count(up), p.Count(un), p.Count(dn))
	}
}
