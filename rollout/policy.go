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
			MaxRatio: c.MaxRatio, MaxIncrease: c.MaxIncrease, MaxDecrease: c.MaxDecrease, Max: c.Max, Over: c.Over,
			Measured: c.Kind == config.KindServerTiming, Unit: c.ServerTiming, ObserveOnly: c.ObserveOnly,
		}
		if c.Verdicts() {
			p.Checks[i].Verdicts, p.Checks[i].Max = true, saysFail
		}
	}
	return p
}

// saysFail lies between the verdicts of others, 0 and 1.
const saysFail = 0.5

func kind(c config.Check) judge.Kind {
	switch c.Kind {
	case config.KindScrape, config.KindPrometheus, config.KindWebhook:
		return judge.Value
	case config.KindRatio:
		return judge.Ratio
	case config.KindServerTiming:
		return judge.Latency
	}
	switch c.Name {
	case config.CheckErrors:
		return judge.Errors
	case config.CheckSlow:
		return judge.Slow
	}
	return judge.Latency
}
