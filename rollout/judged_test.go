package rollout

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// rolling is a service with a rollout and its state at the first step.
func rolling(t *testing.T) (*config.Service, State) {
	t.Helper()
	svc := shop()
	svc.Rollout = &config.Rollout{
		Steps:    []config.Step{{Weight: 500, For: time.Minute, Approve: true}, {Weight: config.Full, For: 2 * time.Minute}},
		Deadline: time.Hour, OnFail: config.FailRollback,
	}
	s, _, err := Step(svc, started(t, svc), Commanded{Verb: VerbStart, At: time.Unix(2e9, 0), By: "ann", Facts: Facts{"green": {Up: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return svc, s
}

// TestDecodeBefore reads a state from before there were rollouts.
func TestDecodeBefore(t *testing.T) {
	const old = `{"format":1,"basis":{"blue":100},"baseline":"blue","seen":{"blue":"1"},` +
		`"why":{"verb":"file","by":"file","at":"2026-01-02T15:00:00Z"},"moved":{"verb":"file","by":"file","at":"2026-01-02T15:00:00Z"},` +
		`"recent":[{"at":"2026-01-02T15:00:00Z","by":"file","verb":"file","after":{"blue":100},"sentence":"first start"},` +
		`{"at":"2026-01-02T16:00:00Z","by":"ann","verb":"pause","after":{"blue":100},"sentence":"paused"}]}`
	s, err := Decode([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	if s.Phase() != Idle || s.Running() != nil || s.Candidate() != "" || s.Watched() {
		t.Errorf("got phase %s, candidate %q", s.Phase(), s.Candidate())
	}
	if s.Seq != 2 || s.Recent[1].Seq != 2 || s.Recent[0].Type != TrafficWeights || s.Recent[1].Type != TrafficPaused {
		t.Errorf("got %d decisions, %+v", s.Seq, s.Recent)
	}
	again, err := Decode([]byte(mustEncode(t, s)))
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("got %+v, %v; want %+v", again, err, s)
	}
}

func TestDecodeRefusesRollouts(t *testing.T) {
	_, s := rolling(t)
	good := mustEncode(t, s)
	for _, swap := range [][2]string{
		{`"step":1,"weight"`, `"step":0,"weight"`},
		{`"candidate":"green"`, `"candidate":""`},
		{`"candidate":"green"`, `"candidate":"blue"`},
		{`"phase":"stepping"`, `"phase":"dancing"`},
	} {
		bad := strings.Replace(good, swap[0], swap[1], 1)
		if bad == good {
			t.Fatalf("%s is not in %s", swap[0], good)
		}
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("a rollout with %s was read", swap[1])
		}
	}
}

// TestDecisionOfTheJudge looks at what the record keeps: numbers that JSON can hold, and where the
// rollout was.
func TestDecisionOfTheJudge(t *testing.T) {
	svc, s := rolling(t)
	var checks []CheckNumbers
	for range 2 * mostChecks {
		checks = append(checks, CheckNumbers{
			Name: "errors", Verdict: "fail", For: math.NaN(), Against: math.Inf(1),
			Candidate: Counts{325, 8}, Baseline: Counts{6175, 6},
		})
	}
	s, actions, err := Step(svc, s, Judged{
		At: time.Unix(2e9+60, 0), Term: 7, Rollout: s.Rollout.ID, Epoch: s.Rollout.Epoch, Verdict: Fail, Check: "errors",
		Sentence: "rolled back: since 14:02 green failed 8 of 325 requests", Checks: checks, Facts: Facts{"blue": {Up: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := s.Recent[len(s.Recent)-1]
	want := Decision{
		Seq: 3, Type: RolloutRolledBack, At: time.Unix(2e9+60, 0).UTC(), By: "switchback", Verb: VerbJudge, Reason: "errors failed",
		Before: config.Weights{"blue": 9500, "green": 500}, After: config.All("blue"), Rollout: "1", Step: 1,
		Sentence: "rolled back: since 14:02 green failed 8 of 325 requests", Checks: d.Checks,
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v\nwant %+v", d, want)
	}
	numbers := CheckNumbers{Name: "errors", Verdict: "fail", Against: 1e6, Candidate: Counts{325, 8}, Baseline: Counts{6175, 6}}
	if len(d.Checks) != mostChecks || !reflect.DeepEqual(d.Checks[0], numbers) {
		t.Errorf("got %d checks, the first %+v", len(d.Checks), d.Checks[0])
	}
	if r := s.Rollout; r.Sentence != d.Sentence || r.By != d.By || r.Term != 7 || s.Failed.Reason != d.Sentence {
		t.Errorf("got %+v, latched %+v", r, s.Failed)
	}
	if len(actions) != 1 || !actions[0].(Announce).Warn {
		t.Errorf("got %+v", actions)
	}
}

// TestStaleLeader: who leads no more starts, judges and outranks nothing.
func TestStaleLeader(t *testing.T) {
	svc, s := rolling(t)
	s, _, err := Step(svc, s, Elected{Term: 4})
	if err != nil || s.Rollout.Term != 4 {
		t.Fatalf("got term %d, %v", s.Rollout.Term, err)
	}
	facts := Facts{"blue": {Up: 1}, "green": {Up: 1}}
	for _, e := range []Event{
		Elected{Term: 3},
		Ticked{Term: 3, Facts: facts},
		Judged{Term: 3, Rollout: "1", Epoch: s.Rollout.Epoch, Verdict: Fail, Facts: facts},
	} {
		next, actions, err := Step(svc, s, e)
		refusal := (*Refusal)(nil)
		if !errors.As(err, &refusal) || refusal.Kind != StaleLeader || len(actions) > 0 || mustEncode(t, next) != mustEncode(t, s) {
			t.Errorf("%T: got %v, %d actions", e, err, len(actions))
		}
	}
}

func TestMark(t *testing.T) {
	_, s := rolling(t)
	r := s.Rollout
	later := r.Began.Add(time.Hour)
	tests := []struct {
		name  string
		id    string
		began time.Time
		was   Epoch
		want  Mark
	}{
		{"the same", "1", r.Began, r.Epoch, Mark{}},
		{"no evidence", "", time.Time{}, Epoch{}, Mark{All: true, Weights: true, Promote: true, Rollback: true}},
		{"another of the same number, after a loss", "1", later, r.Epoch, Mark{All: true, Weights: true, Promote: true, Rollback: true}},
		{"a step behind", "1", r.Began, Epoch{0, 0, 1}, Mark{Weights: true, Promote: true}},
		{"failed and resumed", "1", r.Began, Epoch{1, 0, 0}, Mark{Promote: true, Rollback: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want != (Mark{}) {
				tt.want.Rollout, tt.want.Epoch = r.ID, r.Epoch
			}
			if got := r.Mark(tt.id, tt.began, tt.was); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNextAndLeast(t *testing.T) {
	p := &config.Rollout{Steps: []config.Step{
		{Weight: 500, For: time.Minute, Approve: true}, {Weight: 5000, For: 2 * time.Minute}, {Weight: config.Full, For: 3 * time.Minute},
	}}
	baked := *p
	baked.Bake = &config.Bake{For: time.Hour, Holdback: 200}
	tests := []struct {
		name    string
		plan    *config.Rollout
		r       Rollout
		next    config.Weight
		approve bool
		least   time.Duration
	}{
		{"first", p, Rollout{Phase: Stepping, Step: 1, Weight: 500}, 5000, true, time.Minute},
		{"approved", p, Rollout{Phase: Stepping, Step: 1, Weight: 500, Approved: true}, 5000, false, time.Minute},
		{"last below 100", p, Rollout{Phase: Stepping, Step: 2, Weight: 5000}, config.Full, false, 2 * time.Minute},
		{"at 100", p, Rollout{Phase: Stepping, Step: 3, Weight: config.Full}, 0, false, 3 * time.Minute},
		{"before the bake", &baked, Rollout{Phase: Stepping, Step: 2, Weight: 5000}, 9800, false, 2 * time.Minute},
		{"baking", &baked, Rollout{Phase: Baking, Step: 3, Weight: 9800}, config.Full, false, time.Hour},
		{"baking, and the bake left the file", p, Rollout{Phase: Baking, Step: 3, Weight: 9800}, config.Full, false, 0},
		{"ended", p, Rollout{Phase: RolledBack, Step: 1, Weight: 500}, 0, false, time.Minute},
		{"another node's longer plan", p, Rollout{Phase: Stepping, Step: 9, Weight: 7500}, config.Full, false, 3 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next, approve, ok := tt.r.Next(tt.plan)
			if next != tt.next || approve != tt.approve || ok != (tt.next > 0) {
				t.Errorf("got next %v, approve %v, %v", next, approve, ok)
			}
			if got := tt.r.Least(tt.plan); got != tt.least {
				t.Errorf("got least %v, want %v", got, tt.least)
			}
		})
	}
}

// TestEvidence: the judge's sentence says what it would do; what was done is the machine's to say.
func TestEvidence(t *testing.T) {
	for said, want := range map[string]string{
		"rolled back: since 14:02 green failed 8":                        "since 14:02 green failed 8",
		"promoted to 25 %: in 551 requests green failed none":            "in 551 requests green failed none",
		"undecided after 30m: the tolerance lies inside; holding at 5 %": "the tolerance lies inside",
		"waiting: 0 of 96 requests failed":                               "0 of 96 requests failed",
		"promoted to 25 %":                                               "",
		"not the fault of green: both pools fail":                        "not the fault of green: both pools fail",
		"": "",
	} {
		if got := (Judged{Sentence: said}).evidence(); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}

func TestSayTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30m", time.Hour: "1h", 65 * time.Minute: "1h5m", 90 * time.Second: "1m30s",
		10*time.Second + time.Millisecond: "10s", 24 * time.Hour: "24h",
	} {
		if got := sayTime(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

// TestAnotherFile: a node whose file is older or newer than the state decides nothing that it does not
// understand.
func TestAnotherFile(t *testing.T) {
	svc, s := rolling(t)
	facts := Facts{"blue": {Up: 1}, "green": {Up: 1}}
	others := map[string]*config.Service{
		"no candidate": {Name: "shop", Pools: svc.Pools[:1], Weights: svc.Weights, Rollout: svc.Rollout},
		"no baseline":  {Name: "shop", Pools: svc.Pools[1:], Weights: svc.Weights, Rollout: svc.Rollout},
		"no rollout":   {Name: "shop", Pools: svc.Pools, Weights: svc.Weights},
	}
	wanting := s
	wanting.Rollout, wanting.Wanted = nil, &Wanted{Candidate: "green", Version: "2"}
	for name, other := range others {
		t.Run(name, func(t *testing.T) {
			judged := Judged{Rollout: "1", Epoch: s.Rollout.Epoch, Verdict: Fail, Observed: time.Hour, Facts: facts}
			if next, actions, err := Step(other, s, judged); err != nil || len(actions) > 0 || mustEncode(t, next) != mustEncode(t, s) {
				t.Errorf("judged: %d actions, %v", len(actions), err)
			}
			if next, actions, err := Step(other, wanting, Ticked{Facts: facts}); err != nil || len(actions) > 0 || next.Running() != nil {
				t.Errorf("ticked: %d actions, %v", len(actions), err)
			}
			for _, verb := range []Verb{VerbPromote, VerbApprove, VerbStepBack} {
				var refusal *Refusal
				_, _, err := Step(other, s, Commanded{Verb: verb, By: "ann", Facts: facts})
				if !errors.As(err, &refusal) || refusal.Kind != Invalid {
					t.Errorf("%s: %v", verb, err)
				}
			}
		})
	}
	shorter := *svc
	plan := *svc.Rollout
	plan.Steps = plan.Steps[1:]
	shorter.Rollout = &plan
	next, _, err := Step(&shorter, s, Judged{Rollout: "1", Epoch: s.Rollout.Epoch, Verdict: Pass, Observed: time.Hour, Facts: facts})
	if err != nil || next.InForce().Sole() != "green" || next.Rollout.Step != 1 {
		t.Errorf("a shorter plan: %v at step %d, %v", next.InForce(), next.Rollout.Step, err)
	}
}
