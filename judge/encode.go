package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// float is a number that comes back from JSON bit for bit. JSON has no infinities: the log of no capital
// is written as "-Inf".
type float float64

func (n float) MarshalJSON() ([]byte, error) {
	x := float64(n)
	if finite(x) {
		return strconv.AppendFloat(nil, x, 'g', -1, 64), nil
	}
	return strconv.AppendQuote(nil, strconv.FormatFloat(x, 'g', -1, 64)), nil
}

func (n *float) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if text == `"-Inf"` {
		*n = float(none)
		return nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !finite(x) {
		return fmt.Errorf("number %s: neither finite nor \"-Inf\"", text)
	}
	*n = float(x)
	return nil
}

// pair is a tally in JSON: requests and bad ones.
type pair [2]float

func (t Tally) pair() pair { return pair{float(t.Requests), float(t.Bad)} }

func (p pair) tally() Tally { return Tally{Requests: float64(p[0]), Bad: float64(p[1])} }

func floats(from []float64) []float {
	to := make([]float, len(from))
	for i, x := range from {
		to[i] = float(x)
	}
	return to
}

// fill puts capitals into an array of the same length. Before the first window there are none.
func fill(to []float64, from []float, windows uint32) error {
	want := len(to)
	if windows == 0 {
		want = 0
	}
	if len(from) != want {
		return fmt.Errorf("%d capitals after %d windows", len(from), windows)
	}
	for i, x := range from {
		to[i] = float64(x)
	}
	return nil
}

type trialJSON struct {
	Next    float        `json:"next"`
	Seconds float        `json:"seconds"`
	Metrics []metricJSON `json:"metrics"`
}

type metricJSON struct {
	Against   []float       `json:"against,omitempty"`
	Proof     []float       `json:"proof,omitempty"`
	Bad       float         `json:"bad"`
	Candidate pair          `json:"candidate"`
	Baseline  pair          `json:"baseline"`
	Recent    pair          `json:"recent"`
	Last      [2]float      `json:"last"`
	Threshold time.Duration `json:"threshold"`
	Windows   uint32        `json:"windows"`
	Proofs    uint32        `json:"proofs"`
	Changes   uint8         `json:"changes"`
	Streak    uint8         `json:"streak"`
	Pending   bool          `json:"pending"`
	Trouble   bool          `json:"trouble"`
}

// MarshalJSON writes every number so that UnmarshalJSON brings it back bit for bit. Metrics that no
// policy has used yet are left out.
func (t Trial) MarshalJSON() ([]byte, error) {
	used := len(t.metrics)
	for used > 0 && t.metrics[used-1] == (metric{}) {
		used--
	}
	out := trialJSON{Next: float(t.next), Seconds: float(t.seconds), Metrics: make([]metricJSON, used)}
	for i := range out.Metrics {
		out.Metrics[i] = t.metrics[i].encode()
	}
	return json.Marshal(out)
}

// UnmarshalJSON refuses what no trial can have written, and leaves t alone then.
func (t *Trial) UnmarshalJSON(raw []byte) error {
	var in trialJSON
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	if len(in.Metrics) > MaxMetrics {
		return fmt.Errorf("read evidence: %d metrics, at most %d", len(in.Metrics), MaxMetrics)
	}
	got := Trial{next: float64(in.Next), seconds: float64(in.Seconds)}
	if got.next < 0 || got.next > 1 || got.seconds < 0 {
		return errors.New("read evidence: weight or time out of range")
	}
	for i := range in.Metrics {
		if err := got.metrics[i].decode(&in.Metrics[i]); err != nil {
			return fmt.Errorf("read evidence: metric %d: %w", i, err)
		}
	}
	*t = got
	return nil
}

func (m *metric) encode() metricJSON {
	out := metricJSON{
		Bad: float(m.bad), Candidate: m.candidate.pair(), Baseline: m.baseline.pair(), Recent: m.recent.pair(),
		Last: [2]float{float(m.last[0]), float(m.last[1])}, Threshold: m.threshold,
		Windows: m.windows, Proofs: m.proofs, Changes: m.changes, Streak: m.streak, Pending: m.pending, Trouble: m.trouble,
	}
	if m.windows > 0 {
		out.Against = floats(m.against[:])
	}
	if m.proofs > 0 {
		out.Proof = floats(m.proof[:])
	}
	return out
}

func (m *metric) decode(in *metricJSON) error {
	*m = metric{
		bad: float64(in.Bad), candidate: in.Candidate.tally(), baseline: in.Baseline.tally(), recent: in.Recent.tally(),
		last: [2]float64{float64(in.Last[0]), float64(in.Last[1])}, threshold: in.Threshold,
		windows: in.Windows, proofs: in.Proofs, changes: in.Changes, streak: in.Streak, pending: in.Pending, trouble: in.Trouble,
	}
	for _, n := range []float64{m.bad, m.candidate.Requests, m.candidate.Bad, m.baseline.Requests, m.baseline.Bad, m.recent.Requests, m.recent.Bad} {
		if !finite(n) || n < 0 {
			return fmt.Errorf("count %v", n)
		}
	}
	if !finite(m.last[0]) || !finite(m.last[1]) || m.threshold < 0 || m.changes > maxChanges {
		return errors.New("a number out of range")
	}
	return errors.Join(fill(m.against[:], in.Against, m.windows), fill(m.proof[:], in.Proof, m.proofs))
}
