package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
)

// starved lists the pools that next would give traffic to although none of their targets is up, and that
// are worth waiting for: they get it anew, or their targets were exchanged. A service that is new has
// nothing to go on with meanwhile, and a pool that was all down before is no reason to hold a file up.
func starved(current, next *router.Table) []*router.Pool {
	var pools []*router.Pool
	for _, p := range next.Pools {
		if p.Weight == 0 || p.Count(router.Up) > 0 || p.Service.Config.Of != "" {
			continue
		}
		was := current.Service(p.Service.Name)
		if was == nil {
			continue
		}
		old := was.Pool(p.Name)
		if old == nil || old.Weight == 0 || old.Count(router.Up) > 0 {
			pools = append(pools, p)
		}
	}
	return pools
}

func sayStarved(pools []*router.Pool) string {
	said := make([]string, len(pools))
	for i, p := range pools {
		said[i] = fmt.Sprintf("%s of %s would get %v and has 0 of %d targets up", p.Name, p.Service.Name, p.Weight, len(p.Targets))
	}
	return strings.Join(said, "; ")
}

// facts is the health of a service as its rules want it; nil when no table has the service.
func facts(s *router.Service) rollout.Facts {
	if s == nil {
		return nil
	}
	f := make(rollout.Facts, len(s.Pools))
	for _, p := range s.Pools {
		var r rollout.Ready
		if s.Config.Of != "" {
			r.Up = 1 // a flag can always be given and taken
		}
		for _, t := range p.Targets {
			if t.Status() == router.Up {
				r.Up++
				continue
			}
			r.NotUp = append(r.NotUp, rollout.Target{URL: t.URL, Status: t.Status().String(), Error: t.Health().Error})
		}
		f[p.Name] = r
	}
	return f
}

// probed waits for missing first probes, at most as long as one may take. With all it waits for every
// target of the pools, else for one of each that is up. What it finds is for Run to judge.
func (l *Loop) probed(ctx context.Context, service string, pools []string, all bool) {
	s := l.view.Load().table.Service(service)
	if s == nil {
		return
	}
	cond := func() bool {
		for _, name := range pools {
			p := s.Resolve(name)
			if p != nil && p.Count(router.Unknown) > 0 && (all || p.Count(router.Up) == 0) {
				return false
			}
		}
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, s.Config.Health.Timeout)
	defer cancel()
	_ = l.o.Prober.Wait(ctx, cond) // in time or not, the targets' States say how they are
}

// targets is how targets appear in the API.
func targets(all []*router.Target) []api.Target {
	list := make([]api.Target, 0, len(all))
	for _, t := range all {
		h := t.Health()
		list = append(list, api.Target{
			URL: t.URL, Status: t.Status().String(), InFlight: t.InFlight(), Since: h.Since, Error: h.Error,
		})
	}
	return list
}

func notUp(pools []*router.Pool) []api.Target {
	var down []*router.Target
	for _, p := range pools {
		for _, t := range p.Targets {
			if t.Status() != router.Up {
				down = append(down, t)
			}
		}
	}
	return targets(down)
}
