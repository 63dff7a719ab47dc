package router

import (
	"slices"

	"github.com/switchback-proxy/switchback/config"
)

// Usable reports whether the pool has a target that can serve: one that is up, or, while none is, one
// that is still unknown.
func (p *Pool) Usable() bool { return p.Count(Down) < len(p.Targets) }

// Pick chooses a target among those that can serve and are not in tried, nil when there is none. rnd is
// chance for the balances that need it. It does not allocate.
func (p *Pool) Pick(rnd uint64, tried ...*Target) *Target {
	e := p.eligible(tried)
	if e.n == 0 {
		return nil
	}
	if p.Service.Config.Balance == config.RoundRobin {
		return e.next()
	}
	a := e.draw(uint32(rnd), nil) //nolint:gosec // the lower half
	if e.n == 1 {
		return a
	}
	b := e.draw(uint32(rnd>>32), a)
	// Compare load per weight without dividing. On a tie the first draw stands, so at rest, with nothing
	// in flight, requests are spread by weight.
	if b.InFlight()*int64(a.Weight) < a.InFlight()*int64(b.Weight) {
		return b
	}
	return a
}

// eligible is the targets of a pool that may serve one request.
type eligible struct {
	pool    *Pool
	tried   []*Target
	accept  Status
	all     bool // panic: so few are up that health is ignored
	n       int
	weights int
}

func (p *Pool) eligible(tried []*Target) eligible {
	e := eligible{pool: p, tried: tried, accept: Up}
	up := p.Count(Up)
	if up == 0 {
		e.accept = Unknown
	}
	// Sending everything to the few that are left would take them down as well.
	e.all = p == p.Service.Baseline && up > 0 && up*100 < p.Service.Config.Health.PanicBelow*len(p.Targets)
	for _, t := range p.Targets {
		if e.has(t) {
			e.n++
			e.weights += t.Weight
		}
	}
	return e
}

func (e *eligible) has(t *Target) bool {
	return (e.all || t.Status() == e.accept) && !slices.Contains(e.tried, t)
}

// draw chooses by weight among the eligible targets other than not. Health may change between counting
// and drawing, so the last one seen serves when the numbers no longer add up.
func (e *eligible) draw(rnd uint32, not *Target) *Target {
	sum := e.weights
	if not != nil {
		sum -= not.Weight
	}
	at := int(uint64(rnd) * uint64(sum) >> 32) //nolint:gosec // below the sum of weights
	var last *Target
	for _, t := range e.pool.Targets {
		if t == not || !e.has(t) {
			continue
		}
		last = t
		if at -= t.Weight; at < 0 {
			break
		}
	}
	if last == nil {
		return e.fallback(not)
	}
	return last
}

// fallback serves when health changed since counting, or when other requests took every eligible turn.
func (e *eligible) fallback(not *Target) *Target {
	if not != nil {
		return not
	}
	for _, t := range e.pool.Targets {
		if e.has(t) {
			return t
		}
	}
	for _, t := range e.pool.Targets {
		if !slices.Contains(e.tried, t) {
			return t
		}
	}
	return e.pool.Targets[0]
}

// next takes turns of round robin until one belongs to an eligible target. Turns of the others are spent,
// not handed to their neighbours, so who is left keeps its proportion.
func (e *eligible) next() *Target {
	ring := e.pool.ring
	size := uint32(len(ring)) //nolint:gosec // bounded by maxRing and the number of targets
	for range ring {
		turn := (e.pool.state.turn.Add(1) - 1) % size
		if t := e.pool.Targets[ring[turn]]; e.has(t) {
			return t
		}
	}
	return e.fallback(nil)
}

// maxRing bounds the turns of round robin; beyond it weights are kept in proportion.
const maxRing = 1000

// ring spreads the turns of each target evenly: in every turn each gains its weight, and the one with
// the most pays the sum of all.
func ring(targets []*Target) []int {
	weights := make([]int, len(targets))
	sum := 0
	for i, t := range targets {
		weights[i] = t.Weight
		sum += t.Weight
	}
	if sum > maxRing {
		scale := sum
		sum = 0
		for i := range weights {
			weights[i] = max(1, weights[i]*maxRing/scale)
			sum += weights[i]
		}
	}
	credit := make([]int, len(targets))
	turns := make([]int, sum)
	for n := range turns {
		best := 0
		for i := range credit {
			credit[i] += weights[i]
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		turns[n] = best
	}
	return turns
}
