package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vectorFile is the shared format of reference numbers, in the words of its authors: canary is the
// candidate, stable the baseline, revert a rollback.
type vectorFile struct {
	Format  int
	Stakes  []float64 `json:"revert_stakes"`
	Spread  []float64 `json:"revert_weights"`
	Better  []float64 `json:"promote_stake_fractions"`
	Parts   []float64 `json:"promote_weights"`
	Vectors []vector
}

type vector struct {
	Name, Kind             string
	Input, Params, Windows json.RawMessage
	Expect                 json.RawMessage
}

// TestVectors compares the package with reference numbers. JUDGE_VECTORS names another file of the same
// format.
func TestVectors(t *testing.T) {
	name := "testdata/judge-vectors.json"
	if other := os.Getenv("JUDGE_VECTORS"); other != "" {
		name = other
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	if file.Format != 1 || len(file.Vectors) == 0 {
		t.Fatalf("%s: format %d with %d vectors, want format 1 and some", name, file.Format, len(file.Vectors))
	}
	t.Run("stakes", func(t *testing.T) { checkStakes(t, &file) })
	kinds := map[string]func(*testing.T, *vector){
		"log_factor": vectorLogFactor, "sequence": vectorSequence, "baseline": vectorBaseline,
		"dispersion": vectorDispersion, "latency": vectorLatency, "sign": vectorSign, "gro_rate": vectorRate,
	}
	for i := range file.Vectors {
		v := &file.Vectors[i]
		t.Run(v.Kind+"/"+v.Name, func(t *testing.T) {
			run, ok := kinds[v.Kind]
			if !ok {
				t.Fatalf("kind %q is unknown", v.Kind)
			}
			run(t, v)
		})
	}
}

func checkStakes(t *testing.T, file *vectorFile) {
	t.Helper()
	for name, pair := range map[string][2][]float64{
		"revert_stakes": {stakes[:], file.Stakes}, "revert_weights": {spread[:], file.Spread},
		"promote_stake_fractions": {fractions[:], file.Better},
	} {
		if pair[1] != nil && !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
	for _, part := range file.Parts {
		near(t, "promote_weights", 1/float64(len(fractions)), part)
	}
}

func decode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// numbers decodes an object of plain numbers.
func numbers(t *testing.T, raw json.RawMessage) map[string]float64 {
	t.Helper()
	into := map[string]float64{}
	decode(t, raw, &into)
	return into
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6) {
		t.Errorf("%s: %.9g, want %.9g", what, got, want)
	}
}

func vectorLogFactor(t *testing.T, v *vector) {
	in := numbers(t, v.Input)
	counts := Counts{
		Candidate: Tally{in["canary_requests"], in["canary_events"]},
		Baseline:  Tally{in["stable_requests"], in["stable_events"]},
	}
	w := Window{Odds: in["odds"]}
	odds, ok := w.odds(&counts)
	if !ok {
		t.Fatal("the window cannot be used")
	}
	l := line{ratio: in["tolerance_ratio"], add: in["tolerance_abs"]}
	near(t, "log_factor", l.around(in["baseline_guess"], odds).gain(in["stake"], &counts), numbers(t, v.Expect)["log_factor"])
}

type sequenceParams struct {
	Ratio float64 `json:"tolerance_ratio"`
	Add   float64 `json:"tolerance_abs"`
	Alpha float64
	Beta  float64
	Share float64 `json:"evidence_share"`
	Next  float64 `json:"next_weight"`
	Limit float64 `json:"cap_nats_per_window"`
	Onset float64 `json:"onset_scale_windows"`
	Least float64 `json:"min_canary_errors"`
	Warm  float64 `json:"warm_stable_requests"`
	WarmE float64 `json:"warm_stable_events"`
}

type sequenceWindow struct {
	CandidateN float64 `json:"canary_requests"`
	CandidateE float64 `json:"canary_events"`
	BaselineN  float64 `json:"stable_requests"`
	BaselineE  float64 `json:"stable_events"`
	Seconds    float64
	Odds       float64
	Changed    bool `json:"step_change"`
	Phi        float64
	Repeat     int
}

// sequence plays the windows of a vector against one metric.
type sequence struct {
	metric
	params          sequenceParams
	guess           guess
	window          int
	checkpoints     map[string]map[string]float64
	rolled, proven  int
	highest, before float64
}

func (s *sequence) play(w sequenceWindow) {
	p := &s.params
	counts := Counts{Candidate: Tally{w.CandidateN, w.CandidateE}, Baseline: Tally{w.BaselineN, w.BaselineE}}
	s.window++
	s.before = s.guess.share()
	s.pending = s.pending || w.Changed
	c := Check{Kind: Errors, MaxRatio: p.Ratio, MaxIncrease: p.Add}
	proof := c.widened(p.Next)
	if p.Ratio == 0 {
		proof = line{}
	}
	win := Window{Odds: w.Odds}
	if odds, ok := win.odds(&counts); ok {
		r := round{
			counts: &counts, odds: odds, guess: s.before, phi: max(1, w.Phi),
			tuning: tuning{limit: p.Limit, onset: p.Onset, least: p.Least},
		}
		s.observe(&r, c.line(), proof)
	}
	s.guess.learn(counts.Baseline, w.Seconds)
	s.look()
}

// look notes what the reference notes after each window.
func (s *sequence) look() {
	p := &s.params
	against, proof := s.logAgainst(p.Onset), s.logProof()
	s.highest = max(s.highest, against)
	s.checkpoints[fmt.Sprintf("after_%d", s.window)] = map[string]float64{
		"baseline_guess_before": s.before, "log_e_promote": proof, "log_e_revert": against,
	}
	suspicion, alarm := math.Log(p.Share)+against, math.Log(1/p.Alpha)
	if s.rolled == 0 && suspicion >= alarm && s.bad >= p.Least {
		s.rolled = s.window
	}
	if s.proven == 0 && proof >= math.Log(1/p.Beta) && suspicion < alarm/2 {
		s.proven = s.window
	}
}

// decision is whichever threshold was crossed first.
func (s *sequence) decision() string {
	switch {
	case s.rolled > 0 && (s.proven == 0 || s.rolled <= s.proven):
		return "revert"
	case s.proven > 0:
		return "promote"
	}
	return "undecided"
}

func vectorSequence(t *testing.T, v *vector) {
	s := sequence{checkpoints: map[string]map[string]float64{}}
	decode(t, v.Params, &s.params)
	var windows []sequenceWindow
	decode(t, v.Windows, &windows)
	s.guess.learn(Tally{s.params.Warm, s.params.WarmE}, 0)
	for _, w := range windows {
		for range max(1, w.Repeat) {
			s.play(w)
		}
	}
	var want struct {
		Checkpoints map[string]map[string]float64
		Decision    string
		Promote     int     `json:"first_promote_window"`
		Revert      int     `json:"first_revert_window"`
		Proof       float64 `json:"log_e_promote_final"`
		Against     float64 `json:"log_e_revert_final"`
		Highest     float64 `json:"log_e_revert_max"`
	}
	decode(t, v.Expect, &want)
	for at, values := range want.Checkpoints {
		got, ok := s.checkpoints[at]
		if !ok {
			t.Errorf("no checkpoint %s", at)
		}
		for name, value := range values {
			near(t, at+" "+name, got[name], value)
		}
	}
	near(t, "log_e_promote_final", s.logProof(), want.Proof)
	near(t, "log_e_revert_final", s.logAgainst(s.params.Onset), want.Against)
	near(t, "log_e_revert_max", s.highest, want.Highest)
	if s.decision() != want.Decision || s.proven != want.Promote || s.rolled != want.Revert {
		t.Errorf("%s, promote in window %d, revert in %d; want %s, %d, %d",
			s.decision(), s.proven, s.rolled, want.Decision, want.Promote, want.Revert)
	}
}

// updates finds "(1000,300,1s)" and "60 x (1000,1,1s)" in a description.
var updates = regexp.MustCompile(`(?:(\d+) x )?\(([\d.]+),\s*([\d.]+),\s*([\d.]+)s\)`)

func vectorBaseline(t *testing.T, v *vector) {
	var in struct{ Updates string }
	decode(t, v.Input, &in)
	var g guess
	got := map[string]float64{"guess_empty": g.share()}
	n := 0
	for _, u := range updates.FindAllStringSubmatch(in.Updates, -1) {
		for range max(1, int(number(t, u[1]))) {
			g.learn(Tally{number(t, u[2]), number(t, u[3])}, number(t, u[4]))
			n++
			got[fmt.Sprintf("guess_after_%d", n)] = g.share()
		}
	}
	for name, want := range numbers(t, v.Expect) {
		near(t, name, lookup(t, got, name), want)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	if s == "" {
		return 0
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func lookup(t *testing.T, got map[string]float64, name string) float64 {
	t.Helper()
	x, ok := got[name]
	if !ok {
		t.Errorf("%s: nothing of that name is calculated", name)
	}
	return x
}

func vectorDispersion(t *testing.T, v *vector) {
	var in struct {
		Events   []float64 `json:"snapshot_events"`
		Requests []float64 `json:"snapshot_requests"`
		Windows  [][]float64
	}
	decode(t, v.Input, &in)
	got := map[string]float64{}
	var d dispersion
	for i, events := range in.Windows {
		d.learn(cells(events, nil), 0) // the reference does not fade
		got[fmt.Sprintf("phi_after_%d", i+1)] = d.phi()
	}
	var snapshot dispersion
	snapshot.learn(cells(in.Events, in.Requests), 0)
	got["snapshot_phi_sized"] = snapshot.phi()
	for name, want := range numbers(t, v.Expect) {
		near(t, name, lookup(t, got, name), want)
	}
}

// cells of equal size when their requests are not given.
func cells(events, requests []float64) []Tally {
	all := make([]Tally, len(events))
	for i, e := range events {
		all[i] = Tally{Requests: 1000, Bad: e}
		if requests != nil {
			all[i].Requests = requests[i]
		}
	}
	return all
}

func vectorLatency(t *testing.T, v *vector) {
	var in struct {
		Observations map[string]float64 `json:"observations_ms"`
		Ratio        float64            `json:"tolerance_ratio"`
	}
	decode(t, v.Input, &in)
	var bins []Bin
	for ms, n := range in.Observations {
		bins = append(bins, Bin{Bucket: BucketOf(milliseconds(number(t, ms))), Count: n})
	}
	var h Histogram
	h.Learn(bins, 0)
	shift := Shift(in.Ratio)
	for name, want := range numbers(t, v.Expect) {
		near(t, name, latencyNumber(t, &h, shift, name), want)
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// latencyNumber calculates an expectation by its name, such as q95_bucket or bucket_10ms.
func latencyNumber(t *testing.T, h *Histogram, shift int, name string) float64 {
	t.Helper()
	quantile := func(percent string) int {
		b, ok := h.Quantile(number(t, percent) / 100)
		if !ok {
			t.Fatal("no quantile")
		}
		return b
	}
	bucket := func(ms string) int { return BucketOf(milliseconds(number(t, strings.TrimSuffix(ms, "ms")))) }
	switch part := strings.Split(strings.ReplaceAll(name, "_q", "_"), "_"); {
	case name == "effective_ratio":
		return math.Exp2(float64(shift) / octave)
	case name == "ratio_shift":
		return float64(shift)
	case strings.HasSuffix(name, "_shifted"):
		return h.Above(quantile(part[1]) + shift)
	case strings.HasPrefix(name, "above_q"):
		return h.Above(quantile(part[1]))
	case strings.HasPrefix(name, "q"):
		return float64(quantile(strings.TrimPrefix(part[0], "q")))
	case strings.HasPrefix(name, "upper_bucket_"):
		return float64(UpperBound(bucket(part[2]))) / float64(time.Millisecond)
	case strings.HasPrefix(name, "bucket_"):
		return float64(bucket(part[1]))
	}
	t.Fatalf("%s: nothing of that name is calculated", name)
	return 0
}

func vectorSign(t *testing.T, v *vector) {
	var in struct {
		Onset float64 `json:"onset_scale_windows"`
		Worse []float64
	}
	decode(t, v.Input, &in)
	if in.Onset != onset {
		t.Fatalf("onset scale %v, want %v", in.Onset, onset)
	}
	var want struct {
		LogE []float64 `json:"log_e"`
	}
	decode(t, v.Expect, &want)
	var m metric
	for i, w := range in.Worse {
		m.scrape(map[float64]sign{1: worse, 0: notWorse, 0.5: undecidable}[w], true)
		near(t, fmt.Sprintf("log_e[%d]", i), m.logAgainst(onset), want.LogE[i])
	}
}

func vectorRate(t *testing.T, v *vector) {
	in := numbers(t, v.Input)
	l := line{ratio: in["tolerance_ratio"], add: in["tolerance_abs"]}
	share := in["canary_share"]
	got, want := l.information(in["q"], in["p"], share/(1-share)), numbers(t, v.Expect)["nats_per_canary_request"]
	if !(math.Abs(got-want) <= 1e-4*want) {
		t.Errorf("nats_per_canary_request: %.9g, want %.9g", got, want)
	}
}
