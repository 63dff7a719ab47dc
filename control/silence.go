package control

import (
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
)

// A policy without a latency check cannot see a candidate that hangs: its requests have not failed when
// they are counted, and fail later. So such a policy has the requests that were without an answer by then
// counted too. They are no evidence, they only hold a promotion up: a slow version is no broken one.

// ever is the threshold under which every answer falls that came in time.
const ever = time.Hour

// leastSilent is how many requests without an answer are no chance.
const leastSilent = 3

// silence is how many requests of the step had no answer in time, by pool.
type silence struct {
	Baseline, Candidate judge.Tally
}

// ear is the threshold by which silence is heard; -1 when a check that decides hears a candidate that hangs,
// or when checks that only observe have left no threshold free.
func (t *trial) ear() int {
	free := 0
	for i, slot := range t.slots {
		if slot < 0 || slot >= metrics.Latencies {
			continue // hears nothing, or only responses that came
		}
		if !t.policy.Checks[i].ObserveOnly {
			return -1
		}
		free = max(free, slot+1)
	}
	if free == metrics.Latencies {
		return -1
	}
	return free
}

// listen adds the counts of a window, by the threshold that is the ear.
func (s *silence) listen(c *counted, ear int) {
	add := func(n *judge.Tally, w *metrics.Window) {
		if w.Over[ear] == ever {
			sum := w.Total()
			n.Requests += float64(sum.Requests)
			n.Bad += float64(sum.Slow(ear))
		}
	}
	add(&s.Baseline, &c.baseline)
	add(&s.Candidate, &c.candidate)
}

// holds reports whether the candidate is silent more often than its line of errors allows, or has not been
// listened to yet.
func (s *silence) holds(p *judge.Policy) bool {
	if s.Candidate.Requests == 0 {
		return true
	}
	line := judge.Check{MaxRatio: 1}
	for i := range p.Checks {
		if p.Checks[i].Kind == judge.Errors && p.Checks[i].MaxRatio > 0 {
			line = p.Checks[i]
		}
	}
	allowed := line.MaxRatio*s.Baseline.Share() + line.MaxIncrease
	return s.Candidate.Bad >= leastSilent && s.Candidate.Share() > allowed
}

// say is what a step waits for whose candidate is silent, "" when it is not.
func (s *silence) say(p *judge.Policy, candidate string) string {
	if s.Candidate.Bad < leastSilent || !s.holds(p) {
		return ""
	}
	n := total(s.Candidate)
	return fmt.Sprintf("%d of %d requests on %s had no answer in time", n.Bad, n.Requests, candidate)
}
