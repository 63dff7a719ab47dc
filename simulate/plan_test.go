package simulate

import (
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/judge"
)

// TestPlanKeepsItsWord compares what the judge estimates beforehand with what rollouts take.
func TestPlanKeepsItsWord(t *testing.T) {
	const runs = 40
	quick := "{steps: [{weight: 5, for: 10s}, 25], checks: {errors: {}}}"
	for name, tt := range map[string]struct {
		worse Change
		need  func(judge.Plan) judge.Need
	}{
		"clear": {equal, func(p judge.Plan) judge.Need { return p.Clear }},
		"catch": {more(1), func(p judge.Plan) judge.Need { return p.Catch[1].Need }},
	} {
		t.Run(name, func(t *testing.T) {
			p := at(500, tt.worse)
			p.Service = service(t, quick)
			w := newWorld(&p, chance(seed, -1))
			need := tt.need(w.policy.Plan(0, &w.memory, judge.Traffic{Rate: p.Rate, Weight: 0.05, Next: 0.25, Deadline: time.Hour}))
			sum := 0.0
			for i := range runs {
				sum += first(t, w, i)
			}
			if ratio := sum / runs / need.Requests; ratio < 0.5 || ratio > 1.5 {
				t.Errorf("the first step took %.0f requests, planned were %.0f", sum/runs, need.Requests)
			}
		})
	}
}

// first plays the first step and returns the candidate's requests that were judged.
func first(t *testing.T, w *world, i int) float64 {
	t.Helper()
	p, err := w.start(chance(seed, i))
	if err != nil {
		t.Fatal(err)
	}
	for p.outcome() == "" && p.state.Rollout.Step == 1 {
		if err := p.tick(); err != nil {
			t.Fatal(err)
		}
	}
	return p.known
}
