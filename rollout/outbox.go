package rollout

import (
	"slices"

	"github.com/switchback-proxy/switchback/config"
)

// KeepOutbox bounds State.Outbox: so many decisions wait for somebody who cannot be told.
const KeepOutbox = 64

// Announcement is a decision that somebody is to be told.
type Announcement struct {
	N        int64    `json:"n"` // from 1, each one more than the one before
	Decision Decision `json:"decision"`
	Undo     string   `json:"undo,omitempty"` // the command that would undo it; "": nothing to undo
}

// announced puts a decision into the outbox, if the file names anybody to be told. The oldest give way.
func (s State) announced(svc *config.Service, d Decision) State {
	if svc.Rollout == nil || len(svc.Rollout.Announce) == 0 {
		s.Outbox = nil
		return s
	}
	if d.Type == RolloutGateAsked { // its answer follows
		return s
	}
	s.Announced++
	a := Announcement{N: s.Announced, Decision: d}
	if s.Restores() != nil && d.Type != RolloutRolledBack && d.Type != TrafficRollback {
		a.Undo = "switchback rollback " + svc.Name
	}
	s.Outbox = append(slices.Clone(s.Outbox), a)
	s.Outbox = s.Outbox[max(0, len(s.Outbox)-KeepOutbox):]
	return s
}

// Told is the state without the announcements up to n, which everybody was told.
func (s State) Told(n int64) State {
	s.Outbox = slices.DeleteFunc(slices.Clone(s.Outbox), func(a Announcement) bool { return a.N <= n })
	if len(s.Outbox) == 0 {
		s.Outbox = nil
	}
	return s
}
