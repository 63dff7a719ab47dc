package rollout

import (
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// rollback restores the traffic from before the last change that moved it and was not a rollback. All
// steps of a rollout are one such change; while it runs, the candidate gets nothing.
func rollback(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Running() != nil {
		return s.abandon(svc, e, "rolled back")
	}
	if s.Previous == nil {
		return s, nil, refuse(NothingToRollBack, "no change has moved the traffic of %s yet: there is nothing to roll back", svc.Name)
	}
	if s.restored() {
		return s, nil, nil
	}
	if r := restorable(svc, s, e.Facts, e.Force); r != nil {
		return s, nil, r
	}
	was, c := *s.Previous, e.change("rolled back")
	c.back = true
	undone := s.Rollout != nil && s.Rollout.Phase == Promoted && was.began(s.Rollout.ID)
	next := s
	next.Wanted = nil
	if undone {
		next = next.ended(RolledBack, c)
		c.kind = RolloutRolledBack
	}
	next, actions := next.enforce(svc, s.Basis, was.Weights, c)
	if next.InForce().Sole() == "" && svc.Pool(was.Baseline) != nil {
		next.Baseline = was.Baseline
	}
	if undone {
		next = next.latched(c)
	}
	return next, actions, nil
}

// restored reports whether a rollback has nothing left to do. A change that moves traffic never leaves
// the weights it started from, so only a rollback gets here.
func (s State) restored() bool { return s.InForce().Equal(s.Previous.Weights) }

// Restores is the weights that a rollback would put in force, nil when it has nothing to do. The caller
// must not change them.
func (s State) Restores() config.Weights {
	switch r := s.Running(); {
	case r != nil:
		return config.All(r.Baseline)
	case s.Previous == nil || s.restored():
		return nil
	}
	return s.Previous.Weights
}

// Undo reports whether a rollback would move traffic and could do it now. If it would but cannot,
// problem says why: "blue has 0 of 2 targets up". If there is nothing to undo, both are zero.
func Undo(svc *config.Service, s State, f Facts) (possible bool, problem string) {
	w := s.Restores()
	if w == nil {
		return false, ""
	}
	if gone := s.gone(svc, w); gone != "" {
		return false, gone + " is no longer in the file"
	}
	if idle := unready(svc, w, f); len(idle) > 0 {
		return false, sayReady(idle, f)
	}
	return true, ""
}

// restorable refuses a rollback that could not serve. Force goes even to a pool with no target up, when
// probes are wrong; nothing brings a pool back that left the file.
func restorable(svc *config.Service, s State, f Facts, force bool) *Refusal {
	possible, problem := Undo(svc, s, f)
	w := s.Restores()
	if possible || force && s.gone(svc, w) == "" {
		return nil
	}
	r := refuse(PoolNotReady, "rollback impossible: %s", problem)
	for _, name := range unready(svc, w, f) {
		r.NotUp = append(r.NotUp, f[name].NotUp...)
	}
	r.Detail += sayTargets(r.NotUp)
	return r
}

// unready names the pools with weight in w and no target up.
func unready(svc *config.Service, w config.Weights, f Facts) []string {
	var names []string
	for _, p := range svc.Pools {
		if w[p.Name] > 0 && f[p.Name].Up == 0 {
			names = append(names, p.Name)
		}
	}
	return names
}

func sayReady(names []string, f Facts) string {
	said := make([]string, len(names))
	for i, name := range names {
		said[i] = f[name].say(name)
	}
	return strings.Join(said, ", ")
}
