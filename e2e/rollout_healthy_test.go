//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestRolloutHealthy brings a version that is as good as the one before from 5 % to everything, with steps that
// are short but not shorter than their proof takes at 500 requests a second. Of the default checks p99 is left
// out: on a machine that others use it is what they do, which takes both pools longer to be proven equal.
func TestRolloutHealthy(t *testing.T) {
	t.Parallel()
	r := newTrial(t, byUser+`    rollout:
      steps: [{weight: 5, for: 35s}, {weight: 25, for: 15s}, {weight: 50, for: 20s}, {weight: 100, for: 2s}]
      checks: {errors: {}, p50: {}, p95: {}}
`)
	const least = 72 * time.Second
	r.start(t)
	r.up(t)
	r.flow(t, 500)
	began := r.begin(t)
	r.until(t, 4*least, "the rollout ends", func(got api.Rollout) bool { return !got.Running() })
	e := r.last(t)
	if e.Type != "rollout.promoted" || r.rollout(t).Phase != api.PhasePromoted {
		t.Fatalf("the rollout ended with %s: %s", e.Type, e.Sentence)
	}
	took := e.At.Sub(began)
	t.Logf("MEASURED healthy: promoted after %.1f s, the steps last %v at least", took.Seconds(), least)
	if took < least {
		t.Errorf("promoted after %v, but the steps last %v at least", took, least)
	}
	r.climbed(t, 5, 25, 50, 100)
	if v := r.view(t); v.Weights.InForce["green"] != 100 || v.Roles.Baseline != "green" {
		t.Errorf("%v in force, baseline %s", v.Weights.InForce, v.Roles.Baseline)
	}
}

// climbed fails the test unless the events tell of these weights of green one after another, each with a
// sentence about the numbers it rests on, and of no more requests than /metrics.
func (r *trial) climbed(t *testing.T, weights ...float64) {
	t.Helper()
	var climb []float64
	var told api.Counts
	for _, e := range r.events(t) {
		if climb = append(climb, e.After["green"]); len(climb) > 1 && climb[len(climb)-1] == climb[len(climb)-2] {
			climb = climb[:len(climb)-1]
		}
		if e.Type != "rollout.step" {
			continue
		}
		t.Logf("step %d: %s", e.Step, e.Sentence)
		errors := check(t, e.Checks, "errors")
		if errors.Verdict != "pass" || errors.Candidate.Requests == 0 {
			t.Errorf("%q rests on %+v", e.Sentence, errors)
		}
		says(t, e.Sentence, errors.Candidate.Requests)
		told.Requests += errors.Candidate.Requests
	}
	if climb[0] == 0 {
		climb = climb[1:]
	}
	if !slices.Equal(climb, weights) {
		t.Errorf("green had %v, want %v", climb, weights)
	}
	if judged := r.judged(t, "green"); judged < told.Requests {
		t.Errorf("/metrics: %d requests of green were judged, the sentences tell of %d", judged, told.Requests)
	}
}

// TestRolloutSharedTrouble lets a dependency of both versions fail for a minute: most of all requests.
// Nothing is rolled back, and nothing is promoted on the strength of it.
func TestRolloutSharedTrouble(t *testing.T) {
	t.Parallel()
	r := newTrial(t, `    rollout:
      steps: [{weight: 25, for: 5s}, {weight: 50, for: 10m}]
      deadline: 20m
      checks: {errors: {max_increase: 1}}
`)
	r.start(t)
	r.up(t)
	r.flow(t, 500)
	r.begin(t)
	r.observed(t, 2*time.Second)
	before := r.green.failed.Load()
	for _, v := range []*version{r.blue, r.green} {
		v.now.Store(&behaviour{errors: .7})
	}
	troubled := time.Now()
	said := ""
	binary.Within(t, 2*time.Minute, "the trouble lasts a minute", func() bool {
		if waiting := r.rollout(t).Waiting; strings.Contains(waiting, "both pools fail") {
			said = waiting
		}
		return time.Since(troubled) > time.Minute
	})
	if t.Log(said); said == "" {
		t.Error("the rollout does not say that both pools fail")
	}
	for _, v := range []*version{r.blue, r.green} {
		v.now.Store(&behaviour{})
	}
	if n := r.green.failed.Load() - before; n < 200 {
		t.Fatalf("green failed only %d requests, so nothing was shown", n)
	}
	r.until(t, 4*time.Minute, "the next step", func(got api.Rollout) bool { return got.Step == 2 || !got.Running() })
	for _, e := range r.events(t) {
		t.Logf("%s: %s", e.Type, e.Sentence)
		if e.After["green"] == 0 && e.Before["green"] > 0 {
			t.Errorf("green lost its traffic: %s", e.Sentence)
		}
	}
	if got := r.rollout(t); !got.Running() {
		t.Errorf("the rollout ended as %s: %s", got.Phase, got.Sentence)
	}
}
