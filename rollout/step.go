package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Step returns what becomes of a service's state and what to do once. An event that changes nothing
// returns the state as it was and no action; one that must not happen returns it with a *Refusal.
func Step(svc *config.Service, s State, e Event) (State, []Action, error) {
	next, actions, err := step(svc, s, e)
	if err != nil {
		return s, nil, err
	}
	return next, append(actions, marks(s, next)...), nil
}

func step(svc *config.Service, s State, e Event) (State, []Action, error) {
	switch e := e.(type) {
	case File:
		return stepFile(svc, s, e)
	case Commanded:
		return stepCommand(svc, s, e)
	case Judged:
		return stepJudged(svc, s, e)
	case Ticked:
		return stepTicked(svc, s, e)
	case Answered:
		return stepAnswered(svc, s, e)
	case Elected:
		return stepElected(s, e)
	}
	return s, nil, fmt.Errorf("step %s: event %T is not known", svc.Name, e)
}

// change is the cause of a transition and what it leaves in the record.
type change struct {
	cause   Cause
	kind    Type // "": the verb says it
	remote  string
	text    func(before, after string) string // the sentence, given the weights as people read them
	warn    bool
	rollout string         // ID of the rollout whose step this is: all its steps are one change to a rollback
	back    bool           // a rollback: there is nothing to roll back from it
	checks  []CheckNumbers // of the judge
}

// enforce puts weights in force over the basis and records it. Every change of weights or layer goes
// through here: this is what a rollback relies on.
func (s State) enforce(svc *config.Service, basis, weights config.Weights, c change) (State, []Action) {
	before := s.InForce()
	previous := &Previous{Weights: before, Baseline: s.Baseline, Why: s.Why, Rollout: c.rollout}
	s.Basis, s.Intent = basis.Clone(), s.intent(basis, weights, c.cause)
	s.Why = c.cause
	if !weights.Equal(before) {
		s.Moved = c.cause
		if !c.back && !s.Previous.began(c.rollout) {
			s.Previous = previous
		}
	}
	s.Baseline = s.baseline(svc)
	if sole := s.InForce().Sole(); sole == "" || s.Wanted != nil && s.Wanted.Candidate == sole {
		s.Wanted = nil
	}
	return s.record(svc, before, c)
}

// began reports whether p is the traffic from before that rollout.
func (p *Previous) began(rollout string) bool {
	return p != nil && rollout != "" && p.Rollout == rollout
}

// intent is weights as an intent, nil when they are what the file says.
func (s State) intent(basis, weights config.Weights, c Cause) *Intent {
	if weights.Equal(basis) {
		return nil
	}
	i := &Intent{Weights: weights.Clone(), By: c.By, At: c.At, Reason: c.Reason, Since: c.At}
	if s.Intent != nil {
		i.Since = s.Intent.Since
	}
	return i
}

// baseline is that of a running rollout; else the pool that has everything; while none has, the one that last had, so growing a
// candidate by hand past half reshuffles nobody; and if that one left the file, the heaviest.
func (s State) baseline(svc *config.Service) string {
	if r := s.Running(); r != nil && svc.Pool(r.Baseline) != nil {
		return r.Baseline
	}
	if sole := s.InForce().Sole(); sole != "" {
		return sole
	}
	if svc.Pool(s.Baseline) != nil {
		return s.Baseline
	}
	return heaviest(svc, s.InForce())
}

// heaviest is the pool with the most weight; the first in the file among equals.
func heaviest(svc *config.Service, w config.Weights) string {
	name, most := "", config.Weight(-1)
	for _, p := range svc.Pools {
		if w[p.Name] > most {
			name, most = p.Name, w[p.Name]
		}
	}
	return name
}

// record adds a decision. One about a rollout is also the rollout's last word.
func (s State) record(svc *config.Service, before config.Weights, c change) (State, []Action) {
	after := s.InForce()
	s.Seq++
	d := Decision{
		Seq: s.Seq, Type: c.kind, At: c.cause.At, By: c.cause.By, Remote: c.remote, Verb: c.cause.Verb,
		Reason: c.cause.Reason, Before: before.Clone(), After: after.Clone(),
		Sentence: c.text(sayWeights(svc, before), sayWeights(svc, after)),
		Checks:   bounded(c.checks),
	}
	if d.Type == "" {
		d.Type = typeOf(c.cause.Verb)
	}
	if s.Running() != nil || s.Rollout != nil && d.Type.steers() {
		d.Rollout, d.Version, d.Step = s.Rollout.ID, s.Rollout.Version, s.Rollout.Step
	}
	if s.Rollout != nil && d.Type.steers() {
		r := *s.Rollout
		r.By, r.Reason, r.Sentence = d.By, d.Reason, d.Sentence
		s.Rollout = &r
	}
	s.Recent = append(slices.Clone(s.Recent), d)
	s.Recent = s.Recent[max(0, len(s.Recent)-keep):]
	return s.announced(svc, d), []Action{Announce{Decision: d, Warn: c.warn}}
}

// utc drops what JSON would drop, so that a state equals itself after a restart.
func utc(at time.Time) time.Time { return at.Round(0).UTC() }
