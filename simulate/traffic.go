package simulate

import (
	"math/rand/v2"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
)

// traffic draws what happens in a second.
type traffic struct {
	world *world
	rand  *rand.Rand
	at    []float64 // by client: it is on the candidate when this is below the candidate's weight

	weight    float64 // of the candidate
	candidate stream
	baseline  [cells]stream

	// limits are the buckets beyond which requests of the baseline and of the candidate are slow, for
	// each latency check in force, and places which check of the policy that is.
	limits [2][]int
	places []int
	bins   []float64   // of the second, by bucket
	slow   []float64   // of the requests drawn last, by limit
	sent   judge.Tally // to the candidate in the last second
}

// stream is requests of one kind: how many come in a second and by how much their failures differ from
// the mean.
type stream struct{ rate, failures float64 }

// weather is what the second is like.
type weather struct {
	baseline, worse *law
	change          Change
	outage          float64
}

func newTraffic(w *world, r *rand.Rand) *traffic {
	t := &traffic{world: w, rand: r, bins: make([]float64, width), slow: make([]float64, len(w.policy.Checks))}
	t.at = make([]float64, len(w.clients))
	for i := range t.at {
		t.at[i] = r.Float64()
	}
	return t
}

// split puts weights in force.
func (t *traffic) split(candidate config.Weight) {
	t.weight = float64(candidate) / float64(config.Full)
	t.candidate, t.baseline = stream{}, [cells]stream{}
	if t.world.clients == nil {
		t.splitCoin()
		return
	}
	for i, c := range t.world.clients {
		to := &t.baseline[c.cell]
		if t.at[i] < t.weight {
			to = &t.candidate
		}
		to.rate += c.requests * t.world.plan.Rate
		to.failures += c.requests * t.world.plan.Rate * c.failures
	}
	t.candidate.normalize()
	for i := range t.baseline {
		t.baseline[i].normalize()
	}
}

// excess is by how much the candidate's clients fail more often than the baseline's, whoever serves them.
func (t *traffic) excess() float64 {
	var others stream
	for _, s := range t.baseline {
		others.rate += s.rate
		others.failures += s.rate * s.failures
	}
	if others.rate == 0 {
		return 0
	}
	others.normalize()
	return t.world.plan.Errors * (t.candidate.failures - others.failures)
}

// splitCoin gives every target of the baseline its part.
func (t *traffic) splitCoin() {
	rate := t.world.plan.Rate
	t.candidate = stream{rate: rate * t.weight, failures: 1}
	n := t.world.targets()
	for i := range n {
		t.baseline[i] = stream{rate: rate * (1 - t.weight) / float64(n), failures: 1}
	}
}

// targets is how many cells the baseline's targets make. Those behind a name are taken as two.
func (w *world) targets() int {
	most := 2
	for i := range w.service.Pools {
		most = max(most, len(w.service.Pools[i].Targets))
	}
	return min(most, cells)
}

func (s *stream) normalize() {
	if s.rate > 0 {
		s.failures /= s.rate
	}
}

// publish puts the thresholds in force that follow from what is known.
func (t *traffic) publish(m *judge.Memory) {
	t.places, t.limits[0], t.limits[1] = t.places[:0], t.limits[0][:0], t.limits[1][:0]
	for i := range t.world.policy.Checks {
		baseline, candidate, ok := m.Thresholds(&t.world.policy.Checks[i])
		if !ok {
			continue
		}
		t.places = append(t.places, i)
		t.limits[0] = append(t.limits[0], judge.BucketOf(baseline))
		t.limits[1] = append(t.limits[1], judge.BucketOf(candidate))
	}
}

// second draws the requests that begin in one second. The window is the caller's.
func (t *traffic) second(now weather) judge.Window {
	checks := t.world.policy.Checks
	w := judge.Window{Seconds: 1, Checks: make([]judge.Counts, len(checks))}
	tallies := make([]judge.Tally, cells*len(checks))
	for i := range checks {
		w.Checks[i].Cells = tallies[i*cells : (i+1)*cells : (i+1)*cells]
	}
	clear(t.bins)
	for cell := range t.baseline {
		if s := t.baseline[cell]; s.rate > 0 {
			good, bad := t.outcomes(s, t.world.plan.Errors*s.failures, now.outage)
			t.latencies(now.baseline, good, cell)
			t.fill(&w, good, bad, cell)
		}
	}
	w.Latency = t.binsOf()
	t.sent = judge.Tally{}
	if s := t.candidate; s.rate > 0 {
		good, bad := t.outcomes(s, now.change.of(t.world.plan.Errors*s.failures), now.outage)
		t.latencies(now.worse, good, -1)
		t.fill(&w, good, bad, -1)
		t.sent = judge.Tally{Requests: good + bad, Bad: bad}
	}
	for n, i := range t.places {
		w.Checks[i].Threshold = judge.UpperBound(t.limits[0][n])
	}
	return w
}

// outcomes draws how many requests of a stream go well and how many fail. A batch is more requests, not
// good ones turned bad.
func (t *traffic) outcomes(s stream, share, outage float64) (good, bad float64) {
	share = min(1, share)
	share += (1 - share) * outage
	good = poisson(t.rand, s.rate*(1-share))
	batch := max(1, t.world.plan.Batch)
	bad = poisson(t.rand, s.rate*share/batch)
	if batch == 1 {
		return good, bad
	}
	total := 0.0
	for range int(bad) {
		total += geometric(t.rand, batch)
	}
	return good, total
}

// latencies draws how long the good requests of a cell took, of the candidate for cell -1, and leaves in
// slow how many were too slow for each latency check in force.
func (t *traffic) latencies(l *law, good float64, cell int) {
	t.slow = t.slow[:len(t.places)]
	clear(t.slow)
	if cell < 0 {
		l.draw(t.rand, good, nil, t.limits[1], t.slow)
		return
	}
	l.draw(t.rand, good, t.bins, t.limits[0], t.slow)
}

// fill books the requests of a cell in every check: failed ones have no latency.
func (t *traffic) fill(w *judge.Window, good, bad float64, cell int) {
	n := 0
	for i := range w.Checks {
		tally := judge.Tally{}
		switch {
		case t.world.policy.Checks[i].Kind == judge.Errors:
			tally = judge.Tally{Requests: good + bad, Bad: bad}
		case n < len(t.places) && t.places[n] == i:
			tally = judge.Tally{Requests: good, Bad: t.slow[n]}
			n++
		}
		if cell < 0 {
			w.Checks[i].Candidate = tally
			continue
		}
		w.Checks[i].Cells[cell] = tally
		w.Checks[i].Baseline.Requests += tally.Requests
		w.Checks[i].Baseline.Bad += tally.Bad
	}
}

func (t *traffic) binsOf() []judge.Bin {
	var bins []judge.Bin
	for i, n := range t.bins {
		if n > 0 {
			bins = append(bins, judge.Bin{Bucket: lowest + i, Count: n})
		}
	}
	return bins
}
