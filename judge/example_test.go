package judge_test

import (
	"fmt"

	"github.com/switchback-proxy/switchback/judge"
)

// A candidate at 5 % fails two of its 25 requests a second where the baseline fails none of 475.
func Example() {
	policy := judge.Policy{Alpha: 0.01, Beta: 0.05, Checks: []judge.Check{
		{Name: "errors", Kind: judge.Errors, MaxRatio: 1, MaxIncrease: 0.002},
	}}
	var memory judge.Memory // of the baseline; outlives the rollout
	var trial judge.Trial   // of this rollout
	trial.Step(0.25)        // from 5 % to 25 %
	for {
		trial.Observe(&policy, &memory, judge.Window{
			Seconds: 1,
			Odds:    5.0 / 95,
			Checks: []judge.Counts{{
				Candidate: judge.Tally{Requests: 25, Bad: 2},
				Baseline:  judge.Tally{Requests: 475},
			}},
		})
		if trial.Verdict(&policy).Outcome == judge.Fail {
			break
		}
	}
	fmt.Println(trial.RolledBack(&policy, judge.Scene{Candidate: "green", Baseline: "blue", Since: "14:02"}))
	// Output:
	// rolled back: since 14:02 green failed 6 of 75 requests (8 %) while blue failed none of 1,425 (0 %); allowed is +0.2 points; an acceptable version would look this bad in fewer than 1 of 1,100 rollouts
}
