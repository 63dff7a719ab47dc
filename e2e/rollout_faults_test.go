//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// watching is a first step that no evidence can end: only a failure moves traffic.
const watching = `    rollout:
      steps: [{weight: 5, for: 10m}, 50]
      deadline: 20m
`

const byUser = "    sticky: {key: [{header: X-User-ID}]}\n"

// warmUp is how long a rollout is not judged by latency, and a little more.
const warmUp = 32 * time.Second

// TestRolloutFaults breaks the candidate in each way that versions are broken in, at 500 requests a second
// with 5 % on the candidate, and measures how long it takes until all traffic is back on the baseline.
// What is promised is logged beside it. Nothing tight is asserted: a test machine is shared.
func TestRolloutFaults(t *testing.T) {
	tests := []struct {
		name     string
		more     string // YAML of the service
		base     behaviour
		broken   behaviour
		refuses  bool          // the candidate's servers are gone
		after    time.Duration // what the healthy rollout is watched for before it breaks
		promised time.Duration // median of simulated rollouts
		check    string        // that fails; "" any
	}{
		{name: "outage", more: watching, broken: behaviour{errors: 1}, promised: 3 * time.Second, check: "errors"},
		{name: "outage by user", more: byUser + watching, broken: behaviour{errors: 1}, promised: 3 * time.Second, check: "errors"},
		{name: "refused", more: watching, refuses: true, promised: 3 * time.Second, check: "errors"},
		{name: "plus 5 points", more: watching, base: behaviour{errors: .001}, broken: behaviour{errors: .051}, promised: 6 * time.Second, check: "errors"},
		{name: "plus 5 points by user", more: byUser + watching, base: behaviour{errors: .001}, broken: behaviour{errors: .051}, promised: 6 * time.Second, check: "errors"},
		{name: "plus 2 points", more: watching, base: behaviour{errors: .001}, broken: behaviour{errors: .021}, promised: 18 * time.Second, check: "errors"},
		{name: "twice as slow", more: watching, broken: behaviour{slower: 2}, after: warmUp, promised: 5 * time.Second},
		{name: "hangs", more: watching, broken: behaviour{hangs: true}, after: warmUp, promised: 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, tt.more)
			r.blue.now.Store(&tt.base)
			r.green.now.Store(&tt.base)
			r.start(t)
			r.up(t)
			r.flow(t, 500)
			if tt.after > 0 {
				r.begin(t)
				r.observed(t, tt.after)
			}
			before := r.green.asked.Load()
			if tt.refuses {
				r.green.close()
			}
			r.green.now.Store(&tt.broken)
			broke := time.Now()
			if tt.after == 0 {
				broke = r.begin(t)
			}
			limit := 4*tt.promised + 10*time.Second
			r.until(t, limit, "the rollout ends", func(got api.Rollout) bool { return !got.Running() })
			e := r.wentBack(t)
			seen := r.green.asked.Load() - before
			if tt.refuses {
				seen = check(t, e.Checks, "errors").Candidate.Requests // those that it never got
			}
			t.Logf("MEASURED %s: back after %.1f s and %d requests (promised %v and two): %s",
				tt.name, e.At.Sub(broke).Seconds(), seen, tt.promised, e.Sentence)
			if tt.check != "" {
				r.agree(t, e, tt.check)
			}
			r.blue.now.Store(&behaviour{})
			r.green.close() // whoever still waits for it waits no more
			r.spared(t)
		})
	}
}

// wentBack fails the test unless the judge has rolled back and nothing else; it returns the event.
func (r *trial) wentBack(t *testing.T) api.Event {
	t.Helper()
	got, e := r.rollout(t), r.last(t)
	if got.Phase != api.PhaseRolledBack || e.Type != "rollout.rolled_back" {
		t.Fatalf("the rollout ended as %s with the event %s: %s", got.Phase, e.Type, got.Sentence)
	}
	if got.Sentence != e.Sentence {
		t.Errorf("status says %q, the event %q", got.Sentence, e.Sentence)
	}
	v := r.view(t)
	if v.Weights.InForce["blue"] != 100 || v.Weights.InForce["green"] != 0 {
		t.Errorf("%v in force after the rollback", v.Weights.InForce)
	}
	if v.Failed != "2" {
		t.Errorf("the version that is not tried again is %q, want 2", v.Failed)
	}
	return e
}

// agree fails the test unless a rollback in the first step tells the same numbers everywhere: in its
// sentence, in the event, in the rollout as it is shown, and in /metrics.
func (r *trial) agree(t *testing.T, e api.Event, name string) {
	t.Helper()
	numbers := check(t, e.Checks, name)
	if numbers.Verdict != "fail" {
		t.Errorf("the check %s has the verdict %s", name, numbers.Verdict)
	}
	candidate, baseline := numbers.Candidate, numbers.Baseline
	says(t, e.Sentence, candidate.Bad, candidate.Requests, baseline.Requests)
	if shown := check(t, r.rollout(t).Checks, name); shown.Candidate != candidate || shown.Baseline != baseline {
		t.Errorf("the rollout shows %+v, the event %+v", shown, numbers)
	}
	if green, blue := r.judged(t, "green"), r.judged(t, "blue"); green != candidate.Requests || blue != baseline.Requests {
		t.Errorf("/metrics: %d requests of green and %d of blue were judged; the sentence says %d and %d",
			green, blue, candidate.Requests, baseline.Requests)
	}
	if n := r.count(t, `switchback_verdicts_total{check="`+name+`",outcome="fail",service="web"}`); n != 1 {
		t.Errorf("/metrics counts %d failures of %s, want 1", n, name)
	}
}
