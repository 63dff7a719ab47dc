// Package rollout decides what happens next to the traffic of one service. Step takes the state, the
// service as the file has it and an event, and returns the next state and what to do once. It asks no
// clock, disk or network, knows no store and no table, and never changes its arguments.
package rollout

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/receipt"
)

// Format is the version of the JSON that Encode writes.
const Format = 1

// keep bounds State.Recent.
const keep = 32

// State is everything durable about the traffic of one service. It is one value under one key, so a
// single write changes a service whole. The zero State belongs to a service never seen before.
// Weights in a state name no pool that has 0.
type State struct {
	Format   int               `json:"format"`
	Basis    config.Weights    `json:"basis"`              // the file's weights last taken over
	Intent   *Intent           `json:"intent,omitempty"`   // nil: as the file says
	Previous *Previous         `json:"previous,omitempty"` // what a rollback restores; nil: nothing moved yet
	Baseline string            `json:"baseline"`           // the pool that last had everything
	Seen     map[string]string `json:"seen"`               // the file's versions last seen, by pool
	Paused   *Pause            `json:"paused,omitempty"`   // nil: not paused
	Why      Cause             `json:"why"`                // of the weights in force and their layer
	Moved    Cause             `json:"moved"`              // the last change that moved traffic
	Rollout  *Rollout          `json:"rollout,omitempty"`  // the running or the last one; nil: none ran
	Failed   *Latch            `json:"failed,omitempty"`   // nil: no version is latched
	Wanted   *Wanted           `json:"wanted,omitempty"`   // nil: no rollout waits for its start
	Seq      int64             `json:"seq,omitempty"`      // of the last decision
	Recent   []Decision        `json:"recent,omitempty"`   // the newest last, at most 32

	Announced int64          `json:"announced,omitempty"` // of the last announcement
	Outbox    []Announcement `json:"outbox,omitempty"`    // not everybody was told yet; the newest last, at most KeepOutbox

	Answers []receipt.Receipt `json:"answers,omitempty"` // to commands that named a key; the newest last, at most receipt.Keep
}

// Intent is weights decided at run time. They always differ from Basis: an intent that says what the
// file says is dropped.
type Intent struct {
	Weights config.Weights `json:"weights"`
	By      string         `json:"by"`
	At      time.Time      `json:"at"`
	Reason  string         `json:"reason,omitempty"`
	Since   time.Time      `json:"since"` // when file and intent began to differ; an older intent may have begun it
}

// Previous is the traffic from before the last change that moved it and was not a rollback. The layer
// needs no field: weights that the file says come back as the file's, others as an intent.
type Previous struct {
	Weights  config.Weights `json:"weights"`
	Baseline string         `json:"baseline"`
	Why      Cause          `json:"why"`               // what had put them in force
	Rollout  string         `json:"rollout,omitempty"` // ID of the rollout that was the change
}

// Pause says who stopped the file from moving traffic.
type Pause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
	Failed bool      `json:"failed,omitempty"` // by the judge: roll-back evidence starts anew at resume
}

// Decision is one entry of the record. A pause has the same weights before and after.
type Decision struct {
	Seq      int64          `json:"seq"` // from 1, only grows
	Type     Type           `json:"type"`
	At       time.Time      `json:"at"`
	By       string         `json:"by"`
	Remote   string         `json:"remote,omitempty"` // address of the person or tool; "" for the file
	Verb     Verb           `json:"verb"`
	Before   config.Weights `json:"before,omitempty"` // in force; nil at the first start
	After    config.Weights `json:"after"`
	Reason   string         `json:"reason,omitempty"`
	Sentence string         `json:"sentence"`
	Rollout  string         `json:"rollout,omitempty"` // ID, when it is about one
	Version  string         `json:"version,omitempty"` // the rollout's candidate, when it has one
	Step     int            `json:"step,omitempty"`    // the rollout's, after the decision
	Checks   []CheckNumbers `json:"checks,omitempty"`  // of the judge, at most 16
}

// Empty reports whether the service was never seen before.
func (s State) Empty() bool { return s.Basis == nil }

// InForce is the weights requests meet: the intent's if there is one, else the file's. The caller must
// not change them.
func (s State) InForce() config.Weights {
	if s.Intent != nil {
		return s.Intent.Weights
	}
	return s.Basis
}

// Pending is the file's weights that wait because the service is paused, nil when none do.
func (s State) Pending(svc *config.Service) config.Weights {
	if s.Paused == nil || svc.Weights.Equal(s.Basis) {
		return nil
	}
	return svc.Weights.Clone()
}

// Encode writes the state as it is stored. Equal states have equal bytes.
func (s State) Encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote. Another format and weights that are not a whole are errors.
func Decode(b []byte) (State, error) {
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("decode state: %w", err)
	}
	if s.Format != Format {
		return State{}, fmt.Errorf("decode state: format %d is not %d", s.Format, Format)
	}
	if err := s.check(); err != nil {
		return State{}, fmt.Errorf("decode state: %w", err)
	}
	s.number()
	return s, nil
}

// number gives decisions what they lack that were written before decisions had numbers and types.
func (s *State) number() {
	if s.Seq > 0 {
		return
	}
	for i := range s.Recent {
		s.Seq++
		s.Recent[i].Seq, s.Recent[i].Type = s.Seq, typeOf(s.Recent[i].Verb)
	}
}

func (s State) check() error {
	if s.Baseline == "" {
		return fmt.Errorf("no baseline")
	}
	for name, w := range map[string]config.Weights{"basis": s.Basis, "weights in force": s.InForce()} {
		if w.Sum() != config.Full {
			return fmt.Errorf("%s add up to %v", name, w.Sum())
		}
	}
	if s.Previous != nil && s.Previous.Weights.Sum() != config.Full {
		return fmt.Errorf("previous weights add up to %v", s.Previous.Weights.Sum())
	}
	return s.Rollout.check()
}
