package rollout

import (
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// pause keeps the file from moving traffic. The first pause counts: it says since when and by whom.
func pause(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Paused != nil {
		return s, nil, nil
	}
	s.Paused = &Pause{By: e.By, At: utc(e.At), Reason: e.Reason}
	c := e.change("paused")
	c.text = func(_, after string) string {
		return becauseOf(fmt.Sprintf("paused by %s at %s", e.By, after), e.Reason)
	}
	next, actions := s.record(svc, s.InForce(), c)
	return next, actions, nil
}

// resume ends a pause and lets in what waited: the file's weights, or another version of the candidate.
// A rollout that goes on has to be proven anew; one that failed is also no longer held against itself.
func resume(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Paused == nil {
		return s, nil, nil
	}
	next, pending := s, s.Pending(svc)
	next.Paused = nil
	if pending != nil {
		return next.letIn(svc, pending, e)
	}
	if r := next.Running(); r != nil && next.orphaned(svc) == "" && svc.Pool(r.Candidate).Version != r.Version {
		next, actions := next.renew(svc, e.cause())
		return next, actions, nil
	}
	c := e.change("resumed")
	c.text = func(_, after string) string {
		return becauseOf(fmt.Sprintf("resumed by %s at %s", e.By, after), e.Reason)
	}
	next, actions := next.anew(s.Paused.Failed, c.cause.At).record(svc, s.InForce(), c)
	return next, actions, nil
}

// letIn takes over the file's weights that waited.
func (s State) letIn(svc *config.Service, pending config.Weights, e Commanded) (State, []Action, error) {
	if r := s.servable(svc, pending, e.Facts); r != nil {
		return s, nil, r
	}
	c := e.change("resumed")
	c.text = func(before, after string) string {
		return becauseOf(fmt.Sprintf("resumed by %s: the file's weights that waited apply: %s; before: %s", e.By, after, before), e.Reason)
	}
	next, c := s.superseding(c)
	next, actions := next.enforce(svc, pending, pending, c)
	return next, actions, nil
}

// anew restarts promote evidence of the running rollout and, if it had failed, roll-back evidence. A gate
// that is not open is asked again.
func (s State) anew(failed bool, at time.Time) State {
	if s.Running() == nil {
		return s
	}
	r := s.Rollout.askAgain(at)
	r.Epoch.Promote++
	if failed {
		r.Epoch.Rollback++
	}
	s.Rollout = &r
	return s
}
