package control

import (
	"cmp"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/rollout"
)

// trips is what a ratio check counted and the judge has not been given yet.
type trips struct {
	place               int
	past                bool
	odds                float64 // of the coin, where users have no key
	candidate, baseline metrics.Arrivals
	cells               [groups]metrics.Arrivals // of the baseline
	flow                flow
}

// span is how many seconds after its beginning a journey is over.
func span(svc *config.Service, c *config.Check) int64 {
	if !keyed(svc) {
		return 0
	}
	return int64(c.Within / time.Second)
}

// travel gives the journeys that are over by now to the judge.
func (l *Loop) travel(svc *config.Service, t *trial, r *rollout.Rollout, baseline, candidate string, upto int64, parts []sharedPart) {
	for i := range svc.Rollout.Checks {
		c := &svc.Rollout.Checks[i]
		if c.Kind != config.KindRatio {
			continue
		}
		seen := l.o.Sampler.Journeys(svc.Name, c.Name).Take(upto-span(svc, c), nil)
		for _, part := range parts {
			seen = append(seen, part.Journeys[c.Name]...)
		}
		l.arrivals(svc, t, r, i, baseline, candidate, seen)
	}
}

// arrivals goes through the passages of a check in the order in which they were in force.
func (l *Loop) arrivals(svc *config.Service, t *trial, r *rollout.Rollout, check int, baseline, candidate string, seen []metrics.Passage) {
	name := t.policy.Checks[check].Name
	n := t.trips[name]
	if n == nil {
		n = &trips{}
		t.trips[name] = n
	}
	place := func(p *metrics.Passage) int {
		_, at := l.generation(svc.Name, p.Revision)
		return at
	}
	slices.SortStableFunc(seen, func(a, b metrics.Passage) int {
		return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(place(&a), place(&b)))
	})
	begun := uint32(0)
	for i := range seen {
		p := &seen[i]
		if p.Pool != baseline && p.Pool != candidate {
			continue
		}
		begun += p.Total().Begun
		g, at := l.generation(svc.Name, p.Revision)
		if r == nil || g == nil || g.rollout != r.ID || g.epoch.Rollback != r.Epoch.Rollback {
			if p.Pool == baseline { // of before the rollout, or of before its evidence
				t.memory(baseline).Learn(&t.policy, t.tripWindow(check, &trips{baseline: p.Total(), cells: p.Groups}))
			}
			continue
		}
		past := g.epoch.Step != r.Epoch.Step || g.epoch.Promote != r.Epoch.Promote
		if n.place != at || n.past != past {
			l.flushTrips(svc, t, r, check, n)
		}
		n.place, n.past = at, past
		if !keyed(svc) {
			n.odds = g.odds(r)
		}
		n.add(p, p.Pool == candidate)
		if n.odds == 0 && n.candidate.Begun > 0 && n.baseline.Begun > 0 {
			l.flushTrips(svc, t, r, check, n) // counted odds need requests of both pools
		}
	}
	if n.odds > 0 {
		l.flushTrips(svc, t, r, check, n)
	}
	n.flow.add(begun, 1)
	o := t.Outside[name]
	o.Rate = n.flow.rate()
	t.note(name, o)
}

func (n *trips) add(p *metrics.Passage, candidate bool) {
	sum := p.Total()
	if candidate {
		n.candidate.Begun += sum.Begun
		n.candidate.Arrived += sum.Arrived
		return
	}
	n.baseline.Begun += sum.Begun
	n.baseline.Arrived += sum.Arrived
	for g := range n.cells {
		n.cells[g].Begun += p.Groups[g].Begun
		n.cells[g].Arrived += p.Groups[g].Arrived
	}
}

// flushTrips gives the judge what was gathered, thin or not, and begins anew.
func (l *Loop) flushTrips(svc *config.Service, t *trial, r *rollout.Rollout, check int, n *trips) {
	if n.candidate.Begun > 0 || n.baseline.Begun > 0 {
		w := t.tripWindow(check, n)
		w.Past, w.Odds = n.past, n.odds
		w.Paused = l.records[svc.Name].state.Paused != nil
		t.Trial.Observe(&t.policy, t.memory(r.Baseline), w)
	}
	*n = trips{place: n.place, past: n.past, flow: n.flow}
}

// tripWindow turns arrivals into a window of one check. It has no length: the windows of the other checks
// have that already. Where journeys are users' the split is by the counts, since what counts depends on how
// it was answered.
func (t *trial) tripWindow(check int, n *trips) judge.Window {
	w := judge.Window{Checks: make([]judge.Counts, len(t.policy.Checks))}
	c, apart := &w.Checks[check], t.policy.Checks[check].Apart
	c.Candidate, c.Baseline = missed(n.candidate), missed(n.baseline)
	c.Arrived = judge.Arrived{Candidate: float64(n.candidate.Arrived), Baseline: float64(n.baseline.Arrived)}
	c.Cells = make([]judge.Tally, groups)
	for g, a := range n.cells {
		c.Cells[g] = missed(a)
		if apart { // parts of both streams: how many of the requests were of the first kind
			c.Cells[g] = judge.Tally{Requests: float64(a.Begun) + float64(a.Arrived), Bad: float64(a.Begun)}
		}
	}
	return w
}

// missed counts what was hoped of in vain as bad.
func missed(a metrics.Arrivals) judge.Tally {
	return judge.Tally{Requests: float64(a.Begun), Bad: float64(a.Begun - min(a.Arrived, a.Begun))}
}

// keyed reports whether journeys are users': the proxy counts them so where the service has a key.
func keyed(svc *config.Service) bool { return len(svc.Sticky.Key) > 0 }

// policyOf is what the judge holds a candidate of a service to.
func policyOf(svc *config.Service) judge.Policy {
	p := rollout.Policy(svc.Rollout)
	for i := range p.Checks {
		p.Checks[i].Apart = p.Checks[i].Kind == judge.Ratio && !keyed(svc)
	}
	return p
}
