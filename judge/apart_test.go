package judge

import (
	"math"
	"testing"
)

// TestApartIsAFairBet: on the line the logarithm of the expected return is not above 0, whatever the guess.
func TestApartIsAFairBet(t *testing.T) {
	for _, sells := range []float64{0.06, 0.3, 0.95, 1.8} {
		for _, guess := range []float64{leastMissing, 0.2, 0.95} {
			for _, odds := range []float64{0.05, 1, 49} {
				l := line{ratio: 1, add: 0.05}
				w := l.apart(guess, odds)
				for _, stake := range []float64{w.most, w.most / 3, -w.less / 3, -w.less} {
					// Poisson streams: the expected product of factors f is exp(Σ rate·(f−1)).
					first, good, x := 1.0, sells-0.05, stake*w.x
					log := first*stake*(1-w.q) - good*stake + 1/odds*(-x*(1-w.p)) + sells/odds*x
					if log > 1e-12 {
						t.Errorf("sells %v, guess %v, odds %v, stake %v: expected return exp(%v)", sells, guess, odds, stake, log)
					}
					for _, factor := range []float64{1 + stake*(1-w.q), 1 - stake, 1 - x*(1-w.p), 1 + x} {
						if factor <= 0 {
							t.Errorf("guess %v, odds %v, stake %v: one request can cost everything", guess, odds, stake)
						}
					}
				}
			}
		}
	}
}

func TestApartFindsWhatIsMissing(t *testing.T) {
	p := Policy{Checks: []Check{{Name: "conversion", Kind: Ratio, MaxDecrease: 0.05, Apart: true}}}
	window := func(sells float64) Window {
		return Window{Seconds: 1, Odds: 0.25, Checks: []Counts{{
			Candidate: Tally{20, 0}, Baseline: Tally{80, 0}, Arrived: Arrived{20 * sells, 80 * 1.5},
		}}}
	}
	for want, sells := range map[Outcome]float64{Fail: 0.8, Pass: 1.5} { // more orders than carts are fine
		tr, m := play(&p, window(sells), 1)
		for range 2000 {
			if o := tr.Verdict(&p).Outcome; o == Fail || o == Pass {
				break
			}
			tr.Observe(&p, &m, window(sells))
		}
		if got := tr.Verdict(&p).Outcome; got != want {
			t.Errorf("selling %v where the baseline sells 1.5 is %v, want %v", sells, got, want)
		}
		if g := m.habits[0].guess.of(&p.Checks[0]); g != leastMissing {
			t.Errorf("guess %v where nothing is missing", g)
		}
	}
}

// TestARatioIsProven: for an equal candidate that sells to two of five, at half of the traffic.
func TestARatioIsProven(t *testing.T) {
	p := Policy{Checks: []Check{{Name: "conversion", Kind: Ratio, MaxDecrease: 0.05}}}
	w := Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{50, 30}, Baseline: Tally{50, 30}}}}
	tr, _ := play(&p, w, 200)
	if v := tr.Verdict(&p); v.Outcome != Pass {
		t.Errorf("%v after 10000 users of each, evidence %v", v.Outcome, math.Exp(tr.Finding(&p, 0).For))
	}
}
