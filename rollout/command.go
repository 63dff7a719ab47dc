package rollout

import (
	"fmt"

	"github.com/switchback-proxy/switchback/config"
)

// stepCommand applies what a person or a tool asked for. Commands work while the service is paused.
func stepCommand(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Empty() {
		return s, nil, fmt.Errorf("%s %s: the service has no state yet", e.Verb, svc.Name)
	}
	if e.Force && e.Reason == "" {
		return s, nil, refuse(Invalid, "force needs a reason")
	}
	switch e.Verb {
	case VerbWeights:
		return setWeights(svc, s, e)
	case VerbDrop:
		return dropIntent(svc, s, e)
	case VerbCutover:
		return cutover(svc, s, e)
	case VerbRollback:
		return rollback(svc, s, e)
	case VerbPause:
		return pause(svc, s, e)
	case VerbResume:
		return resume(svc, s, e)
	case VerbStart:
		return start(svc, s, e)
	case VerbPromote:
		return promote(svc, s, e)
	case VerbApprove:
		return approve(svc, s, e)
	case VerbStepBack:
		return stepBack(svc, s, e)
	case VerbOpenGate:
		return openGate(svc, s, e)
	case VerbFile, VerbJudge:
	}
	return s, nil, refuse(Invalid, "%q is no command", e.Verb)
}

func (e Commanded) cause() Cause {
	return Cause{Verb: e.Verb, By: e.By, At: utc(e.At), Reason: e.Reason}
}

// change is the command in the record; done is what it did in the words of a sentence.
func (e Commanded) change(done string) change {
	return change{cause: e.cause(), remote: e.Remote, text: func(before, after string) string {
		return becauseOf(fmt.Sprintf("%s by %s: %s; before: %s", done, e.By, after, before), e.Reason)
	}}
}

func setWeights(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	for _, name := range order(svc, e.Weights) {
		if svc.Pool(name) == nil {
			return s, nil, unknownPool(svc, name)
		}
		if w := e.Weights[name]; w < 0 || w > config.Full {
			return s, nil, refuse(Invalid, "the weight of %s, %v, is not between 0 and 100 %%", name, w)
		}
	}
	if sum := e.Weights.Sum(); sum != config.Full {
		return s, nil, refuse(Invalid, "the weights add up to %v, not 100 %%", sum)
	}
	return s.command(svc, e, e.Weights, "weights set")
}

func dropIntent(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	if s.Intent == nil && s.Running() == nil {
		return s, nil, nil
	}
	if gone := s.gone(svc, s.Basis); gone != "" {
		// Only a paused service gets here: the file that dropped the pool has other weights.
		return s, nil, refuse(PoolNotReady, "%s is no longer in the file, whose new weights wait; resume to let them in", gone)
	}
	return s.command(svc, e, s.Basis, "intent dropped")
}

func cutover(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	to, err := s.resolve(svc, e.To)
	if err != nil {
		return s, nil, err
	}
	if e.From != "" {
		from, err := s.resolve(svc, e.From)
		if err != nil {
			return s, nil, err
		}
		if from != s.Baseline && s.InForce().Sole() != to {
			return s, nil, refuse(UnexpectedLivePool, "%s is live, not %s; nothing was switched", s.Baseline, from)
		}
	}
	if s.InForce().Sole() == to && s.Running() == nil {
		return s, nil, nil
	}
	if r := switchable(to, e.Facts[to], e.Force); r != nil {
		return s, nil, r
	}
	next, actions := s.cutOver(svc, to, e.change("cutover"))
	return next, actions, nil
}

// cutOver gives a pool everything. It ends a rollout: the candidate is promoted by a person, the
// baseline's return is a rollback, and a third pool has nothing to do with either.
func (s State) cutOver(svc *config.Service, to string, c change) (State, []Action) {
	if r := s.Running(); r != nil {
		switch to {
		case r.Candidate:
			return s.promoted(svc, c)
		case r.Baseline:
			return s.rolledBack(svc, c)
		}
	}
	s, c = s.superseding(c)
	return s.enforce(svc, s.Basis, config.All(to), c)
}

// command puts weights in force unless they are already or a pool that would begin to get traffic
// cannot serve it. A running rollout is in the way; with force it ends.
func (s State) command(svc *config.Service, e Commanded, w config.Weights, done string) (State, []Action, error) {
	r := s.Running()
	if r != nil && !e.Force {
		refusal := s.inProgress(svc, r)
		refusal.Detail += "; steer it, or end it with force and a reason"
		return s, nil, refusal
	}
	if r == nil && w.Equal(s.InForce()) {
		return s, nil, nil
	}
	if r := s.servable(svc, w, e.Facts); r != nil {
		return s, nil, r
	}
	next, c := s.superseding(e.change(done))
	next, actions := next.enforce(svc, s.Basis, w, c)
	return next, actions, nil
}
