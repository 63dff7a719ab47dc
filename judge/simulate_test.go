package judge

import (
	"math"
	"time"
)

// model is a service and a candidate as a simulation has them. Every second is a window; the split is a
// coin unless the clients are sticky.
type model struct {
	rate     float64 // requests a second
	base     float64 // share of the baseline's requests that fail
	bad      float64 // the candidate's, from second onset on; before it is like the baseline
	onset    int
	shared   func(second int) float64 // share that fails in both pools beside base; nil: none
	batch    float64                  // mean size of a batch of failures that hits one pool and one client; 0: single
	clients  *population              // sticky; nil: a coin
	sigma    float64                  // of the log of the latencies; 0: no latencies
	slower   float64                  // factor of the candidate's latencies
	slowness [3]float64               // when sigma is 0: share of slow requests of p50, p95, p99 in both pools
}

// median latency of the simulated services.
const median = 40 * time.Millisecond

// actors are what a simulated rollout consists of.
type actors struct {
	chance
	*model
	policy Policy
	memory Memory
	trial  Trial
	window Window // reused
	second int
}

// defaultPolicy has the checks of a rollout that names none.
func defaultPolicy() Policy {
	return Policy{Checks: []Check{
		{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002},
		{Name: "p50", Kind: Latency, Quantile: 0.5, MaxRatio: 1.2},
		{Name: "p95", Kind: Latency, Quantile: 0.95, MaxRatio: 1.2},
		{Name: "p99", Kind: Latency, Quantile: 0.99, MaxRatio: 1.2},
	}}
}

// errorsOnly spends all of alpha on one check.
func errorsOnly(ratio, increase float64) Policy {
	return Policy{Checks: []Check{{Name: "errors", Kind: Errors, MaxRatio: ratio, MaxIncrease: increase}}}
}

func newActors(m *model, p Policy, seed uint64) *actors {
	a := &actors{chance: newChance(seed), model: m, policy: p}
	a.window.Checks = make([]Counts, len(p.Checks))
	a.learn()
	return a
}

// again is a rollout that begins with the memory of a. It shares the dice.
func (a *actors) again() *actors {
	b := *a
	b.trial, b.second = Trial{}, 0
	b.trial.Step(steps[0].next)
	return &b
}

// learn gives the memory what it would have before a rollout.
func (a *actors) learn() {
	seconds := 600
	switch {
	case a.batch > 0 && long:
		seconds = 6 * 3600
	case a.batch > 0 || a.clients != nil:
		seconds = 1200
	}
	for range seconds {
		a.second = -1 // before any onset
		a.draw(0)
		a.memory.Learn(&a.policy, a.window)
	}
	a.second = 0
	a.trial.Step(steps[0].next)
}

// next plays one second at a weight and returns the candidate's requests.
func (a *actors) next(weight float64) float64 {
	a.second++
	a.draw(weight)
	a.trial.Observe(&a.policy, &a.memory, a.window)
	a.window.Changed = false
	return a.window.Checks[0].Candidate.Requests
}

// draw fills the window.
func (a *actors) draw(weight float64) {
	a.window.Seconds = 1
	a.window.Odds = weight / (1 - weight)
	p, q := a.base, a.base
	if a.second >= a.onset {
		q = a.bad
	}
	if a.shared != nil {
		extra := a.shared(a.second)
		p, q = p+extra, q+extra
	}
	errors := &a.window.Checks[0]
	errors.Cells = errors.Cells[:0]
	switch {
	case a.clients != nil:
		a.window.Odds = 0
		a.clients.draw(a.chance, errors, weight)
	case a.batch > 0:
		errors.Cells = append(errors.Cells, make([]Tally, 20)...)
		errors.Candidate = a.batches(a.rate*weight, q, nil)
		errors.Baseline = a.batches(a.rate*(1-weight), p, errors.Cells)
	default:
		errors.Candidate = a.single(a.rate*weight, q)
		errors.Baseline = a.single(a.rate*(1-weight), p)
	}
	a.drawLatency(errors.Candidate.Requests, errors.Baseline.Requests)
}

func (a *actors) single(rate, share float64) Tally {
	n := a.poisson(rate)
	return Tally{Requests: n, Bad: a.binomial(n, share)}
}

// batches puts each batch into one cell; good requests spread evenly.
func (a *actors) batches(rate, share float64, cells []Tally) Tally {
	all := Tally{Requests: a.poisson(rate * (1 - share))}
	for i := range cells {
		cells[i].Requests = all.Requests / float64(len(cells))
	}
	for range int(a.poisson(rate * share / a.batch)) {
		size := a.geometric(a.batch)
		all.add(Tally{size, size})
		if len(cells) > 0 {
			cells[a.IntN(len(cells))].add(Tally{size, size})
		}
	}
	return all
}

// drawLatency counts slow requests in the checks behind the first, nested as those of one sample are.
func (a *actors) drawLatency(candidate, baseline float64) {
	if a.sigma == 0 && a.slowness[0] == 0 {
		return
	}
	for i := 1; i < len(a.policy.Checks); i++ {
		c := &a.window.Checks[i]
		c.Candidate, c.Baseline = Tally{Requests: candidate}, Tally{Requests: baseline}
		if a.sigma == 0 {
			share := a.slowness[i-1]
			c.Threshold = median
			c.Candidate.Bad, c.Baseline.Bad = a.binomial(candidate, share), a.binomial(baseline, share)
		}
	}
	if a.sigma > 0 {
		a.drawEach(int(candidate), int(baseline))
	}
}

// drawEach draws every latency and compares it with the thresholds in force.
func (a *actors) drawEach(candidate, baseline int) {
	var mine, theirs [MaxChecks]time.Duration
	for i := 1; i < len(a.policy.Checks); i++ {
		mine[i], theirs[i], _ = a.memory.Thresholds(&a.policy.Checks[i])
		a.window.Checks[i].Threshold = mine[i]
		if a.memory.Latency.Total() == 0 {
			a.window.Checks[i] = Counts{}
		}
	}
	slower := 1.0
	if a.second >= a.onset {
		slower = a.slower
	}
	a.window.Latency = a.window.Latency[:0]
	for range baseline {
		took := a.latency(1)
		a.window.Latency = append(a.window.Latency, Bin{BucketOf(took), 1})
		for i := 1; i < len(a.policy.Checks); i++ {
			if took > mine[i] {
				a.window.Checks[i].Baseline.Bad++
			}
		}
	}
	for range candidate {
		took := a.latency(slower)
		for i := 1; i < len(a.policy.Checks); i++ {
			if took > theirs[i] {
				a.window.Checks[i].Candidate.Bad++
			}
		}
	}
}

func (a *actors) latency(slower float64) time.Duration {
	return time.Duration(float64(median) * slower * math.Exp(a.sigma*a.NormFloat64()))
}

// result of a rollout.
type result struct {
	rolledBack bool
	undecided  int     // steps that a person had to promote at the deadline
	seconds    int     // until the end
	requests   float64 // of the candidate until then
}

// weights of the steps, and what each leads to.
var steps = [...]struct{ weight, next float64 }{{0.05, 0.25}, {0.25, 0.5}, {0.5, 1}}

// rollout plays the steps. At a deadline somebody promotes by hand, so that the roll-back evidence has
// every chance to go wrong.
func (a *actors) rollout(least, deadline int) result {
	var r result
	for k, s := range steps {
		a.trial.Step(s.next)
		a.window.Changed = k > 0
		for second := 1; ; second++ {
			r.requests += a.next(s.weight)
			r.seconds++
			v := a.trial.Verdict(&a.policy)
			if v.Outcome == Fail {
				r.rolledBack = true
				return r
			}
			if v.Outcome == Pass && second >= least {
				break
			}
			if second == deadline {
				r.undecided++
				break
			}
		}
	}
	return r
}

// detect stays at one weight until the verdict is Fail.
func (a *actors) detect(weight float64, most int) result {
	var r result
	for r.seconds < most {
		n := a.next(weight)
		r.seconds++
		if a.second >= a.onset {
			r.requests += n
		}
		if a.trial.Verdict(&a.policy).Outcome == Fail {
			r.rolledBack = true
			return r
		}
	}
	return r
}

// population is a set of sticky clients of unequal weight and unequal luck, added up by pool and cell:
// a sum of Poisson counts is one.
type population struct {
	rate, fails, place []float64 // of each client; place decides the pool
	cell               []int
}

// newPopulation draws clients whose rates are Pareto with the given shape and whose failing shares vary
// as much as their mean says: a tenth of the clients have most of the failures.
func newPopulation(c chance, n int, rate, base, shape float64) *population {
	p := &population{
		rate: make([]float64, n), fails: make([]float64, n), place: make([]float64, n), cell: make([]int, n),
	}
	sum, failing := 0.0, 0.0
	for i := range n {
		p.rate[i] = min(math.Pow(1-c.Float64(), -1/shape), 1000)
		p.fails[i] = c.ExpFloat64() * c.ExpFloat64()
		p.place[i], p.cell[i] = c.Float64(), c.IntN(20)
		sum += p.rate[i]
		failing += p.rate[i] * p.fails[i]
	}
	for i := range n {
		p.fails[i] = min(p.fails[i]*base*sum/failing, 1)
		p.rate[i] *= rate / sum
	}
	return p
}

func (p *population) draw(c chance, counts *Counts, weight float64) {
	counts.Candidate, counts.Baseline = Tally{}, Tally{}
	var good, bad [20]float64
	var goodHere, badHere float64
	for i, rate := range p.rate {
		if p.place[i] < weight {
			badHere += rate * p.fails[i]
			goodHere += rate * (1 - p.fails[i])
			continue
		}
		bad[p.cell[i]] += rate * p.fails[i]
		good[p.cell[i]] += rate * (1 - p.fails[i])
	}
	n := c.poisson(badHere)
	counts.Candidate = Tally{n + c.poisson(goodHere), n}
	for i := range bad {
		n := c.poisson(bad[i])
		t := Tally{n + c.poisson(good[i]), n}
		counts.Cells = append(counts.Cells, t)
		counts.Baseline.add(t)
	}
}

// unlucky reports whether the cohort of a step fails more than the others by more than a tolerance.
func (p *population) unlucky(tolerance float64) bool {
	for _, s := range steps {
		var in, out Tally
		for i, rate := range p.rate {
			if p.place[i] < s.weight {
				in.add(Tally{rate, rate * p.fails[i]})
			} else {
				out.add(Tally{rate, rate * p.fails[i]})
			}
		}
		if in.Share() > out.Share()+tolerance {
			return true
		}
	}
	return false
}
