package judge

import (
	"math"
	"strings"
	"testing"
)

// play gives the same window so often.
func play(p *Policy, w Window, n int) (Trial, Memory) {
	tr := Trial{seconds: WarmUp.Seconds()}
	var m Memory
	tr.Step(0.25)
	for range n {
		tr.Observe(p, &m, w)
	}
	return tr, m
}

func TestVerdict(t *testing.T) {
	value := func(ratio, limit float64) Policy {
		return Policy{Checks: []Check{{Name: "queue", Kind: Value, MaxRatio: ratio, Max: limit}}}
	}
	limited := Policy{Checks: []Check{{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002, Max: 0.05}}}
	onlyLimit := Policy{Checks: []Check{{Name: "errors", Kind: Errors, Max: 0.05}}}
	observed := errorsOnly(0.002)
	observed.Checks = append(observed.Checks, Check{Name: "slow", Kind: Slow, Over: 1, MaxRatio: 1, ObserveOnly: true})
	scrape := func(candidate, baseline float64) Window {
		return Window{Seconds: 1, Checks: []Counts{{Scrape: Scrape{Taken: true, Candidate: candidate, Baseline: baseline}}}}
	}
	counts := func(candidate, baseline Tally) Window {
		return Window{Seconds: 1, Checks: []Counts{{Candidate: candidate, Baseline: baseline}}}
	}
	nan := math.NaN()
	tests := []struct {
		name     string
		policy   Policy
		window   Window
		n        int
		want     Outcome
		absolute bool
	}{
		{"nothing seen", errorsOnly(0.002), Window{}, 100, Missing, false},
		{"no baseline", errorsOnly(0.002), counts(Tally{25, 25}, Tally{}), 100, Missing, false},
		{"one window", errorsOnly(0.002), counts(Tally{25, 0}, Tally{475, 0}), 1, Undecided, false},
		{"healthy", errorsOnly(0.002), counts(Tally{25, 0}, Tally{475, 0}), 60, Pass, false},
		{"dead", errorsOnly(0.002), counts(Tally{1, 1}, Tally{19, 0}), 3, Fail, false},
		{"two bad ones are too few", errorsOnly(0), counts(Tally{0.5, 0.5}, Tally{475, 0}), 5, Undecided, false},
		{"both dead, but there is a limit", limited, counts(Tally{25, 25}, Tally{475, 475}), 10, Fail, true},
		{"limit alone, kept", onlyLimit, counts(Tally{25, 1}, Tally{475, 0}), 10, Pass, true},
		{"limit alone, broken", onlyLimit, counts(Tally{25, 5}, Tally{475, 475}), 30, Fail, true},
		{"limit alone, nothing seen", onlyLimit, Window{}, 10, Missing, true},
		{"observed checks hold nothing up", observed, counts(Tally{25, 0}, Tally{475, 0}), 60, Pass, false},
		{"no checks", Policy{}, Window{}, 1, Pass, false},
		{"value, 7 worse at all of alpha", value(1, 0), scrape(2, 1), 7, Undecided, false},
		{"value, 11 worse at all of alpha", value(1, 0), scrape(2, 1), 11, Fail, false},
		{"value, not worse", value(1, 0), scrape(1, 1), 12, Pass, false},
		{"value, undecidable", value(1, 0), scrape(nan, 1), 100, Missing, false},
		{"value above its limit twice", value(0, 500), scrape(501, nan), 2, Undecided, false},
		{"value above its limit three times", value(0, 500), scrape(501, nan), 3, Fail, true},
		{"value within its limit", value(0, 500), scrape(500, nan), 1, Pass, false},
		{"value with a limit, none to be had", value(0, 500), scrape(nan, nan), 5, Missing, false},
		{"value compared, above its limit", value(2, 500), scrape(501, 400), 3, Fail, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr, _ := play(&tt.policy, tt.window, tt.n)
			v := tr.Verdict(&tt.policy)
			if v.Outcome != tt.want {
				t.Errorf("%v, want %v; %+v", v.Outcome, tt.want, tr.Finding(&tt.policy, 0))
			}
			if v.Check >= 0 && tr.Finding(&tt.policy, v.Check).Absolute != tt.absolute {
				t.Errorf("absolute is %v", !tt.absolute)
			}
		})
	}
}

// TestObservedFails shows that an observed check shows its failure and stops nothing.
func TestObservedFails(t *testing.T) {
	p := errorsOnly(0.002)
	p.Checks[0].ObserveOnly = true
	tr, _ := play(&p, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 25}, Baseline: Tally{475, 0}}}}, 10)
	if got := tr.Finding(&p, 0).Outcome; got != Fail {
		t.Errorf("finding %v, want fail", got)
	}
	if v := tr.Verdict(&p); v.Outcome != Pass {
		t.Errorf("verdict %v, want pass", v.Outcome)
	}
}

// TestTrouble lets a dependency of both pools break: no verdict until it is back.
func TestTrouble(t *testing.T) {
	p := errorsOnly(0.002)
	s := Scene{Candidate: "green", Baseline: "blue", Since: "14:10"}
	for down, known := range map[float64]int{0.3: 1200, 1: 0} {
		tr, m := play(&p, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}}, known)
		broken := Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 25 * down}, Baseline: Tally{475, 475 * down}}}}
		for second := range 300 {
			tr.Observe(&p, &m, broken)
			if v := tr.Verdict(&p); second > 3 && v.Outcome != Undecided {
				t.Fatalf("%v down, second %d: %v", down, second, v.Outcome)
			}
		}
		got, ok := tr.Trouble(&p, &m, s)
		want := "not the fault of green: both pools fail (blue 30 %, green 30 %) since 14:10; nothing is held against it, promotion waits"
		if down == 1 {
			want = strings.ReplaceAll(want, "30 %", "100 %")
		}
		if !ok || got != want {
			t.Errorf("%q, %v; want %q", got, ok, want)
		}
		if got := tr.Waiting(&p, s, Need{}); got != "waiting: blue and green fail together" {
			t.Errorf("%q", got)
		}
		for range 60 {
			tr.Observe(&p, &m, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}})
		}
		if _, ok := tr.Trouble(&p, &m, s); ok {
			t.Error("still in trouble a minute later")
		}
	}
}

// TestSuspicionHoldsPromotionUp has a proof of one thing and a suspicion of another at once.
func TestSuspicionHoldsPromotionUp(t *testing.T) {
	p := errorsOnly(0.002)
	tr, _ := play(&p, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}}, 60)
	if v := tr.Verdict(&p); v.Outcome != Pass || !v.Lean {
		t.Fatalf("%+v, want a pass that leans good", v)
	}
	tr.metrics[0].against[3] = math.Log(100)/2 + 0.01
	if v := tr.Verdict(&p); v.Outcome != Undecided || v.Lean {
		t.Errorf("%+v, want undecided under suspicion", v)
	}
	tr.metrics[0].against[3] = math.Log(3)
	if v := tr.Verdict(&p); v.Outcome != Pass || v.Lean {
		t.Errorf("%+v, want a pass that does not lean", v)
	}
}

func TestLeanNeedsEveryCheck(t *testing.T) {
	p := defaultPolicy()
	tr, _ := play(&p, Window{Seconds: 1, Checks: []Counts{{Candidate: Tally{25, 0}, Baseline: Tally{475, 0}}}}, 60)
	if v := tr.Verdict(&p); v.Outcome != Missing || v.Lean {
		t.Errorf("%+v, want missing latencies and no lean", v)
	}
}

func TestShares(t *testing.T) {
	e := Check{Name: "errors", Kind: Errors, MaxRatio: 1}
	limited := Check{Name: "errors", Kind: Errors, MaxRatio: 1, Max: 0.05}
	p99 := Check{Name: "p99", Kind: Latency, MaxRatio: 1.2}
	queue := Check{Name: "queue", Kind: Value, Max: 500}
	seen := Check{Name: "seen", Kind: Slow, MaxRatio: 1, ObserveOnly: true}
	tests := []struct {
		name     string
		checks   []Check
		i        int
		absolute bool
		want     float64
	}{
		{"errors alone", []Check{e}, 0, false, 1},
		{"errors of two", []Check{e, p99}, 0, false, 0.5},
		{"errors of five", []Check{p99, p99, e, p99, p99}, 2, false, 0.5},
		{"another of five", []Check{p99, p99, e, p99, p99}, 0, false, 0.125},
		{"no errors", []Check{p99, p99, p99}, 1, false, 1.0 / 3},
		{"a limit counts", []Check{limited, p99}, 0, true, 0.25},
		{"beside a limit", []Check{limited, p99}, 1, false, 0.25},
		{"limit of errors alone", []Check{limited}, 0, true, 0.5},
		{"rules and observed ones do not count", []Check{e, queue, seen, p99}, 3, false, 0.5},
	}
	for _, tt := range tests {
		p := Policy{Checks: tt.checks}
		if got := p.share(tt.i, tt.absolute); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		sum := 0.0
		for _, r := range p.roles() {
			if c := &p.Checks[r.check]; c.bets() && !c.ObserveOnly {
				sum += p.share(r.check, r.absolute)
			}
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: the shares add up to %v", tt.name, sum)
		}
	}
}

func TestScrapesInARow(t *testing.T) {
	// At an eighth of alpha it takes 13 worse scrapes.
	alarm := math.Log(8 / 0.01)
	if got := inARow(worse, func(m *metric) bool { return m.logAgainst(onset) >= alarm }); got != 13 {
		t.Errorf("%v scrapes, want 13", got)
	}
}

func TestValidate(t *testing.T) {
	good := full()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	many := Policy{}
	for range MaxChecks + 1 {
		many.Checks = append(many.Checks, Check{Name: "x", Kind: Errors, MaxRatio: 1, Max: 0.5})
	}
	tests := map[string]Policy{
		"too many":         many,
		"alpha":            {Alpha: 1},
		"beta":             {Beta: math.NaN()},
		"unknown kind":     {Checks: []Check{{Name: "x", Kind: Value + 1, MaxRatio: 1}}},
		"no name":          {Checks: []Check{{Kind: Errors, MaxRatio: 1}}},
		"nothing to judge": {Checks: []Check{{Name: "x", Kind: Errors}}},
		"ratio below 1":    {Checks: []Check{{Name: "x", Kind: Errors, MaxRatio: 0.5}}},
		"latency ratio":    {Checks: []Check{{Name: "x", Kind: Latency, Quantile: 0.5}}},
		"quantile":         {Checks: []Check{{Name: "x", Kind: Latency, MaxRatio: 1.2, Quantile: 99}}},
		"increase":         {Checks: []Check{{Name: "x", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.95}}},
		"over":             {Checks: []Check{{Name: "x", Kind: Slow, MaxRatio: 1}}},
		"infinite value":   {Checks: []Check{{Name: "x", Kind: Value, MaxRatio: 1, MaxIncrease: math.Inf(1)}}},
		"twice":            {Checks: []Check{good.Checks[0], good.Checks[0]}},
	}
	for name, p := range tests {
		if p.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
