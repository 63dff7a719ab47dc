package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Rollout is one rollout of a service: the running one or, until the next begins, the last one.
type Rollout struct {
	ID        string `json:"id"` // "7": one more than the service's rollout before
	Candidate string `json:"candidate"`
	Baseline  string `json:"baseline"` // stays the service's baseline until the candidate is promoted
	Version   string `json:"version,omitempty"`
	Phase     Phase  `json:"phase"`
	Step      int    `json:"step"` // from 1; of a baking rollout the last, of an ended one where it ended

	Weight config.Weight `json:"weight"` // the candidate's, as the step gave it; while it runs, that in force

	Began          time.Time `json:"began"`
	Since          time.Time `json:"since"` // of the phase and step
	Term           int64     `json:"term,omitempty"`
	Approved       bool      `json:"approved,omitempty"`        // a person agreed to leave this step
	DeadlinePassed bool      `json:"deadline_passed,omitempty"` // of this step, and it was said
	Blocked        bool      `json:"blocked,omitempty"`         // it failed, the baseline cannot serve, and it was said
	StepBacks      int       `json:"step_backs,omitempty"`      // by the judge

	Unbegun   bool    `json:"unbegun,omitempty"`   // the first step waits for the gates of the start
	Gating    *Gating `json:"gating,omitempty"`    // nil: no gate was asked for the next advance
	Questions int     `json:"questions,omitempty"` // of the last question to a gate

	By       string `json:"by"` // who decided last, why, and the sentence about it
	Reason   string `json:"reason,omitempty"`
	Sentence string `json:"sentence"`

	Epoch Epoch  `json:"epoch"`
	Basis Digest `json:"basis"`
}

// Phase is where a rollout is.
type Phase string

// The phases. A service that never had a rollout is idle.
const (
	Idle       Phase = "idle"
	Stepping   Phase = "stepping"
	Baking     Phase = "baking"
	Promoted   Phase = "promoted"
	RolledBack Phase = "rolled_back"
	Superseded Phase = "superseded"
)

// Latch is a version that was rolled back. No rollout of it starts by itself.
type Latch struct {
	Pool    string    `json:"pool"`
	Version string    `json:"version,omitempty"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// Wanted is a rollout that starts by itself as soon as its pool can serve and the service is not paused.
type Wanted struct {
	Candidate string    `json:"candidate"`
	Version   string    `json:"version"`
	At        time.Time `json:"at"` // when the version changed
	Sentence  string    `json:"sentence"`
}

// Running reports whether the phase is one in which the judge decides.
func (p Phase) Running() bool { return p == Stepping || p == Baking }

// Running is the rollout that runs, nil when none does. A paused one runs. The caller must not change it.
func (s State) Running() *Rollout {
	if s.Rollout == nil || !s.Rollout.Phase.Running() {
		return nil
	}
	return s.Rollout
}

// Phase is that of the running or last rollout, Idle when there was none.
func (s State) Phase() Phase {
	if s.Rollout == nil {
		return Idle
	}
	return s.Rollout.Phase
}

// Candidate is the pool that a running rollout tries, "" when none runs. It is the candidate for roles,
// for rules and for the seed of sticky users.
func (s State) Candidate() string {
	if r := s.Running(); r != nil {
		return r.Candidate
	}
	return ""
}

// Watched reports whether the leader has to send an event every second: Judged while a rollout runs,
// Ticked while one waits for its start.
func (s State) Watched() bool { return s.Running() != nil || s.Wanted != nil }

// nextID is the ID of the rollout after r, which is nil before the first.
func nextID(r *Rollout) string {
	if r == nil {
		return "1"
	}
	n, _ := strconv.ParseInt(r.ID, 10, 64)
	return strconv.FormatInt(n+1, 10)
}

// check refuses a rollout that no event could have left behind.
func (r *Rollout) check() error {
	if r == nil {
		return nil
	}
	if !slices.Contains([]Phase{Stepping, Baking, Promoted, RolledBack, Superseded}, r.Phase) {
		return fmt.Errorf("rollout %s is in phase %q", r.ID, r.Phase)
	}
	if r.Step < 1 || r.Candidate == "" || r.Baseline == "" || r.Candidate == r.Baseline {
		return fmt.Errorf("rollout %s of %q over %q is at step %d", r.ID, r.Candidate, r.Baseline, r.Step)
	}
	return nil
}
