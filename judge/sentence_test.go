package judge

import (
	"math"
	"strings"
	"testing"
	"time"
)

var scene = Scene{Candidate: "green", Baseline: "blue", Since: "14:02", Elapsed: "30m"}

// settled is a trial whose evidence was put into place: N is 390 times what a share of alpha allows.
func settled(c Check, candidate, baseline Tally, against, proof float64) (Policy, Trial) {
	p := Policy{Checks: []Check{c}}
	var tr Trial
	tr.Step(0.25)
	m := &tr.metrics[0]
	empty(m.against[:])
	empty(m.proof[:])
	m.against[0], m.proof[0] = math.Log(against), math.Log(proof)
	m.windows, m.proofs = math.MaxUint32, math.MaxUint32
	m.changes = maxChanges
	m.bad = candidate.Bad
	m.candidate, m.baseline = candidate, baseline
	m.threshold = 412 * time.Millisecond
	m.last = [2]float64{1.94, 1.2}
	return p, tr
}

func TestRolledBack(t *testing.T) {
	tests := []struct {
		name                string
		check               Check
		candidate, baseline Tally
		against             float64
		want                string
	}{
		{
			"errors",
			Check{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002},
			Tally{325, 8},
			Tally{6175, 6},
			394,
			"rolled back: since 14:02 green failed 8 of 325 requests (2.5 %) while blue failed 6 of 6,175 (0.1 %); allowed is +0.2 points; an acceptable version would look this bad in fewer than 1 of 390 rollouts",
		},
		{
			"errors, simple rule",
			Check{Name: "errors", Kind: Errors, MaxRatio: 1.5, MaxIncrease: 0.001},
			Tally{100, 3},
			Tally{900, 0},
			1e9,
			"rolled back: since 14:02 green failed 3 of 100 requests (3 %) while blue failed none of 900 (0 %); allowed is 1.5 times and 0.1 points; an acceptable version would look this bad in fewer than 1 of 1,000,000 rollouts",
		},
		{
			"limit",
			Check{Name: "errors", Kind: Errors, Max: 0.05},
			Tally{325, 40},
			Tally{6175, 600},
			123,
			"rolled back: since 14:02 green failed 40 of 325 requests (12 %); allowed is 5 % at most; an acceptable version would look this bad in fewer than 1 of 120 rollouts",
		},
		{
			"latency",
			Check{Name: "p99", Kind: Latency, Quantile: 0.99, MaxRatio: 1.2},
			Tally{293, 12},
			Tally{6175, 62},
			901,
			"rolled back: since 14:02 green took longer than 1.2 times blue's p99 (412ms) in 12 of 293 requests (4.1 %) while blue took longer than its p99 in 62 of 6,175 (1 %); allowed is no larger share; an acceptable version would look this bad in fewer than 1 of 900 rollouts",
		},
		{
			"slow",
			Check{Name: "slow", Kind: Slow, Over: 250 * time.Millisecond, MaxRatio: 1, MaxIncrease: 0.005},
			Tally{293, 12},
			Tally{6175, 62},
			200,
			"rolled back: since 14:02 green took longer than 250ms in 12 of 293 requests (4.1 %) while blue took longer than 250ms in 62 of 6,175 (1 %); allowed is +0.5 points; an acceptable version would look this bad in fewer than 1 of 200 rollouts",
		},
		{
			"ratio",
			Check{Name: "conversion", Kind: Ratio, MaxDecrease: 0.05},
			Tally{400, 369},
			Tally{7600, 6000},
			200,
			"rolled back: since 14:02 green had conversion in 31 of 400 requests (7.8 %) while blue had conversion in 1,600 of 7,600 (21 %); allowed is -5 points; an acceptable version would look this bad in fewer than 1 of 200 rollouts",
		},
		{
			"value",
			Check{Name: "cpu", Kind: Value, MaxRatio: 1.25},
			Tally{14, 13},
			Tally{},
			200,
			"rolled back: since 14:02 cpu of green was worse than allowed in 13 of 14 scrapes (last 1.94, 1.2 of blue); allowed is 1.25 times; an acceptable version would look this bad in fewer than 1 of 200 rollouts",
		},
		{
			"not by a verdict",
			Check{Name: "errors", Kind: Errors, MaxRatio: 1},
			Tally{10, 2},
			Tally{},
			2,
			"rolled back: not because of a verdict on green",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, tr := settled(tt.check, tt.candidate, tt.baseline, tt.against, 1)
			if got := tr.RolledBack(&p, scene); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRolledBackByARule(t *testing.T) {
	p := Policy{Checks: []Check{{Name: "queue", Kind: Value, Max: 500}}}
	tr, _ := play(&p, Window{Checks: []Counts{{Scrape: Scrape{Taken: true, Candidate: 612, Baseline: math.NaN()}}}}, 3)
	want := "rolled back: queue of green was above 500 3 times in a row (last 612); this limit is a rule of its own, outside alpha"
	if got := tr.RolledBack(&p, scene); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestRolledBackNamesTheTarget(t *testing.T) {
	p, tr := settled(Check{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002}, Tally{325, 8}, Tally{6175, 6}, 394, 1)
	s := scene
	s.Target = "http://10.0.1.1:8080"
	want := "rolled back: since 14:02 green failed 8 of 325 requests (2.5 %) while blue failed 6 of 6,175 (0.1 %); allowed is +0.2 points; most of these come from http://10.0.1.1:8080; an acceptable version would look this bad in fewer than 1 of 390 rollouts"
	if got := tr.RolledBack(&p, s); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestPromoted(t *testing.T) {
	e := Check{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002}
	p, tr := settled(e, Tally{551, 0}, Tally{10469, 7}, 1, 21)
	want := "promoted to 25 %: in 551 requests green failed none and blue 7 of 10,469, so more than the tolerated 0.2 points of extra failures over all users at 25 % is ruled out at 95 %"
	if got := tr.Promoted(&p, scene); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	p.Checks = append(p.Checks, Check{Name: "queue", Kind: Value, Max: 500})
	tr.metrics[1].candidate.Requests = 3
	if got := tr.Promoted(&p, scene); got != want+"; queue passed too" {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	p, tr = settled(e, Tally{551, 0}, Tally{10469, 7}, 1, 3)
	want = "promoted to 25 %: in 551 requests green failed none and blue 7 of 10,469, which is not a proof"
	if got := tr.Promoted(&p, scene); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := tr.Promoted(&Policy{}, scene), "promoted to 25 %: no check asks for a proof"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestWaiting(t *testing.T) {
	e := Check{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002}
	need := Need{Requests: 455, Time: 455 * time.Second}
	p, tr := settled(e, Tally{96, 0}, Tally{1800, 0}, 1, 1.5)
	want := "waiting: green failed none of 96 requests; about 460 more are needed to rule out more than the tolerated 0.2 points of extra failures over all users at 25 % (8 min at the present rate)"
	if got := tr.Waiting(&p, scene, need); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	want = "waiting: green failed none of 96 requests; at these rates errors is never proven"
	if got := tr.Waiting(&p, scene, Need{Requests: math.Inf(1), Time: math.MaxInt64}); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	p, tr = settled(e, Tally{96, 0}, Tally{1800, 0}, 20, 50)
	if got, want := tr.Waiting(&p, scene, need), "waiting: errors of green is under suspicion"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	p, tr = settled(e, Tally{96, 0}, Tally{1800, 0}, 1, 50)
	if got, want := tr.Waiting(&p, scene, need), "waiting: every check is proven"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	tr = Trial{}
	if got, want := tr.Waiting(&p, scene, need), "waiting: there is nothing to judge errors by yet"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestUndecided(t *testing.T) {
	e := Check{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002}
	p, tr := settled(e, Tally{20000, 100}, Tally{60000, 90}, 1, 0.5)
	want := "undecided after 30m: the share of failures of green lies 0.25 to 0.46 points above that of blue (Wilson, 95 %); allowed is +0.2 points; holding at 25 %"
	if got := tr.Undecided(&p, scene, "holding at 25 %"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	p, tr = settled(e, Tally{2000, 8}, Tally{60000, 90}, 1, 0.5)
	want = "undecided after 30m: the share of failures of green lies 0.05 to 0.64 points above that of blue (Wilson, 95 %), the tolerance of 0.2 points lies inside; holding at 25 %"
	if got := tr.Undecided(&p, scene, "holding at 25 %"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	tr = Trial{}
	want = "undecided after 30m: there is nothing to judge errors by; holding at 25 %"
	if got := tr.Undecided(&p, scene, "holding at 25 %"); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestSentencesOfEverything makes every sentence of every kind of check, also before anything was seen.
func TestSentencesOfEverything(t *testing.T) {
	all := full()
	for i := range all.Checks {
		p := Policy{Checks: all.Checks[i : i+1]}
		for _, n := range []int{0, 1, 60} {
			tr, m := play(&p, busy(&p), n)
			for _, s := range []string{
				tr.RolledBack(&p, scene), tr.Promoted(&p, scene), tr.Undecided(&p, scene, "holding"),
				tr.Waiting(&p, scene, tr.Remaining(&p, 0, &m, Traffic{Rate: 500, Weight: 0.05})),
			} {
				if s == "" || containsBad(s) {
					t.Errorf("%s after %d windows: %q", p.Checks[0].Name, n, s)
				}
			}
		}
	}
}

// containsBad finds numbers that nobody wants to read.
func containsBad(s string) bool {
	for _, bad := range []string{"NaN", "Inf", "%!", "MISSING", "  ", "e+", "e-"} {
		if strings.Contains(s, bad) {
			return true
		}
	}
	return false
}
