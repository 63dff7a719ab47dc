package simulate

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
)

// The clients of a sticky service. The busiest hundredth asks for a fifth of the requests, and how often
// a client fails differs by a factor of e either way.
const (
	clients       = 2000
	requestSpread = 1.5
	failureSpread = 1.0
)

// cells are the parts of the baseline's requests that are counted apart: clients by hash, else targets.
const cells = 20

// warm is how many seconds the baseline was seen before the rollout.
const warm = 30 * 60

// world is a service before the rollout: its clients, and what is known of its baseline. Runs share it
// and only read it.
type world struct {
	plan     *Plan
	service  config.Service
	policy   judge.Policy
	memory   judge.Memory
	baseline *law
	worse    *law
	clients  []client // nil: every request is drawn alone
}

// client is who asks again and again.
type client struct {
	requests float64 // share of all requests
	failures float64 // times the mean share
	cell     int
}

// newWorld draws the clients and watches the baseline for a while.
func newWorld(p *Plan, r *rand.Rand) *world {
	w := &world{
		plan: p, service: *p.Service,
		baseline: newLaw(p.latency(), 1), worse: newLaw(p.latency(), p.slower()),
	}
	alone := *p.Service.Rollout // virtual time knows neither office hours nor pipelines
	alone.Windows, alone.Gates, alone.Announce = nil, nil, nil
	alone.Checks = playable(alone.Checks)
	w.service.Rollout, w.policy = &alone, rollout.Policy(&alone)
	w.service.Pools = append([]config.Pool(nil), p.Service.Pools...)
	for i := range w.service.Pools {
		w.service.Pools[i].Version = "" // a plan may be played before the next version is written down
	}
	if p.Sticky {
		w.clients = drawClients(r)
	}
	source := newTraffic(w, r)
	source.split(0)
	for range warm {
		source.publish(&w.memory)
		w.memory.Learn(&w.policy, source.second(weather{baseline: w.baseline, worse: w.baseline, change: Change{Ratio: 1}}))
	}
	return w
}

// playable are the checks of what a plan knows: failures and latencies. Nothing is known of processors,
// databases, customers and other systems.
func playable(checks []config.Check) []config.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c config.Check) bool { return c.Kind != "" })
}

func drawClients(r *rand.Rand) []client {
	all := make([]client, clients)
	requests, failures := 0.0, 0.0
	for i := range all {
		c := &all[i]
		c.requests = math.Exp(requestSpread * r.NormFloat64())
		c.failures = math.Exp(failureSpread * r.NormFloat64())
		c.cell = r.IntN(cells)
		requests += c.requests
	}
	for i := range all {
		all[i].requests /= requests
		failures += all[i].requests * all[i].failures
	}
	for i := range all {
		all[i].failures /= failures
	}
	return all
}
