package rollout

import (
	"fmt"

	"github.com/switchback-proxy/switchback/config"
)

// steerable is the running rollout that a command can steer.
func (s State) steerable(svc *config.Service) (*Rollout, error) {
	r := s.Running()
	if r == nil {
		return nil, refuse(Invalid, "no rollout of %s is running", svc.Name)
	}
	if why := s.orphaned(svc); why != "" { // here; another node has another file
		return nil, refuse(Invalid, "%s cannot be steered: %s", r.title(), why)
	}
	return r, nil
}

// promote goes to the next step, or to the end, because a person says so.
func promote(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	r, err := s.steerable(svc)
	if err != nil {
		return s, nil, err
	}
	if r := serving(r.Candidate, e.Facts); r != nil {
		return s, nil, r
	}
	step := r.following(svc.Rollout)
	if e.Full || step == 0 {
		next, actions := s.promoted(svc, e.change("promoted"))
		return next, actions, nil
	}
	to := share(svc.Rollout, step)
	next, actions := s.enter(svc, step, e.change(fmt.Sprintf("promoted to %v", to)))
	return next, actions, nil
}

// stepBack goes to the previous step because a person says so; from the first one to 0 and the end.
func stepBack(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	r, err := s.steerable(svc)
	if err != nil {
		return s, nil, err
	}
	step := r.preceding(svc.Rollout)
	if step == 0 {
		return s.abandon(svc, e, "stepped back from the first step")
	}
	to := share(svc.Rollout, step)
	w := config.Weights{r.Candidate: to, r.Baseline: config.Full - to}
	if r := s.servable(svc, w, e.Facts); r != nil {
		return s, nil, r
	}
	next, actions := s.enter(svc, step, e.change(fmt.Sprintf("stepped back to %v", to)))
	return next, actions, nil
}

// abandon gives the candidate nothing because a person says so.
func (s State) abandon(svc *config.Service, e Commanded, done string) (State, []Action, error) {
	if r := restorable(svc, s, e.Facts, e.Force); r != nil {
		return s, nil, r
	}
	next, actions := s.rolledBack(svc, e.change(done))
	return next, actions, nil
}

// approve agrees that the rollout may leave its step once it is proven.
func approve(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	r, err := s.steerable(svc)
	if err != nil {
		return s, nil, err
	}
	if !r.at(svc.Rollout).Approve {
		return s, nil, refuse(Invalid, "step %d of %s needs no approval", r.Step, r.title())
	}
	if r.Approved {
		return s, nil, nil
	}
	agreed := *r
	agreed.Approved = true
	s.Rollout = &agreed
	c := e.change("")
	c.text = func(_, after string) string {
		return becauseOf(fmt.Sprintf("step %d of %s approved by %s at %s", r.Step, r.title(), e.By, after), e.Reason)
	}
	next, actions := s.record(svc, s.InForce(), c)
	return next, actions, nil
}
