package rollout

import (
	"fmt"

	"github.com/switchback-proxy/switchback/config"
)

func (r Ready) say(pool string) string {
	return fmt.Sprintf("%s has %d of %d targets up", pool, r.Up, r.Up+len(r.NotUp))
}

// switchable refuses a cutover to a pool that is not ready: every target must be up, with force one.
func switchable(pool string, r Ready, force bool) *Refusal {
	if r.Up > 0 && (force || len(r.NotUp) == 0) {
		return nil
	}
	refusal := refuse(PoolNotReady, "health check failed, not switching: %s", r.say(pool))
	if force {
		refusal.Detail += ", force needs one"
	}
	refusal.NotUp = r.NotUp
	refusal.Detail += sayTargets(r.NotUp)
	return refusal
}

// servable refuses weights that would begin to send traffic to a pool with no target up.
func (s State) servable(svc *config.Service, w config.Weights, f Facts) *Refusal {
	gains := make(config.Weights)
	for name, v := range w {
		if v > 0 && s.InForce()[name] == 0 {
			gains[name] = v
		}
	}
	idle := unready(svc, gains, f)
	if len(idle) == 0 {
		return nil
	}
	r := refuse(PoolNotReady, "%s would get traffic it cannot serve: %s", sayWeights(svc, only(gains, idle)), sayReady(idle, f))
	for _, name := range idle {
		r.NotUp = append(r.NotUp, f[name].NotUp...)
	}
	r.Detail += sayTargets(r.NotUp)
	return r
}

func only(w config.Weights, names []string) config.Weights {
	o := make(config.Weights, len(names))
	for _, name := range names {
		o[name] = w[name]
	}
	return o
}
