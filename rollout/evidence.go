package rollout

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Epoch numbers the evidence of a rollout. Whoever keeps evidence keeps the rollout's ID and Began and
// the Epoch with it; where the state's are others, that part of it starts anew (see Rollout.Mark). So
// a leader that missed an action, or was elected after it, does what the action said.
type Epoch struct {
	Step     int `json:"step"`     // another step, other weights: observed time starts from 0
	Promote  int `json:"promote"`  // promote evidence
	Rollback int `json:"rollback"` // roll-back evidence
}

// Digest is what the file says that evidence rests on.
type Digest struct {
	Targets string        `json:"targets"` // of candidate and baseline, and the baseline's version
	Checks  string        `json:"checks"`
	Next    config.Weight `json:"next"` // the weight the step is to be proven for; 0: nothing is left to prove
}

// Mark tells the leader what of its evidence starts anew. Epoch says the same for whoever missed it.
type Mark struct {
	Rollout  string
	Epoch    Epoch
	All      bool // a new rollout: everything, the warm-up too
	Weights  bool // other weights are in force: observed time from 0, the judge's mark of changed weights
	Promote  bool // promote evidence
	Rollback bool // roll-back evidence
}

func (Mark) action() {}

// Mark says what of evidence with this ID, beginning and epoch starts anew; the zero Mark: nothing does.
func (r *Rollout) Mark(id string, began time.Time, was Epoch) Mark {
	m := Mark{Rollout: r.ID, Epoch: r.Epoch}
	switch {
	case id != r.ID || !began.Equal(r.Began):
		m.All, m.Weights, m.Promote, m.Rollback = true, true, true, true
	default:
		m.Weights = was.Step != r.Epoch.Step
		m.Promote = was.Promote != r.Epoch.Promote
		m.Rollback = was.Rollback != r.Epoch.Rollback
	}
	if !m.Weights && !m.Promote && !m.Rollback {
		return Mark{}
	}
	return m
}

// marks is what the way from one state to the next means for evidence.
func marks(s, next State) []Action {
	r := next.Running()
	if r == nil {
		return nil
	}
	m := Mark{Rollout: r.ID, Epoch: r.Epoch, All: true, Weights: true, Promote: true, Rollback: true}
	if s.Rollout != nil {
		m = r.Mark(s.Rollout.ID, s.Rollout.Began, s.Rollout.Epoch)
	}
	if m == (Mark{}) {
		return nil
	}
	return []Action{m}
}

// digest is what the evidence of r rests on in the file.
func (r *Rollout) digest(svc *config.Service) Digest {
	d := Digest{Checks: sum(svc.Rollout.Checks)}
	candidate, baseline := svc.Pool(r.Candidate), svc.Pool(r.Baseline)
	if candidate != nil && baseline != nil {
		d.Targets = sum(candidate.Targets, baseline.Version, baseline.Targets)
	}
	if !r.proven() {
		d.Next = config.Full
		if next := r.following(svc.Rollout); next > 0 {
			d.Next = svc.Rollout.Steps[next-1].Weight
		}
	}
	return d
}

// sum tells values apart; it is compared with nothing but itself.
func sum(values ...any) string {
	h := fnv.New64a()
	for _, v := range values {
		fmt.Fprintf(h, "%+v;", v)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}
