package rollout

import (
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
)

// Policy is what the judge holds a candidate to: the rollout's checks by position, its alpha and beta.
// A nil rollout has the zero Policy, which compares nothing.
func Policy(r *config.Rollout) judge.Policy {
	if r == nil {
		return judge.Policy{}
	}
	p := judge.Policy{Alpha: r.Alpha, Beta: r.Beta, Checks: make([]judge.Check, len(r.Checks))}
	for i, c := range r.Checks {
		p.Checks[i] = judge.Check{
			Name: c.Name, Kind: kind(c), Quantile: c.Quantile,
			MaxRatio: c.MaxRatio, MaxIncrease: c.MaxIncrease, Max: c.Max, Over: c.Over,
		}
	}
	return p
}

func kind(c config.Check) judge.Kind {
	switch c.Name {
	case config.CheckErrors:
		return judge.Errors
	case config.CheckSlow:
		return judge.Slow
	}
	return judge.Latency
}
