//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// quick is proven within a few seconds of light traffic.
const quick = `    rollout:
      start: version
      steps: [{weight: 5, for: 1s}, {weight: 25, for: 1s, approve: true}, {weight: 50, for: 10m}]
      deadline: 20m
      checks: {errors: {max_increase: 5}}
`

// TestRolloutKilled ends the proxy without warning while the step at 25 % waits for a person. It comes back
// with the weights, the step and the evidence, but what was proven before promotes nothing by itself.
func TestRolloutKilled(t *testing.T) {
	t.Parallel()
	r := newTrial(t, quick)
	r.start(t)
	r.up(t)
	stop := r.flow(t, 300)
	r.begin(t)
	before := r.until(t, time.Minute, "25 % is proven and watched", func(got api.Rollout) bool {
		return got.Step == 2 && got.Awaits == api.AwaitsApproval && duration(t, got.Observed) >= 12*time.Second
	})
	stop()
	r.proc.Kill()

	r.start(t)
	if v := r.view(t); v.Weights.InForce["green"] != 25 || v.Weights.InForce["blue"] != 75 {
		t.Errorf("%v in force after the restart, want 25 %% on green", v.Weights.InForce)
	}
	after := r.until(t, 5*time.Second, "the evidence is read", func(got api.Rollout) bool { return len(got.Checks) > 0 })
	t.Logf("before the kill %s watched, %+v; after it %s, %+v", before.Observed, before.Checks, after.Observed, after.Checks)
	if after.ID != before.ID || after.Step != 2 || !after.Running() {
		t.Errorf("the rollout is %s at step %d, %s; it was %s at step 2", after.ID, after.Step, after.Phase, before.ID)
	}
	// Evidence is written every five seconds.
	if lost := duration(t, before.Observed) - duration(t, after.Observed); lost > 8*time.Second || lost < -5*time.Second {
		t.Errorf("%s were watched before the kill, %s after it", before.Observed, after.Observed)
	}
	had, has := check(t, before.Checks, "errors"), check(t, after.Checks, "errors")
	if has.Candidate.Requests < had.Candidate.Requests/4 || has.For < 20 {
		t.Errorf("evidence was lost: %+v before the kill, %+v after it", had, has)
	}

	r.up(t)
	if _, err := r.api.Approve(t.Context(), "web", api.CommandRequest{Reason: "looks good"}); err != nil {
		t.Fatal(err)
	}
	r.still(t, 4*time.Second, "promoted without new traffic", func(got api.Rollout) bool { return got.Step == 2 })
	r.flow(t, 300)
	r.until(t, 30*time.Second, "the next step", func(got api.Rollout) bool { return got.Step == 3 })
}

// still fails the test when something changes within the time.
func (r *trial) still(t *testing.T, length time.Duration, what string, ok func(api.Rollout) bool) {
	t.Helper()
	end := time.Now().Add(length)
	binary.Within(t, length+10*time.Second, "nothing happens", func() bool {
		if got, err := r.api.Rollout(t.Context(), "web"); err != nil || !ok(got) {
			t.Fatalf("%s: %+v, %v", what, got, err)
		}
		return time.Now().After(end)
	})
}

// TestRolloutEdits edits the file while a rollout runs at 25 %.
func TestRolloutEdits(t *testing.T) {
	t.Parallel()
	r := newTrial(t, quick)
	r.start(t)
	r.up(t)
	r.begin(t)
	if _, err := r.api.Promote(t.Context(), "web", api.PromoteRequest{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	first := r.rollout(t)
	if first.Step != 2 || first.Weight != 25 {
		t.Fatalf("step %d with %v %%, want 2 with 25", first.Step, first.Weight)
	}

	// An unrelated key changes nothing.
	r.edit(t, r.yaml(100)+"    timeouts: {idle: 33s}\n")
	if got := r.rollout(t); got.ID != first.ID || got.Step != 2 || r.view(t).Weights.InForce["green"] != 25 {
		t.Errorf("an unrelated edit made it rollout %s at step %d", got.ID, got.Step)
	}

	// Another version begins at the first step.
	newer := strings.Replace(r.yaml(100), `green: {version: "2"`, `green: {version: "3"`, 1)
	r.edit(t, newer)
	got := r.until(t, 15*time.Second, "the new version's rollout", func(got api.Rollout) bool { return got.Version == "3" })
	if got.Step != 1 || !got.Running() || r.view(t).Weights.InForce["green"] != 5 {
		t.Errorf("the new version is at step %d, %s", got.Step, got.Phase)
	}

	// Weights in the file win.
	r.edit(t, strings.Replace(newer, "weights: {blue: 100, green: 0}", "weights: {blue: 60, green: 40}", 1))
	if got := r.rollout(t); got.Phase != api.PhaseSuperseded {
		t.Errorf("the rollout is %s after an edit of the weights", got.Phase)
	}
	if w := r.view(t).Weights; w.InForce["green"] != 40 || w.Intent != nil {
		t.Errorf("%+v after an edit of the weights", w)
	}
	for _, e := range r.events(t) {
		t.Logf("%s: %s", e.Type, e.Sentence)
	}
}

// edit saves the file and returns when it is in force.
func (r *trial) edit(t *testing.T, yaml string) {
	t.Helper()
	r.save(t, yaml)
	if _, err := r.api.Reload(t.Context(), api.CommandRequest{Reason: "test"}); err != nil {
		t.Fatalf("reload: %v", err)
	}
}

// TestRolloutLatch has a version rolled back. Neither an unrelated edit nor a restart tries it again; a
// newer one is tried by itself, and a person may start anything.
func TestRolloutLatch(t *testing.T) {
	t.Parallel()
	r := newTrial(t, quick)
	r.start(t)
	r.up(t)
	if _, err := r.api.Rollout(t.Context(), "web"); err == nil {
		t.Error("the first start began a rollout")
	}
	r.flow(t, 300)
	r.green.now.Store(&behaviour{errors: 1})
	bad := strings.Replace(r.yaml(100), `green: {version: "2"`, `green: {version: "2-bad"`, 1)
	r.edit(t, bad)
	r.until(t, time.Minute, "the bad version is rolled back", func(got api.Rollout) bool { return got.Phase == api.PhaseRolledBack })
	id := r.rollout(t).ID
	rests := func(when string) {
		t.Helper()
		r.still(t, 3*time.Second, when, func(got api.Rollout) bool { return got.ID == id && !got.Running() })
		if v := r.view(t); v.Failed != "2-bad" || v.Weights.InForce["green"] != 0 {
			t.Errorf("%s: latched %q, %v in force", when, v.Failed, v.Weights.InForce)
		}
	}
	rests("after the rollback")
	r.edit(t, bad+"    timeouts: {idle: 33s}\n")
	rests("after an unrelated edit")
	r.proc.Kill()
	r.start(t)
	r.up(t)
	rests("after a restart")

	r.green.now.Store(&behaviour{})
	r.edit(t, strings.Replace(bad, "2-bad", "2-mended", 1))
	r.until(t, 30*time.Second, "the mended version is tried by itself", func(got api.Rollout) bool {
		return got.Version == "2-mended" && got.Running()
	})
	if _, err := r.api.Rollback(t.Context(), "web", api.CommandRequest{Reason: "second thoughts"}); err != nil {
		t.Fatal(err)
	}
	r.until(t, 5*time.Second, "the rollback by hand", func(got api.Rollout) bool { return got.Phase == api.PhaseRolledBack })
	r.begin(t)
	if got := r.rollout(t); !got.Running() || r.view(t).Failed != "" {
		t.Errorf("a person's start made it %s, latched %q", got.Phase, r.view(t).Failed)
	}
}
