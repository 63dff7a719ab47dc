package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Judged is what the leader finds once a second about the running rollout. It is about the rollout and
// the evidence it names: if the state has others by now, it changes nothing.
//
// After a restart or an election the caller must not pass Pass before a new window could be used: what
// was proven before must not promote by itself.
type Judged struct {
	At       time.Time
	Term     int64 // of the leader; 0 before any election
	Rollout  string
	Epoch    Epoch
	Observed time.Duration // of this step, with the leader leading, no pause and the store within reach
	Verdict  Verdict
	Lean     bool           // leans good; asked at the deadline
	Check    string         // the check that failed or is farthest from a pass; "" when all pass
	Sentence string         // the judge's: "since 14:02 green failed 8 of 325 requests …", with or without "rolled back: "
	Checks   []CheckNumbers // recorded with a decision
	Facts    Facts
}

// Ticked is sent once a second while State.Wanted is not nil.
type Ticked struct {
	At    time.Time
	Term  int64
	Facts Facts
}

// Elected says that a new leader judges from now on. Events of leaders with lower terms are refused.
type Elected struct {
	At   time.Time
	Term int64
}

func (Judged) event()  {}
func (Ticked) event()  {}
func (Elected) event() {}

// Verdict is what the evidence says about the candidate.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = "undecided"
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
)

// stepJudged does what the verdict asks for. Nothing happens in a pause.
func stepJudged(svc *config.Service, s State, e Judged) (State, []Action, error) {
	if err := s.stale(e.Term); err != nil {
		return s, nil, err
	}
	r := s.Running()
	if r == nil || e.Rollout != r.ID || e.Epoch != r.Epoch || s.Paused != nil || s.orphaned(svc) != "" {
		return s, nil, nil
	}
	next, actions := s, []Action(nil)
	switch led := s.led(e.Term); {
	case e.Verdict == Fail:
		next, actions = led.fail(svc, e)
	case r.Unbegun:
		next, actions = led.advance(svc, e, "every gate of the start is open")
	case e.Observed < r.Least(svc.Rollout):
	case r.proven():
		next, actions = led.advance(svc, e, "the time is over")
	case e.Verdict == Pass:
		next, actions = led.advance(svc, e, "every check is proven")
	case e.Observed >= svc.Rollout.Deadline && !r.DeadlinePassed:
		next, actions = led.deadline(svc, e)
	}
	if len(actions) == 0 {
		return s, nil, nil
	}
	return next, actions, nil
}

// change is a decision of the judge in the record: what was done, then the evidence for it.
func (e Judged) change(did, why string) change {
	return change{
		cause:  Cause{Verb: VerbJudge, By: bySwitchback, At: utc(e.At), Reason: why},
		checks: e.Checks,
		text:   func(_, _ string) string { return withReason(did, e.evidence()) },
	}
}

// evidence is the judge's sentence without what the judge takes for the decision: that is Step's to say.
func (e Judged) evidence() string {
	said := e.Sentence
	for _, lead := range []string{"rolled back", "promoted to ", "undecided after ", "waiting"} {
		if strings.HasPrefix(said, lead) {
			_, said, _ = strings.Cut(said, ": ")
		}
	}
	if i := strings.LastIndex(said, "; holding at "); i >= 0 {
		said = said[:i]
	}
	return said
}

// advance goes to the next step or, from the last, to the end; unless a person has to agree, the
// candidate could not serve, no window is open or a gate is closed.
func (s State) advance(svc *config.Service, e Judged, why string) (State, []Action) {
	r, p := s.Rollout, svc.Rollout
	if r.unapproved(p) || e.Facts[r.Candidate].Up == 0 {
		return s, nil
	}
	step, to := r.following(p), config.Full
	if step > 0 {
		to = share(p, step)
	}
	if to > r.Weight || r.Unbegun { // at 100 % the end moves nothing
		if !p.InWindow(e.At) {
			return s, nil
		}
		next, actions, open := s.pass(svc, to, e.change("", why).cause)
		if !open {
			return next, actions
		}
	}
	if r.Unbegun {
		return s.enter(svc, step, e.change(fmt.Sprintf("begun at %v", to), why))
	}
	if step > 0 {
		return s.enter(svc, step, e.change(fmt.Sprintf("promoted to %v", to), why))
	}
	did := fmt.Sprintf("promoted: %s has had 100 %% for %s", r.Candidate, sayTime(e.Observed))
	if r.Weight < config.Full {
		did = fmt.Sprintf("promoted to 100 %% after %s at %v", sayTime(e.Observed), r.Weight)
	}
	return s.promoted(svc, e.change(did, why))
}

// deadline is the end of a step's time to prove itself. A lean that waits for a person or for a target
// is asked again.
func (s State) deadline(svc *config.Service, e Judged) (State, []Action) {
	did := "undecided after " + sayTime(e.Observed)
	switch {
	case svc.Rollout.Undecided == config.UndecidedRollback:
		return s.giveUp(svc, e, "rolled back, "+did, "undecided at the deadline")
	case svc.Rollout.Undecided == config.UndecidedLean && e.Lean:
		e.Sentence = withReason("it leans good at the deadline", e.evidence())
		return s.advance(svc, e, "leans good at the deadline")
	}
	r := *s.Rollout
	r.DeadlinePassed = true
	s.Rollout = &r
	c := e.change("", "undecided at the deadline")
	c.kind, c.warn = RolloutUndecided, true
	c.text = func(_, _ string) string {
		return fmt.Sprintf("%s; holding at %v", withReason(did, e.evidence()), r.Weight)
	}
	return s.record(svc, s.InForce(), c)
}

// fail is what becomes of a candidate that is worse than allowed.
func (s State) fail(svc *config.Service, e Judged) (State, []Action) {
	why := "the candidate is worse than allowed"
	if e.Check != "" {
		why = e.Check + " failed"
	}
	switch {
	case svc.Rollout.OnFail == config.FailHold:
		return s.hold(svc, e, why)
	case svc.Rollout.OnFail == config.FailStepBack && s.Rollout.StepBacks == 0 && s.Rollout.preceding(svc.Rollout) > 0:
		return s.retreat(svc, e, why)
	}
	return s.giveUp(svc, e, "rolled back", why)
}

// hold leaves it to a person: the pause ends with a resume or a rollback.
func (s State) hold(svc *config.Service, e Judged, why string) (State, []Action) {
	c := e.change(fmt.Sprintf("held at %v, until a person resumes or rolls back", s.Rollout.Weight), why)
	c.kind, c.warn = RolloutHeld, true
	s.Paused = &Pause{By: bySwitchback, At: c.cause.At, Reason: c.text("", ""), Failed: true}
	return s.record(svc, s.InForce(), c)
}

// retreat gives the candidate a second chance one step back.
func (s State) retreat(svc *config.Service, e Judged, why string) (State, []Action) {
	if s.stuck(e) {
		return s.block(svc, e, why)
	}
	r, step := *s.Rollout, s.Rollout.preceding(svc.Rollout)
	r.StepBacks++
	r.Epoch.Rollback++
	s.Rollout = &r
	c := e.change(fmt.Sprintf("stepped back to %v", share(svc.Rollout, step)), why)
	c.warn = true
	return s.enter(svc, step, c)
}

func (s State) giveUp(svc *config.Service, e Judged, did, why string) (State, []Action) {
	if s.stuck(e) {
		return s.block(svc, e, why)
	}
	c := e.change(did, why)
	c.warn = true
	return s.rolledBack(svc, c)
}

// stuck reports whether the baseline has nowhere to put the candidate's traffic.
func (s State) stuck(e Judged) bool { return e.Facts[s.Rollout.Baseline].Up == 0 }

// block says once that a rollback would have to go to a pool that cannot serve. It is done as soon as
// one of its targets is up.
func (s State) block(svc *config.Service, e Judged, why string) (State, []Action) {
	if s.Rollout.Blocked {
		return s, nil
	}
	r := *s.Rollout
	r.Blocked = true
	s.Rollout = &r
	c := e.change("not rolled back, "+e.Facts[r.Baseline].say(r.Baseline), why)
	c.kind, c.warn = RolloutHeld, true
	return s.record(svc, s.InForce(), c)
}

// stepElected makes the events of earlier leaders stale.
func stepElected(s State, e Elected) (State, []Action, error) {
	if err := s.stale(e.Term); err != nil {
		return s, nil, err
	}
	if s.Running() == nil {
		return s, nil, nil
	}
	return s.led(e.Term), nil, nil
}
