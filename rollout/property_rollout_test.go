package rollout

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// rolloutsSeen remembers the traffic from before a rollout.
type rolloutsSeen struct {
	before   config.Weights
	promoted int
}

// check is what must hold of every transition with a rollout in it.
func (o *rolloutsSeen) check(t *testing.T, svc *config.Service, s, next State, e Event) {
	t.Helper()
	was, is := s.Running(), next.Rollout
	if is == nil {
		return
	}
	if was == nil && is.Phase.Running() {
		o.before = s.InForce()
	}
	if is.Phase.Running() {
		checkRunning(t, svc, next)
	}
	if was != nil {
		checkGrowth(t, svc, s, next, e)
	}
	if was == nil || is.Phase == s.Rollout.Phase {
		return
	}
	switch is.Phase {
	case RolledBack:
		if next.InForce()[is.Candidate] != 0 || next.Failed == nil || next.Failed.Version != is.Version {
			t.Fatalf("%+v rolled back to %v, latched %v", e, next.InForce(), next.Failed)
		}
		checkNothingToUndo(t, svc, next)
	case Promoted:
		o.promoted++
		if next.InForce().Sole() != is.Candidate || next.Baseline != is.Candidate {
			t.Fatalf("%+v promoted at %v with baseline %s", e, next.InForce(), next.Baseline)
		}
		undone := rolledBackByHand(t, svc, next)
		if !undone.InForce().Equal(o.before) || undone.Rollout.Phase != RolledBack && !o.before.Equal(next.InForce()) {
			t.Fatalf("rolled back to %v, which was %v before the rollout", undone.InForce(), o.before)
		}
	case Idle, Stepping, Baking, Superseded:
	}
}

// checkRunning expects a whole rollout between two pools, which one command ends.
func checkRunning(t *testing.T, svc *config.Service, s State) {
	t.Helper()
	r, w := s.Rollout, s.InForce()
	if w[r.Candidate] != r.Weight || r.Weight <= 0 && !r.Unbegun || w[r.Candidate]+w[r.Baseline] != config.Full || s.Baseline != r.Baseline || s.Candidate() != r.Candidate {
		t.Fatalf("%s over %s at %v, baseline %s", r.Candidate, r.Baseline, w, s.Baseline)
	}
	if svc.Rollout == nil || r.Step < 1 || r.Step > len(svc.Rollout.Steps) {
		t.Fatalf("%+v with the plan %+v", r, svc.Rollout)
	}
	if r.Phase == Baking && (r.Step != len(svc.Rollout.Steps) || w[r.Candidate] == config.Full) {
		t.Fatalf("%+v bakes at %v", r, w)
	}
	undone := rolledBackByHand(t, svc, s)
	if undone.InForce().Sole() != r.Baseline || undone.Rollout.Phase != RolledBack {
		t.Fatalf("rolled back to %v, %s", undone.InForce(), undone.Rollout.Phase)
	}
	checkNothingToUndo(t, svc, undone)
}

// checkGrowth expects a candidate to get more only for a reason.
func checkGrowth(t *testing.T, svc *config.Service, s, next State, e Event) {
	t.Helper()
	r, grew := s.Rollout, next.InForce()[s.Rollout.Candidate] > s.InForce()[s.Rollout.Candidate]
	done := next.Rollout.Phase == Promoted && next.Rollout.ID == r.ID
	if !grew && !done {
		return
	}
	switch e := e.(type) {
	case Commanded:
	case File:
		if r := next.Running(); r != nil && r.ID == s.Rollout.ID || done {
			t.Fatalf("the file promoted: %+v", e)
		}
	case Judged:
		free := r.proven() || r.Unbegun
		lean := e.Lean && svc.Rollout.Undecided == config.UndecidedLean && e.Observed >= svc.Rollout.Deadline
		if s.Paused != nil || e.Epoch != r.Epoch || e.Term < r.Term || e.Facts[r.Candidate].Up == 0 ||
			e.Verdict == Fail || e.Observed < r.Least(svc.Rollout) || !free && !lean && e.Verdict != Pass ||
			r.unapproved(svc.Rollout) {
			t.Fatalf("%+v promoted %+v", e, r)
		}
		if grew {
			checkFree(t, svc, s, next, e)
		}
	default:
		t.Fatalf("%T promoted", e)
	}
}

// checkFree expects a window and open gates where a candidate gets more by itself.
func checkFree(t *testing.T, svc *config.Service, s, next State, e Judged) {
	t.Helper()
	r, to := s.Rollout, next.InForce()[s.Rollout.Candidate]
	gates := r.gates(svc.Rollout, to)
	if !svc.Rollout.InWindow(e.At) || len(gates) > 0 && (r.Gating == nil || r.Gating.To != to || r.Gating.Open != len(gates) || r.Gating.Gates != sum(gates)) {
		t.Fatalf("%+v promoted %+v to %v past %v and %v", e, r, to, gates, svc.Rollout.Windows)
	}
}

// rolledBackByHand is the state after a forced rollback, the state itself when that is impossible.
func rolledBackByHand(t *testing.T, svc *config.Service, s State) State {
	t.Helper()
	undone, _, err := Step(svc, s, Commanded{Verb: VerbRollback, At: time.Unix(2e9, 0), By: "ann", Reason: "test", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	return undone
}

func checkNothingToUndo(t *testing.T, svc *config.Service, s State) {
	t.Helper()
	if again := rolledBackByHand(t, svc, s); mustEncode(t, again) != mustEncode(t, s) {
		t.Fatalf("a rollback after a rollback did something:\n%s\n%s", mustEncode(t, s), mustEncode(t, again))
	}
}

// checkedByRollout reports whether a move was a rollout's, whose undoing is another.
func checkedByRollout(before, after State) bool {
	return after.Running() != nil ||
		before.Running() != nil && (after.Rollout.Phase == RolledBack || after.Rollout.Phase == Promoted)
}

// traffic is what a rollback restores, without the rollout it came from.
func traffic(p *Previous) Previous {
	if p == nil {
		return Previous{}
	}
	return Previous{Weights: p.Weights, Baseline: p.Baseline, Why: p.Why}
}

// checkActions expects one announcement for each decision, and marks for all evidence that starts anew.
func checkActions(t *testing.T, s, next State, actions []Action) {
	t.Helper()
	announced, marked := int64(0), Mark{}
	for _, a := range actions {
		switch a := a.(type) {
		case Announce:
			announced++
			if a.Decision.Seq != s.Seq+announced && next.Seq != announced || a.Decision.Type == "" || a.Decision.Sentence == "" {
				t.Fatalf("decision %+v after %d", a.Decision, s.Seq)
			}
		case Mark:
			marked = a
		}
	}
	if recorded := next.Seq - s.Seq; recorded != announced && next.Seq != announced {
		t.Fatalf("%d decisions recorded, %d announced", recorded, announced)
	}
	want := Mark{}
	if r := next.Running(); r != nil {
		if was := s.Rollout; was != nil {
			want = r.Mark(was.ID, was.Began, was.Epoch)
		} else {
			want = r.Mark("", time.Time{}, Epoch{})
		}
	}
	if len(next.Outbox) > KeepOutbox || len(next.Outbox) > 0 && next.Outbox[len(next.Outbox)-1].N != next.Announced {
		t.Fatalf("%d announcements wait, the last of %d is %+v", len(next.Outbox), next.Announced, next.Outbox)
	}
	if marked != want {
		t.Fatalf("marked %+v, want %+v", marked, want)
	}
}

// plan is a random rollout, mostly there.
func (r *random) plan() *config.Rollout {
	if r.IntN(5) == 0 {
		return nil
	}
	p := &config.Rollout{
		Start:     []config.StartWhen{config.StartManual, config.StartVersion}[r.IntN(2)],
		Deadline:  10 * time.Minute,
		Undecided: []config.Undecided{config.UndecidedHold, config.UndecidedRollback, config.UndecidedLean}[r.IntN(3)],
		OnFail:    []config.OnFail{config.FailRollback, config.FailStepBack, config.FailHold}[r.IntN(3)],
		Checks:    []config.Check{{Name: fmt.Sprint(r.IntN(2))}},
	}
	for _, w := range []config.Weight{100, 500, 2500, 5000, config.Full} {
		if w == config.Full || r.IntN(2) == 0 {
			p.Steps = append(p.Steps, config.Step{Weight: w, For: time.Minute, Approve: r.IntN(4) == 0})
		}
	}
	for _, at := range []config.GateAt{config.GateStart, config.GatePromote, config.GateFinish} {
		if r.IntN(4) == 0 {
			p.Gates = append(p.Gates, config.Gate{At: at, Post: fmt.Sprintf("https://ci/%d", r.IntN(2)), Timeout: time.Minute})
		}
	}
	if r.IntN(3) == 0 {
		w, err := config.ParseWindow("Fri-Tue 06:00-18:00 UTC")
		if err != nil {
			panic(err)
		}
		p.Windows = []config.Window{w}
	}
	if r.IntN(2) == 0 {
		p.Announce = []config.Announce{{Post: "https://hooks"}}
	}
	if r.IntN(2) == 0 {
		p.Bake = &config.Bake{For: 5 * time.Minute, Holdback: 200}
	}
	return p
}

// ofTheLeader is a second of the leader, or of one that is late.
func (r *random) ofTheLeader(s State) Event {
	term := s.term() + int64(r.IntN(4)/2-r.IntN(8)/7)
	facts := Facts{}
	for _, p := range r.svc.Pools {
		facts[p.Name] = Ready{Up: r.IntN(4)}
	}
	switch r.IntN(10) {
	case 0:
		return Elected{At: r.now, Term: term}
	case 3, 4, 5:
		if q, ok := s.Question(r.svc); ok {
			return Answered{At: r.now, Term: term, Rollout: q.Rollout, Question: q.Question - r.IntN(10)/9, Open: r.IntN(3) > 0, Said: "answered 204"}
		}
	case 1, 2:
		return Ticked{At: r.now, Term: term, Facts: facts}
	}
	e := Judged{
		At: r.now, Term: term, Observed: time.Duration(r.IntN(15)) * time.Minute, Lean: r.IntN(2) == 0, Facts: facts,
		Verdict: []Verdict{Pass, Pass, Pass, Undecided, Undecided, Fail}[r.IntN(6)], Sentence: "it did", Check: "errors",
		Checks: []CheckNumbers{{Name: "errors", For: math.Inf(1), Against: math.NaN()}},
	}
	if s.Rollout != nil {
		e.Rollout, e.Epoch = s.Rollout.ID, s.Rollout.Epoch
		e.Epoch.Step -= r.IntN(10) / 9
	}
	return e
}
