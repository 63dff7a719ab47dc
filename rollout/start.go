package rollout

import (
	"fmt"
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// bySwitchback is who decided when nobody did.
const bySwitchback = "switchback"

// start begins a rollout because a person says so, also of a latched version and also in a pause, which
// then holds it at the first step.
func start(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if r := s.Running(); r != nil {
		return s, nil, s.inProgress(svc, r)
	}
	if svc.Rollout == nil {
		return s, nil, refuse(Invalid, "the file has no rollout for %s; add rollout: {} to the service", svc.Name)
	}
	if e.To == "" {
		e.To = config.RoleCandidate
	}
	to, err := s.resolve(svc, e.To)
	if err != nil {
		return s, nil, err
	}
	if r := s.comparable(svc, to); r != nil {
		return s, nil, r
	}
	if r := serving(to, e.Facts); r != nil {
		return s, nil, r
	}
	c := e.change("")
	c.text = s.sayStart(svc, to, c.cause)
	next, actions := s.begin(svc, to, 0, c)
	return next, actions, nil
}

// comparable refuses a candidate that could not be compared with the baseline alone.
func (s State) comparable(svc *config.Service, candidate string) *Refusal {
	baseline := svc.Pool(s.Baseline)
	if baseline == nil || svc.Pool(candidate) == nil {
		return refuse(Invalid, "%s or %s is not in the file", s.Baseline, candidate)
	}
	if candidate == s.Baseline {
		return refuse(Invalid, "%s is the baseline already; roll out another pool", candidate)
	}
	if v := svc.Pool(candidate).Version; v != "" && v == baseline.Version {
		return refuse(Invalid, "%s and %s both have version %s: there is nothing to roll out", s.Baseline, candidate, v)
	}
	for _, name := range order(svc, s.InForce()) {
		if name != candidate && name != s.Baseline {
			return refuse(Invalid, "%s carries %v; a rollout is between %s and %s only, set the weights first",
				name, s.InForce()[name], s.Baseline, candidate)
		}
	}
	return nil
}

// serving refuses more traffic for a pool with no target up.
func serving(pool string, f Facts) *Refusal {
	if f[pool].Up > 0 {
		return nil
	}
	r := refuse(PoolNotReady, "%s, a step needs one", f[pool].say(pool))
	r.NotUp = f[pool].NotUp
	r.Detail += sayTargets(r.NotUp)
	return r
}

func (s State) inProgress(svc *config.Service, r *Rollout) *Refusal {
	at := "the bake"
	if r.Phase == Stepping {
		at = fmt.Sprintf("step %d", r.Step)
		if svc.Rollout != nil {
			at += fmt.Sprintf(" of %d", len(svc.Rollout.Steps))
		}
	}
	return refuse(RolloutInProgress, "%s is at %s, %v", r.title(), at, r.Weight)
}

func (s State) sayStart(svc *config.Service, candidate string, c Cause) func(before, after string) string {
	title := (&Rollout{ID: nextID(s.Rollout), Candidate: candidate, Version: svc.Pool(candidate).Version}).title()
	steps := len(svc.Rollout.Steps)
	return func(before, after string) string {
		return becauseOf(fmt.Sprintf("%s started by %s, step 1 of %d: %s; before: %s", title, c.By, steps, after, before), c.Reason)
	}
}

// want notes a rollout that is to start by itself: the version of the idle pool changed while the
// baseline had everything. seen is the versions from before; a pool that is not in it is new, and
// nobody changed its version.
func (s State) want(svc *config.Service, seen map[string]string, c Cause) (State, []Action) {
	if w := s.Wanted; w != nil && !s.startable(svc, w.Candidate, w.Version) {
		s.Wanted = nil
	}
	var changed []string
	for _, p := range svc.Pools {
		if was, ok := seen[p.Name]; ok && was != p.Version && s.startable(svc, p.Name, p.Version) {
			changed = append(changed, p.Name)
		}
	}
	switch len(changed) {
	case 0:
		return s, nil
	case 1:
		s.Wanted = &Wanted{Candidate: changed[0], Version: svc.Pool(changed[0]).Version, At: c.At}
		return s, nil
	}
	return s.record(svc, s.InForce(), change{cause: c, kind: RolloutWaiting, warn: true, text: func(_, _ string) string {
		return fmt.Sprintf("the versions of %s changed at once: no rollout starts by itself, start one by hand", strings.Join(changed, " and "))
	}})
}

// startable reports whether a rollout of the pool at that version may start by itself, ready or not.
func (s State) startable(svc *config.Service, pool, version string) bool {
	p := svc.Pool(pool)
	return svc.Rollout != nil && svc.Rollout.Start == config.StartVersion && s.Running() == nil &&
		p != nil && p.Version == version && version != "" && (s.Failed == nil || s.Failed.Version != version) &&
		s.InForce().Sole() == s.Baseline && s.comparable(svc, pool) == nil
}

// stepTicked starts a rollout that waits for it, or says what it waits for.
func stepTicked(svc *config.Service, s State, e Ticked) (State, []Action, error) {
	if err := s.stale(e.Term); err != nil {
		return s, nil, err
	}
	w := s.Wanted
	if w == nil {
		return s, nil, nil
	}
	if !s.startable(svc, w.Candidate, w.Version) {
		s.Wanted = nil
		return s, nil, nil
	}
	c := Cause{Verb: VerbStart, By: bySwitchback, At: utc(e.At), Reason: "new version"}
	if why := s.hindrance(svc, e); why != "" {
		next, actions := s.wait(svc, c, why)
		return next, actions, nil
	}
	next, actions := s.begin(svc, w.Candidate, e.Term, change{cause: c, text: s.sayStart(svc, w.Candidate, c)})
	return next, actions, nil
}

// hindrance is what keeps the wanted rollout from starting now, "" when nothing does.
func (s State) hindrance(svc *config.Service, e Ticked) string {
	closed := SayWindow(svc.Rollout, e.At)
	switch {
	case s.Paused != nil:
		return "the service is paused"
	case e.Facts[s.Wanted.Candidate].Up == 0:
		return s.Wanted.Candidate + " has no target up"
	case closed != "":
		return closed
	}
	return ""
}

// wait says once what the wanted rollout waits for.
func (s State) wait(svc *config.Service, c Cause, why string) (State, []Action) {
	w := *s.Wanted
	sentence := fmt.Sprintf("waiting to roll out %s: %s", sayPool(w.Candidate, w.Version), why)
	if w.Sentence == sentence {
		return s, nil
	}
	w.Sentence = sentence
	s.Wanted = &w
	return s.record(svc, s.InForce(), change{cause: c, kind: RolloutWaiting, text: func(_, _ string) string { return sentence }})
}
