package control

import (
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
)

// keepGenerations bounds how many a service remembers: requests that are judged began moments ago.
const keepGenerations = 32

// generation is what was in force of a service under one revision of its state: what the odds of a
// request were, and which evidence it belongs to.
type generation struct {
	number  int64
	weights config.Weights
	rollout string // ID of the rollout that ran; "": none
	epoch   rollout.Epoch
}

// odds are the coin's: the candidate's weight over the baseline's. 0: there is none that could be bet on.
func (g *generation) odds(r *rollout.Rollout) float64 {
	if g.weights[r.Baseline] <= 0 {
		return 0
	}
	return float64(g.weights[r.Candidate]) / float64(g.weights[r.Baseline])
}

// remember notes what a table brings into force.
func (l *Loop) remember(t *router.Table) {
	for _, s := range t.Services {
		known := l.generations[s.Name]
		if n := len(known); n > 0 && known[n-1].number == s.Revision {
			continue
		}
		g := generation{number: s.Revision, weights: s.Weights}
		if r := l.records[s.Name].state.Running(); r != nil {
			g.rollout, g.epoch = r.ID, r.Epoch
		}
		known = append(known, g)
		l.generations[s.Name] = known[max(0, len(known)-keepGenerations):]
	}
}

// generation finds what was in force under a number, and its place among the others; -1: unknown.
func (l *Loop) generation(service string, number int64) (*generation, int) {
	known := l.generations[service]
	for i := len(known) - 1; i >= 0; i-- {
		if known[i].number == number {
			return &known[i], i
		}
	}
	return nil, -1
}
