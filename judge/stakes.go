package judge

import "math"

// Nobody knows how bad a candidate will be, so the capital is spread over stakes: an average of
// evidences is evidence.
var (
	// stakes on "worse", as absolute numbers; where illegal, the largest legal stake is taken. The last
	// one is the outage bet.
	stakes = [8]float64{0.04, 0.1, 0.25, 0.6, 1.5, 4, 10, 25}
	spread = [8]float64{0.06, 0.09, 0.13, 0.17, 0.19, 0.17, 0.12, 0.07}
	// fractions of the largest legal stake on "better", in equal parts.
	fractions = [6]float64{0.1, 0.2, 0.35, 0.55, 0.75, 0.95}
)

// outage is the part of all requests that fails for the outage bet: its guess is the pooled share that
// a dead candidate would show, which doubles its growth at half of the traffic.
const outage = 0.9

// tuning is what tests vary; the product uses standard.
type tuning struct {
	limit float64 // nats that one window can add; 0: no limit
	onset float64 // windows; scale of the onset mixture
	least float64 // bad candidate events before a rollback
}

var standard = tuning{limit: 3, onset: onset, least: 3}

// round is one window as the stakes see it.
type round struct {
	counts *Counts
	odds   float64
	guess  float64 // of the baseline's bad share, from earlier windows only
	phi    float64 // dispersion, from earlier windows only; at least 1
	tuning tuning
	ratio  bool // a business ratio
	apart  bool // the same, counted apart
}

// bets prepares them around a guess.
func (r *round) bets(l line, guess float64) wager {
	if r.apart {
		return l.apart(guess, r.odds)
	}
	return l.around(guess, r.odds)
}

// betAgainst updates the roll-back capitals; part of the capital starts in this round.
func (r *round) betAgainst(capitals *[len(stakes)]float64, l line, part float64) {
	w := r.bets(l, r.guess)
	for k, stake := range stakes {
		if k == len(stakes)-1 {
			w = r.bets(l, max(r.guess, outage*r.odds/(1+r.odds)))
		}
		r.settle(&capitals[k], w.gain(min(stake, w.most), r.counts), part*spread[k])
	}
}

// betProof updates the promote capitals; part of the capital starts in this round.
func (r *round) betProof(capitals *[len(fractions)]float64, l line, part float64) {
	w := r.bets(l, r.guess)
	if r.ratio {
		w.less = min(w.less, w.careful())
	}
	for k, f := range fractions {
		r.settle(&capitals[k], w.gain(-f*w.less, r.counts), part/float64(len(fractions)))
	}
}

// settle adds the starting part to a capital and then the gain of the round, divided by the dispersion
// and then limited. A power of at most 1 of a losing bet is a losing bet (Jensen), and so is its minimum
// with anything.
func (r *round) settle(capital *float64, gain, part float64) {
	gain /= r.phi
	if r.tuning.limit > 0 {
		gain = min(gain, r.tuning.limit)
	}
	*capital = gain + addLogs(*capital, math.Log(part))
}
