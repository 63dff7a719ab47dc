package rollout

import (
	"fmt"

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

// resume ends a pause and lets the file's weights in that waited.
func resume(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Paused == nil {
		return s, nil, nil
	}
	next, pending := s, s.Pending(svc)
	next.Paused = nil
	if pending == nil {
		c := e.change("resumed")
		c.text = func(_, after string) string {
			return becauseOf(fmt.Sprintf("resumed by %s at %s", e.By, after), e.Reason)
		}
		next, actions := next.record(svc, s.InForce(), c)
		return next, actions, nil
	}
	if r := s.servable(svc, pending, e.Facts); r != nil {
		return s, nil, r
	}
	c := e.change("resumed")
	c.text = func(before, after string) string {
		return becauseOf(fmt.Sprintf("resumed by %s: the file's weights that waited apply: %s; before: %s", e.By, after, before), e.Reason)
	}
	next, actions := next.enforce(svc, pending, pending, c)
	return next, actions, nil
}
