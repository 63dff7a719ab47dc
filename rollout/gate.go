package rollout

import (
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Gating is the gates of one advance. Until the last of them is open the candidate gets no more than it
// has. They are asked one after the other; a rollback never waits for them.
type Gating struct {
	Question int           `json:"question"` // of the gate that is asked; tells it from others of the rollout
	To       config.Weight `json:"to"`       // what the candidate gets once all are open
	Gates    string        `json:"gates"`    // what the file says of them
	Open     int           `json:"open"`     // so many are open
	Since    time.Time     `json:"since"`    // when the one that follows was asked
	Closed   string        `json:"closed,omitempty"`
}

// Answered is what became of the question that State.Question gave. Said is in words: "answered 204".
type Answered struct {
	At       time.Time
	Term     int64
	Rollout  string
	Question int
	Open     bool
	Said     string
}

func (Answered) event() {}

// Question is a gate to be asked now. It stays the same until it is answered, so whoever asks after a
// restart asks the same one again.
type Question struct {
	Rollout  string
	Question int
	Gate     config.Gate
	To       config.Weight // what the candidate gets when the gate opens
	Since    time.Time
}

// Question is the gate that the running rollout asks, false when it asks none. Nothing is asked in a pause.
func (s State) Question(svc *config.Service) (Question, bool) {
	r := s.Running()
	if r == nil || s.Paused != nil || s.orphaned(svc) != "" {
		return Question{}, false
	}
	gate, ok := r.asked(svc.Rollout)
	if !ok || r.Gating.Closed != "" {
		return Question{}, false
	}
	return Question{Rollout: r.ID, Question: r.Gating.Question, Gate: gate, To: r.Gating.To, Since: r.Gating.Since}, true
}

// Closed is the gate that stays closed until a person opens it, and why; false when none does.
func (r *Rollout) Closed(p *config.Rollout) (gate config.Gate, why string, ok bool) {
	gate, ok = r.asked(p)
	if !ok || r.Gating.Closed == "" {
		return config.Gate{}, "", false
	}
	return gate, r.Gating.Closed, true
}

// asked is the first gate of the advance that is not open, while the file still has those gates.
func (r *Rollout) asked(p *config.Rollout) (config.Gate, bool) {
	g := r.Gating
	if g == nil {
		return config.Gate{}, false
	}
	gates := r.gates(p, g.To)
	if g.Gates != sum(gates) || g.Open >= len(gates) {
		return config.Gate{}, false
	}
	return gates[g.Open], true
}

// gates are those of an advance, in the order in which they are asked: those of the start or of a
// promotion, and behind them those of the finish when the candidate gets everything.
func (r *Rollout) gates(p *config.Rollout, to config.Weight) []config.Gate {
	first := config.GatePromote
	if r.Unbegun {
		first = config.GateStart
	}
	var all []config.Gate
	for _, at := range []config.GateAt{first, config.GateFinish} {
		for _, g := range p.Gates {
			if g.At == at && (at != config.GateFinish || to == config.Full) {
				all = append(all, g)
			}
		}
	}
	return all
}

// pass reports whether every gate of an advance is open, and asks the first one if none was asked yet.
func (s State) pass(svc *config.Service, to config.Weight, c Cause) (State, []Action, bool) {
	r := s.Rollout
	gates := r.gates(svc.Rollout, to)
	if len(gates) == 0 {
		return s, nil, true
	}
	if g := r.Gating; g != nil && g.To == to && g.Gates == sum(gates) {
		return s, nil, g.Open >= len(gates)
	}
	next, actions := s.ask(svc, Gating{To: to, Gates: sum(gates)}, c)
	return next, actions, false
}

// ask notes that the first gate that is not open is asked from now on.
func (s State) ask(svc *config.Service, g Gating, c Cause) (State, []Action) {
	r := *s.Rollout
	r.Questions++
	g.Question, g.Since, g.Closed = r.Questions, c.At, ""
	r.Gating = &g
	s.Rollout = &r
	gate, _ := r.asked(svc.Rollout)
	return s.record(svc, s.InForce(), change{cause: c, kind: RolloutGateAsked, text: func(_, _ string) string {
		return fmt.Sprintf("asking gate %s before %v", gate.Name(), g.To)
	}})
}

// opened notes that so many gates are open, and asks the one behind them.
func (s State) opened(svc *config.Service, open int, c change) (State, []Action) {
	r, g := *s.Rollout, *s.Rollout.Gating
	g.Open, g.Closed = open, ""
	r.Gating = &g
	s.Rollout = &r
	c.kind = RolloutGateOpened
	s, actions := s.record(svc, s.InForce(), c)
	if _, more := r.asked(svc.Rollout); !more {
		return s, actions
	}
	s, asked := s.ask(svc, g, c.cause)
	return s, append(actions, asked...)
}

// stepAnswered takes in the answer of a gate. One to a question that is not asked any more changes nothing.
func stepAnswered(svc *config.Service, s State, e Answered) (State, []Action, error) {
	if err := s.stale(e.Term); err != nil {
		return s, nil, err
	}
	q, ok := s.Question(svc)
	if !ok || e.Rollout != q.Rollout || e.Question != q.Question {
		return s, nil, nil
	}
	s = s.led(e.Term)
	c := change{cause: Cause{Verb: VerbJudge, By: bySwitchback, At: utc(e.At), Reason: e.Said}}
	if e.Open {
		c.text = func(_, _ string) string { return fmt.Sprintf("gate %s opened: %s", q.Gate.Name(), e.Said) }
		next, actions := s.opened(svc, s.Rollout.Gating.Open+1, c)
		return next, actions, nil
	}
	r, g := *s.Rollout, *s.Rollout.Gating
	g.Closed = e.Said
	r.Gating = &g
	s.Rollout = &r
	c.kind, c.warn = RolloutGateClosed, true
	c.text = func(_, after string) string {
		return fmt.Sprintf("gate %s stays closed: %s; holding at %s until a person opens it or steers the rollout", q.Gate.Name(), e.Said, after)
	}
	next, actions := s.record(svc, s.InForce(), c)
	return next, actions, nil
}

// openGate opens the gates of one place because a person says so.
func openGate(svc *config.Service, s State, e Commanded) (State, []Action, error) {
	r, err := s.steerable(svc)
	if err != nil {
		return s, nil, err
	}
	gate, ok := r.asked(svc.Rollout)
	switch {
	case !ok:
		return s, nil, refuse(Invalid, "%s asks no gate now: there is none to open", r.title())
	case e.Gate != "" && e.Gate != gate.At:
		return s, nil, refuse(Invalid, "%s asks gate %s now, not one of %s", r.title(), gate.Name(), e.Gate)
	case e.Reason == "":
		return s, nil, refuse(Invalid, "to open a gate by hand needs a reason")
	}
	gates := r.gates(svc.Rollout, r.Gating.To)
	open := r.Gating.Open
	for open < len(gates) && gates[open].At == gate.At {
		open++
	}
	c := e.change("")
	c.text = func(_, _ string) string {
		return becauseOf(fmt.Sprintf("gate %s opened by %s", gate.Name(), e.By), e.Reason)
	}
	next, actions := s.opened(svc, open, c)
	return next, actions, nil
}

// askAgain is the rollout with its question asked anew, after a pause.
func (r Rollout) askAgain(at time.Time) Rollout {
	if r.Gating == nil {
		return r
	}
	r.Questions++
	g := *r.Gating
	g.Question, g.Since, g.Closed = r.Questions, at, ""
	r.Gating = &g
	return r
}
