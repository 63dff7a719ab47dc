package judge

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// timed compares a time that responses tell beside the latency of the responses.
func timed() Policy {
	return Policy{Checks: []Check{
		{Name: "p95", Kind: Latency, Quantile: 0.95, MaxRatio: 1.2},
		{Name: "db", Kind: Latency, Quantile: 0.95, MaxRatio: 1.3, Measured: true, Unit: "sql"},
	}}
}

func TestMeasuredHasItsOwnThreshold(t *testing.T) {
	p := timed()
	var m Memory
	m.Learn(&p, Window{Seconds: 1, Latency: []Bin{{BucketOf(100 * time.Millisecond), 1000}}})
	if _, _, ok := m.Thresholds(&p.Checks[1]); ok {
		t.Error("a threshold of what nobody told yet")
	}
	m.LearnMeasured(&p, "db", []Bin{{BucketOf(10 * time.Millisecond), 1000}})
	theta, slow, ok := m.Thresholds(&p.Checks[1])
	if !ok || theta < 10*time.Millisecond || theta > 10300*time.Microsecond || slow < 13*time.Millisecond || slow > 13700*time.Microsecond {
		t.Errorf("thresholds %v and %v, want about 10ms and 1.3 times that", theta, slow)
	}
	if theta, _, _ = m.Thresholds(&p.Checks[0]); theta < 100*time.Millisecond {
		t.Errorf("the response's threshold is %v now", theta)
	}
	before := m.latency(&p.Checks[1]).Total()
	m.Learn(&p, Window{Seconds: halfLife})
	if got := m.latency(&p.Checks[1]).Total(); got < 0.49*before || got > 0.51*before {
		t.Errorf("after a half-life %v of %v are remembered", got, before)
	}
}

func TestMeasuredSurvivesJSON(t *testing.T) {
	p := timed()
	var m, again Memory
	m.Learn(&p, Window{Seconds: 1, Latency: []Bin{{5, 3}}})
	m.LearnMeasured(&p, "db", []Bin{{7, 11}, {9, 1.5}})
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &again); err != nil || again != m {
		t.Errorf("%v: came back different from %s", err, raw)
	}
	for _, bad := range []string{
		`{"measured": [` + strings.Repeat(`{},`, MaxMeasures) + `{}]}`,
		`{"measured": [{"check": "db", "latency": {"counts": [[0, -1]]}}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), &again); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestMeasuredPlacesAreReused changes the checks again and again, as edits of a file do.
func TestMeasuredPlacesAreReused(t *testing.T) {
	var m Memory
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		p := Policy{Checks: []Check{{Name: name, Kind: Latency, Quantile: 0.5, MaxRatio: 1.2, Measured: true}}}
		m.LearnMeasured(&p, name, []Bin{{1, 10}})
		if m.latency(&p.Checks[0]).Total() != 10 {
			t.Errorf("%s found no place", name)
		}
	}
}

func TestMeasuredRegressionIsFound(t *testing.T) {
	p := timed()
	var m Memory
	var tr Trial
	tr.Step(0.25)
	m.LearnMeasured(&p, "db", []Bin{{BucketOf(10 * time.Millisecond), 1000}})
	w := Window{Seconds: 1, Odds: 0.25, Checks: []Counts{{}, {
		Candidate: Tally{50, 45}, Baseline: Tally{200, 10}, Threshold: 10 * time.Millisecond,
	}}}
	tr.seconds = WarmUp.Seconds()
	for range 10 {
		tr.Observe(&p, &m, w)
	}
	if v := tr.Verdict(&p); v.Outcome != Fail || v.Check != 1 {
		t.Fatalf("%+v, want db to fail", v)
	}
	got := tr.RolledBack(&p, scene)
	if want := "green took longer than 1.3 times blue's p95 of sql (10ms) in 450 of 500 requests (90 %)"; !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
}

func TestVerdictsOfOthers(t *testing.T) {
	p := Policy{Checks: []Check{{Name: "smoke", Kind: Value, Max: 0.5, Verdicts: true}}}
	var m Memory
	var tr Trial
	tr.Step(0.5)
	say := func(x float64) {
		tr.Observe(&p, &m, Window{Checks: []Counts{{Scrape: Scrape{Taken: true, Candidate: x}}}})
	}
	if o := tr.Verdict(&p).Outcome; o != Missing {
		t.Errorf("%v before anything was said, want missing", o)
	}
	say(0)
	if o := tr.Verdict(&p).Outcome; o != Pass {
		t.Errorf("%v after a pass", o)
	}
	say(1)
	say(1)
	if o := tr.Verdict(&p).Outcome; o != Undecided {
		t.Errorf("%v after two fails, want undecided", o)
	}
	if got, want := tr.Waiting(&p, scene, Need{}), "waiting: smoke said of green that it fails"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	say(1)
	want := "rolled back: smoke said 3 times in a row that green fails; its word is a rule of its own, outside alpha"
	if got := tr.RolledBack(&p, scene); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestObservedChecksDecideNothing(t *testing.T) {
	cpu := Check{Name: "cpu", Kind: Value, MaxRatio: 1.25, ObserveOnly: true}
	p := Policy{Checks: []Check{{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002}, cpu}}
	var m Memory
	var tr Trial
	tr.Step(1)
	for range 40 {
		tr.Observe(&p, &m, Window{Seconds: 1, Odds: 1, Checks: []Counts{
			{Candidate: Tally{500, 0}, Baseline: Tally{500, 0}}, {Scrape: Scrape{Taken: true, Candidate: 2, Baseline: 1}},
		}})
	}
	if f := tr.Finding(&p, 1); f.Outcome != Fail {
		t.Errorf("cpu is %v, want a failure to be shown", f.Outcome)
	}
	if v := tr.Verdict(&p); v.Outcome != Pass {
		t.Errorf("%+v, want the observed check to decide nothing", v)
	}
	if got := p.share(0, false); got != 1 {
		t.Errorf("errors have %v of alpha beside a check that only observes, want all", got)
	}
}

func TestValueInWords(t *testing.T) {
	for want, x := range map[string]float64{
		"0": 0, "1.94": 1.94, "0.00412": 0.004123, "0.0000123": 0.0000123, "612": 612, "1,234": 1234.4,
		"268,435,456": 1 << 28, "-0.5": -0.5, "-4,000": -4000, "12.3": 12.34,
	} {
		if got := value(x); got != want {
			t.Errorf("%v: got %s, want %s", x, got, want)
		}
	}
}
