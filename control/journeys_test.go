package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
)

// TestConversionsOnTheLine plays rollouts of half an hour whose candidate sells exactly as much less as is
// allowed, with carts and orders that are counted apart. At most alpha of them may go back, and at most beta
// of the steps may be promoted by evidence of which there is none.
func TestConversionsOnTheLine(t *testing.T) {
	const rollouts = 50
	for _, test := range []struct{ carts, share, converts float64 }{
		{40, 0.05, 0.3}, {40, 0.05, 0.8}, {40, 0.25, 0.95}, {100, 0.5, 0.6},
	} {
		t.Run(fmt.Sprintf("%v carts, %v, %v", test.carts, test.share, test.converts), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(100*test.share)))
			count := func(mean float64) uint32 {
				n, limit := uint32(0), math.Exp(-mean)
				for p := rnd.Float64(); p > limit; p *= rnd.Float64() {
					n++
				}
				return n
			}
			back, proven := 0, 0
			for range rollouts {
				switch trip(count, test.carts, test.share, test.converts, test.converts-0.05) {
				case judge.Fail:
					back++
				case judge.Pass:
					proven++
				case judge.Undecided, judge.Missing:
				}
			}
			t.Logf("%d of %d went back, %d went on", back, rollouts, proven)
			if back > 3 || proven > 8 { // of 0.5 and 2.5 at most, on average
				t.Errorf("%d of %d went back, %d went on", back, rollouts, proven)
			}
			if got := trip(count, test.carts, test.share, test.converts, test.converts/2); got != judge.Fail {
				t.Errorf("half of the orders were missing and it is %v", got)
			}
			if got := trip(count, test.carts, test.share, test.converts, test.converts); got != judge.Pass {
				t.Errorf("an equal version is %v", got)
			}
		})
	}
}

// trip plays one step and returns the first verdict that decides.
func trip(count func(float64) uint32, carts, share, baseline, candidate float64) judge.Outcome {
	tr := &trial{policy: judge.Policy{Checks: []judge.Check{{Name: "conversion", Kind: judge.Ratio, MaxDecrease: 0.05, Apart: true}}}}
	tr.Trial.Step(1)
	m := tr.memory("blue")
	pass := func(pool string, carts, converts float64) *metrics.Passage {
		p := &metrics.Passage{Pool: pool}
		for g := range p.Groups {
			p.Groups[g] = metrics.Arrivals{Begun: count(carts / groups), Arrived: count(carts * converts / groups)}
		}
		return p
	}
	for range 600 { // the baseline is known before
		n := &trips{}
		n.add(pass("blue", carts, baseline), false)
		w := tr.tripWindow(0, n)
		w.Seconds = 1
		m.Learn(&tr.policy, w)
	}
	for range 1800 {
		n := &trips{}
		n.add(pass("blue", carts*(1-share), baseline), false)
		n.add(pass("green", carts*share, candidate), true)
		w := tr.tripWindow(0, n)
		w.Seconds, w.Odds = 1, share/(1-share)
		tr.Trial.Observe(&tr.policy, m, w)
		if o := tr.Trial.Verdict(&tr.policy).Outcome; o == judge.Fail || o == judge.Pass {
			return o
		}
	}
	return judge.Undecided
}
