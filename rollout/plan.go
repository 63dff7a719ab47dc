package rollout

import (
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// at is the step of the plan that r is at. A file that was read late may have fewer steps.
func (r *Rollout) at(p *config.Rollout) config.Step { return p.Steps[min(r.Step, len(p.Steps))-1] }

// share is what the candidate has at a step: with a bake, the last one leaves the baseline its holdback.
func share(p *config.Rollout, step int) config.Weight {
	w := p.Steps[step-1].Weight
	if w == config.Full && p.Bake != nil {
		return config.Full - p.Bake.Holdback
	}
	return w
}

// Least is how long the step or the bake lasts at least, in observed time.
func (r *Rollout) Least(p *config.Rollout) time.Duration {
	switch {
	case r.Unbegun:
		return 0
	case r.Phase != Baking:
		return r.at(p).For
	case p.Bake != nil:
		return p.Bake.For
	}
	return 0 // the file took the bake back
}

// proven reports whether no proof is asked any more: all that can be compared was.
func (r *Rollout) proven() bool { return r.Phase == Baking || r.Weight == config.Full }

// following is the step that gives the candidate more than it has, 0 when only the end does. It goes by
// weights because the plan may have changed since the last step.
func (r *Rollout) following(p *config.Rollout) int {
	if r.Unbegun {
		return 1
	}
	for step := 1; step <= len(p.Steps) && r.Phase == Stepping; step++ {
		if share(p, step) > r.Weight {
			return step
		}
	}
	return 0
}

// preceding is the step that gives the candidate less than it has, 0 when none does.
func (r *Rollout) preceding(p *config.Rollout) int {
	for step := len(p.Steps); step > 0; step-- {
		if share(p, step) < r.Weight {
			return step
		}
	}
	return 0
}

// place is the step of the plan that the rollout is at: the one it was, if that still has its weight;
// else the last one that gives the candidate no more than it has; else the first.
func (r *Rollout) place(p *config.Rollout) int {
	if r.Phase == Baking {
		return len(p.Steps)
	}
	if r.Unbegun {
		return 1
	}
	if r.Step <= len(p.Steps) && p.Steps[r.Step-1].Weight == r.Weight {
		return r.Step
	}
	place := 1
	for i := range p.Steps {
		if p.Steps[i].Weight <= r.Weight {
			place = i + 1
		}
	}
	return place
}

// Next is the weight that follows the step or the bake and whether a person still has to agree to it;
// false when nothing follows: at 100 % and after the end.
func (r *Rollout) Next(p *config.Rollout) (w config.Weight, approve, ok bool) {
	if !r.Phase.Running() || r.Weight == config.Full {
		return 0, false, false
	}
	w = config.Full
	if step := r.following(p); step > 0 {
		w = share(p, step)
	}
	return w, r.unapproved(p), true
}

// unapproved reports whether a person has yet to agree to leave the step.
func (r *Rollout) unapproved(p *config.Rollout) bool {
	return r.at(p).Approve && !r.Approved && !r.Unbegun
}

// split is the weights of both pools.
func (r *Rollout) split() config.Weights {
	return config.Weights{r.Candidate: r.Weight, r.Baseline: config.Full - r.Weight}
}

// title is a rollout in a sentence: "rollout 7 of green 2.5.0".
func (r *Rollout) title() string {
	return fmt.Sprintf("rollout %s of %s", r.ID, sayPool(r.Candidate, r.Version))
}

// begin starts a rollout at the first step. What the last one left behind is forgotten.
func (s State) begin(svc *config.Service, candidate string, term int64, c change) (State, []Action) {
	r := Rollout{
		ID: nextID(s.Rollout), Candidate: candidate, Baseline: s.Baseline, Version: svc.Pool(candidate).Version,
		Began: c.cause.At, Term: max(term, s.term()), Epoch: Epoch{Rollback: 1},
	}
	s.Rollout, s.Failed, s.Wanted = &r, nil, nil
	c.kind = RolloutStarted
	if r.Unbegun = true; len(r.gates(svc.Rollout, share(svc.Rollout, 1))) > 0 {
		return s.await(svc, c)
	}
	return s.enter(svc, 1, c)
}

// await begins a rollout without moving traffic: the gates of the start are asked first.
func (s State) await(svc *config.Service, c change) (State, []Action) {
	r, to, text := *s.Rollout, share(svc.Rollout, 1), c.text
	r.Step, r.Phase, r.Since, r.Weight = 1, Stepping, c.cause.At, s.InForce()[r.Candidate]
	r.Epoch.Step++
	r.Epoch.Promote++
	r.Basis = r.digest(svc)
	s.Rollout = &r
	c.text = func(before, after string) string {
		return fmt.Sprintf("%s; the step to %v waits for its gates", text(before, after), to)
	}
	s, started := s.record(svc, s.InForce(), c)
	s, asked, _ := s.pass(svc, to, c.cause)
	return s, append(started, asked...)
}

// enter puts a step of the rollout in force. Promote evidence starts anew.
func (s State) enter(svc *config.Service, step int, c change) (State, []Action) {
	r, p := *s.Rollout, svc.Rollout
	r.Step, r.Phase, r.Since = step, Stepping, c.cause.At
	r.Approved, r.DeadlinePassed, r.Blocked, r.Unbegun, r.Gating = false, false, false, false, nil
	r.Epoch.Step++
	r.Epoch.Promote++
	if p.Steps[step-1].Weight == config.Full && p.Bake != nil {
		r.Phase = Baking
	}
	if c.kind == "" {
		c.kind = RolloutStep
		if r.Phase == Baking {
			c.kind = RolloutBaking
		}
	}
	r.Weight = share(p, step)
	r.Basis = r.digest(svc)
	s.Rollout, c.rollout = &r, r.ID
	return s.enforce(svc, s.Basis, r.split(), c)
}

// promoted ends the rollout with everything on the candidate.
func (s State) promoted(svc *config.Service, c change) (State, []Action) {
	s = s.ended(Promoted, c)
	c.kind, c.rollout = RolloutPromoted, s.Rollout.ID
	if s.InForce().Sole() != s.Rollout.Candidate {
		return s.enforce(svc, s.Basis, config.All(s.Rollout.Candidate), c)
	}
	s.Baseline = s.baseline(svc)
	return s.record(svc, s.InForce(), c)
}

// rolledBack ends the rollout with nothing on the candidate and latches its version. A rollback after
// it has nothing left to do.
func (s State) rolledBack(svc *config.Service, c change) (State, []Action) {
	s = s.ended(RolledBack, c)
	c.kind, c.back, c.rollout = RolloutRolledBack, true, s.Rollout.ID
	s, actions := s.enforce(svc, s.Basis, config.All(s.Rollout.Baseline), c)
	if s.Previous == nil || !s.restored() {
		s.Previous = &Previous{Weights: s.InForce(), Baseline: s.Baseline, Why: s.Why, Rollout: s.Rollout.ID}
	}
	return s.latched(c), actions
}

// latched keeps the version of the rollout from being rolled out again by itself.
func (s State) latched(c change) State {
	r := s.Rollout
	s.Failed = &Latch{Pool: r.Candidate, Version: r.Version, Reason: r.Sentence, At: c.cause.At}
	return s
}

func (s State) ended(phase Phase, c change) State {
	r := *s.Rollout
	r.Phase, r.Since, r.Unbegun, r.Gating = phase, c.cause.At, false, nil
	s.Rollout = &r
	return s
}

// superseding ends a running rollout because of a change that is about something else, and has the
// change say so.
func (s State) superseding(c change) (State, change) {
	r := s.Running()
	if r == nil {
		return s, c
	}
	text := c.text
	c.kind, c.warn = RolloutSuperseded, c.warn || c.cause.Verb == VerbFile
	c.text = func(before, after string) string {
		return fmt.Sprintf("%s; %s ends as superseded at %v", text(before, after), r.title(), r.Weight)
	}
	return s.ended(Superseded, c), c
}

// term is the highest of a leader that this state has seen.
func (s State) term() int64 {
	if s.Rollout == nil {
		return 0
	}
	return s.Rollout.Term
}

// led is the state with the leader's term, which outranks lower ones from now on.
func (s State) led(term int64) State {
	if s.Rollout == nil || term <= s.Rollout.Term {
		return s
	}
	r := *s.Rollout
	r.Term = term
	s.Rollout = &r
	return s
}

func (s State) stale(term int64) error {
	if term >= s.term() {
		return nil
	}
	return refuse(StaleLeader, "the leader of term %d decides no more, that of term %d does", term, s.term())
}
