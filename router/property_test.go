package router_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// split is weights of pools in file order, one of which is the baseline.
type split struct {
	weights  []config.Weight
	baseline int
	seed     config.Seed
	versions []string
}

// randomSplit has 2 to 5 pools whose weights add up, often with a tiny one or one of nothing.
func randomSplit(r *rand.Rand) split {
	n := 2 + r.IntN(4)
	return split{weights: randomWeights(r, n), baseline: r.IntN(n), seed: config.SeedFixed}
}

func randomWeights(r *rand.Rand, n int) []config.Weight {
	weights := make([]config.Weight, n)
	left := config.Full
	order := r.Perm(n)
	for _, i := range order[1:] {
		w := config.Weight(r.IntN(int(left) + 1))
		switch r.IntN(4) {
		case 0:
			w = min(left, 1) // 0.01 %
		case 1:
			w = min(left, config.Weight(r.IntN(200)))
		}
		weights[i] = w
		left -= w
	}
	weights[order[0]] = left
	return weights
}

// service has pools 0, 1, 2, … and takes its sticky key from X-User-Id.
func (s split) service(name string) (config.Service, router.Intent) {
	c := config.Service{
		Name: name, Paths: []string{"/"}, Weights: config.Weights{},
		Sticky: config.Sticky{Key: []config.StickyKey{{Header: "X-User-Id"}}, Seed: s.seed},
	}
	for i, w := range s.weights {
		pool := config.Pool{Name: strconv.Itoa(i), Targets: targets("t", 1)}
		if s.versions != nil {
			pool.Version = s.versions[i]
		}
		c.Pools = append(c.Pools, pool)
		c.Weights[pool.Name] = w
	}
	return c, router.Intent{Baseline: strconv.Itoa(s.baseline)}
}

func (s split) table(tb testing.TB) *router.Table {
	tb.Helper()
	c, in := s.service("web")
	return compile(tb, conf(c), intents{"web": in}, nil)
}

// users are sticky keys.
func users(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("user-", i)
	}
	return all
}

// assign says which pool each key meets, by its place among the pools.
func (s split) assign(tb testing.TB, keys []string) []int {
	tb.Helper()
	tab := s.table(tb)
	f := fields{}
	q := &router.Request{Path: "/", Header: f}
	met := make([]int, len(keys))
	for i, key := range keys {
		f["X-User-Id"] = key
		met[i] = decide(tb, tab, q, [2]uint64{}).Pool.Index
	}
	return met
}

// TestShares: by hash and by chance alike, every pool gets its weight within five standard deviations.
func TestShares(t *testing.T) {
	const n = 10_000
	keys := users(n)
	for seed := range uint64(50) {
		r := luck(seed)
		s := randomSplit(r)
		byKey, byChance := make([]int, len(s.weights)), make([]int, len(s.weights))
		for _, pool := range s.assign(t, keys) {
			byKey[pool]++
		}
		tab, q := s.table(t), get("", "/")
		for range n {
			byChance[decide(t, tab, q, [2]uint64{r.Uint64(), r.Uint64()}).Pool.Index]++
		}
		for i, w := range s.weights {
			share := float64(w) / float64(config.Full)
			if !near(byKey[i], n, share) || !near(byChance[i], n, share) {
				t.Errorf("%v, baseline %d: pool %d has %s but got %d by key and %d by chance of %d",
					s.weights, s.baseline, i, w, byKey[i], byChance[i], n)
			}
		}
	}
}

// TestChanceIsExact: the lines between pools lie where the weights say, to the last of 2³² positions.
func TestChanceIsExact(t *testing.T) {
	for seed := range uint64(200) {
		s := randomSplit(luck(seed))
		tab, q := s.table(t), get("", "/")
		at := func(position uint64) int {
			return decide(t, tab, q, [2]uint64{position<<32 | 0xffffffff, 0}).Pool.Index
		}
		sum := uint64(0)
		for i, w := range s.weights {
			if i == s.baseline || w == 0 {
				continue
			}
			first := (sum<<32 + 9999) / 10000 // rounded up
			sum += uint64(w)
			last := (sum<<32+9999)/10000 - 1
			if at(first) != i || at(last) != i {
				t.Errorf("%v, baseline %d: positions %d to %d meet %d and %d, want %d", s.weights, s.baseline, first, last, at(first), at(last), i)
			}
		}
		if rest := (sum<<32 + 9999) / 10000; rest < 1<<32 && at(rest) != s.baseline {
			t.Errorf("%v: who is left meets %d, want the baseline %d", s.weights, at(rest), s.baseline)
		}
	}
}

// TestGrowth: raising the candidate's weight only moves users to it, lowering it only takes users away,
// also past 50 % and wherever the candidate stands in the file.
func TestGrowth(t *testing.T) {
	keys := users(1000)
	for seed := range uint64(20) {
		r := luck(seed)
		baseline := r.IntN(2)
		candidate := 1 - baseline
		steps := []int{0, 1, 500, 2500, 4999, 5000, 5001, 7500, 9999, 10000}
		for range 10 {
			steps = append(steps, r.IntN(10001))
		}
		slices.Sort(steps)
		for _, way := range []string{"up", "down"} {
			var before []int
			for _, w := range steps {
				s := split{weights: make([]config.Weight, 2), baseline: baseline, seed: config.SeedFixed}
				s.weights[candidate], s.weights[baseline] = config.Weight(w), config.Full-config.Weight(w)
				met := s.assign(t, keys)
				leaving := candidate
				if way == "down" {
					leaving = baseline
				}
				for i := range before {
					if before[i] == leaving && met[i] != leaving {
						t.Fatalf("%s to %d: %s left pool %d", way, w, keys[i], leaving)
					}
				}
				before = met
			}
			slices.Reverse(steps)
		}
	}
}

// walk is the order in which the pools take their share: file order, the baseline last.
func (s split) walk() []int {
	var order []int
	for i := range s.weights {
		if i != s.baseline {
			order = append(order, i)
		}
	}
	return append(order, s.baseline)
}

// TestRaisingOneOfMany: a pool that grows at the baseline's cost loses nobody, pools before it in the
// walk keep everybody, and who moves at all moves to an earlier place in the walk. Lowering is the same
// backwards. The last pool before the baseline gets its users from the baseline and nobody else moves.
func TestRaisingOneOfMany(t *testing.T) {
	keys := users(2000)
	for seed := range uint64(100) {
		r := luck(seed)
		s := randomSplit(r)
		order := s.walk()
		place := make([]int, len(order))
		for at, pool := range order {
			place[pool] = at
		}
		grows := order[r.IntN(len(order)-1)]
		by := config.Weight(r.IntN(int(s.weights[s.baseline]) + 1))
		raised := s
		raised.weights = slices.Clone(s.weights)
		raised.weights[grows] += by
		raised.weights[s.baseline] -= by

		before, after := s.assign(t, keys), raised.assign(t, keys)
		last := place[grows] == len(order)-2
		for i, was := range before {
			is := after[i]
			if was == is {
				continue
			}
			if place[is] > place[was] || place[is] < place[grows] || last && (is != grows || was != s.baseline) {
				t.Fatalf("%v to %v, baseline %d: %s moved from %d to %d", s.weights, raised.weights, s.baseline, keys[i], was, is)
			}
		}
	}
}

// TestFewMove: changing weights moves few users. The least possible is the total variation distance of
// the weights; the walk needs it with two pools and at most n−1 times as much with n. (Each step of the
// walk moves at most the distance: it compares one position with w/r and then w′/r′, and on the part of
// the users that reach it, at most the smaller of r and r′, that is |Δw| or the change of what is left.)
func TestFewMove(t *testing.T) {
	const n = 10_000
	keys := users(n)
	worst := map[int]float64{}
	for seed := range uint64(100) {
		r := luck(seed)
		s := randomSplit(r)
		next := s
		next.weights = randomWeights(r, len(s.weights))
		distance := 0.0
		for i := range s.weights {
			distance += math.Abs(float64(s.weights[i]-next.weights[i])) / 2 / float64(config.Full)
		}
		moved := 0
		before := s.assign(t, keys)
		for i, is := range next.assign(t, keys) {
			if before[i] != is {
				moved++
			}
		}
		pools := len(s.weights)
		bound := min(1, float64(pools-1)*distance)
		if float64(moved) < n*distance-slack(n, distance) || float64(moved) > n*bound+slack(n, bound) {
			t.Errorf("%v to %v, baseline %d: %d of %d moved, want %.0f to %.0f",
				s.weights, next.weights, s.baseline, moved, n, n*distance, n*bound)
		}
		if distance > 0.01 {
			worst[pools] = max(worst[pools], float64(moved)/n/distance)
		}
	}
	t.Logf("moved, as a multiple of the least possible, by number of pools: at worst %v", worst)
}

// slack is five standard deviations of a count with this share.
func slack(n int, share float64) float64 { return 5 * math.Sqrt(float64(n)*share*(1-share)) }
