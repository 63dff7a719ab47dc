package rollout

import (
	"fmt"
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// follow is what an edit that says nothing new about weights means for the running rollout.
func (s State) follow(svc *config.Service, c Cause) (State, []Action) {
	r := s.Rollout
	switch why := s.orphaned(svc); {
	case why != "":
		return s.abandoned(svc, c, why)
	case svc.Pool(r.Candidate).Version != r.Version && s.Paused == nil:
		return s.renew(svc, c)
	}
	return s.adapt(svc, c) // in a pause another version waits: its first step would move traffic
}

// orphaned is why the rollout cannot go on, "" when it can.
func (s State) orphaned(svc *config.Service) string {
	r := s.Rollout
	switch {
	case svc.Rollout == nil:
		return "the rollout left the file"
	case svc.Pool(r.Candidate) == nil:
		return r.Candidate + " left the file"
	case svc.Pool(r.Baseline) == nil:
		return r.Baseline + " left the file"
	}
	return ""
}

// abandoned ends the rollout where it is: its weights stay until somebody sets others.
func (s State) abandoned(svc *config.Service, c Cause, why string) (State, []Action) {
	c.Reason = why
	s, ch := s.superseding(change{cause: c, text: func(_, after string) string { return why + ", the weights stay: " + after }})
	s.Baseline = s.baseline(svc)
	return s.record(svc, s.InForce(), ch)
}

// renew is the rollout of another version of the candidate: a new one, from the first step. To a
// rollback both are one change.
func (s State) renew(svc *config.Service, c Cause) (State, []Action) {
	was := s.Rollout
	candidate := svc.Pool(was.Candidate)
	if v := candidate.Version; v != "" && v == svc.Pool(was.Baseline).Version {
		return s.abandoned(svc, c, fmt.Sprintf("%s now has the version of %s, %s", was.Candidate, was.Baseline, v))
	}
	s, end := s.superseding(change{cause: c, text: func(_, _ string) string {
		return "now it is " + sayPool(was.Candidate, candidate.Version)
	}})
	s, ended := s.record(svc, s.InForce(), end)
	if s.Previous.began(was.ID) {
		p := *s.Previous
		p.Rollout = nextID(was)
		s.Previous = &p
	}
	s, begun := s.begin(svc, was.Candidate, was.Term, change{cause: c, text: s.sayStart(svc, was.Candidate, c)})
	return s, append(ended, begun...)
}

// adapt goes on in the plan as it is now, and starts evidence anew that rests on what has changed.
func (s State) adapt(svc *config.Service, c Cause) (State, []Action) {
	r := *s.Rollout
	if step := r.place(svc.Rollout); step != r.Step {
		r.Step, r.Approved, r.DeadlinePassed, r.Gating = step, false, false, nil
	}
	was := r.Basis
	r.Basis = r.digest(svc)
	moved := r.Step != s.Rollout.Step
	if r.Basis == was && !moved {
		return s, nil
	}
	var what []string
	switch {
	case r.Basis.Checks != was.Checks:
		r.Epoch.Rollback++
		r.Epoch.Promote++
		what = append(what, "the checks changed: all evidence starts anew")
	case r.Basis.Targets != was.Targets:
		r.Epoch.Promote++
		what = append(what, "the targets changed: the proof of the step starts anew")
	case r.Basis.Next != was.Next:
		r.Epoch.Promote++
		what = append(what, "the next step changed: the proof of the step starts anew")
	}
	if moved {
		what = append(what, fmt.Sprintf("this is step %d of %d now", r.Step, len(svc.Rollout.Steps)))
	}
	s.Rollout = &r
	return s.record(svc, s.InForce(), change{cause: c, kind: RolloutEvidence, text: func(_, after string) string {
		return fmt.Sprintf("%s goes on at %s; %s", r.title(), after, strings.Join(what, "; "))
	}})
}
