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
	case VerbFile:
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
	if s.Intent == nil {
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
	if s.InForce().Sole() == to {
		return s, nil, nil
	}
	if r := switchable(to, e.Facts[to], e.Force); r != nil {
		return s, nil, r
	}
	next, actions := s.enforce(svc, s.Basis, config.All(to), e.change("cutover"))
	return next, actions, nil
}

// command puts weights in force unless they are already or a pool that would begin to get traffic
// cannot serve it.
func (s State) command(svc *config.Service, e Commanded, w config.Weights, done string) (State, []Action, error) {
	if w.Equal(s.InForce()) {
		return s, nil, nil
	}
	if r := s.servable(svc, w, e.Facts); r != nil {
		return s, nil, r
	}
	next, actions := s.enforce(svc, s.Basis, w, e.change(done))
	return next, actions, nil
}
