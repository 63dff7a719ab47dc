package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// roundTrip encodes both and wants every bit back.
func roundTrip(t *testing.T, tr *Trial, m *Memory) {
	t.Helper()
	raw, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	var trial Trial
	if err := json.Unmarshal(raw, &trial); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
	}
	if !sameBits(tr, &trial) {
		t.Errorf("a trial changed on the way through %.200s", raw)
	}
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	var memory Memory
	if err := json.Unmarshal(raw, &memory); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
	}
	if memory != *m {
		t.Errorf("a memory changed on the way through %.200s", raw)
	}
}

// sameBits tells 0 from -0, too.
func sameBits(a, b *Trial) bool {
	for i := range a.metrics {
		x, y := &a.metrics[i], &b.metrics[i]
		for k := range x.against {
			if math.Float64bits(x.against[k]) != math.Float64bits(y.against[k]) {
				return false
			}
		}
		for k := range x.proof {
			if math.Float64bits(x.proof[k]) != math.Float64bits(y.proof[k]) {
				return false
			}
		}
	}
	return *a == *b
}

func TestEncodeKeepsEveryBit(t *testing.T) {
	p := full()
	var m Memory
	var tr Trial
	roundTrip(t, &tr, &m)
	tr.Step(0.25)
	for i := range 50 {
		w := busy(&p)
		w.Changed = i == 20
		tr.Observe(&p, &m, w)
	}
	m.Latency.Learn([]Bin{{-192, 1e-9}, {448, 3}}, 1)
	tr.metrics[0].against[3] = none
	tr.metrics[2].proof[0] = math.Copysign(0, -1)
	tr.metrics[2].against[0] = -math.SmallestNonzeroFloat64
	tr.metrics[2].against[1] = math.MaxFloat64
	roundTrip(t, &tr, &m)
}

// TestEncodedTrialGoesOn restores a trial in the middle: the next verdicts are the same to the bit.
func TestEncodedTrialGoesOn(t *testing.T) {
	p := full()
	var m, restoredMemory Memory
	var tr, restored Trial
	for range 35 {
		tr.Observe(&p, &m, busy(&p))
	}
	for from, to := range map[any]any{&tr: &restored, &m: &restoredMemory} {
		raw, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, to); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		tr.Observe(&p, &m, busy(&p))
		restored.Observe(&p, &restoredMemory, busy(&p))
	}
	if tr != restored || m != restoredMemory {
		t.Error("the restored trial went another way")
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, raw := range []string{
		`{"next": 2}`,
		`{"next": 0.5, "seconds": -1}`,
		`{"metrics": [{"windows": 1, "against": [1, 2]}]}`,
		`{"metrics": [{"windows": 1}]}`,
		`{"metrics": [{"against": [0, 0, 0, 0, 0, 0, 0, 0]}]}`,
		`{"metrics": [{"bad": -1}]}`,
		`{"metrics": [{"bad": "NaN"}]}`,
		`{"metrics": [{"bad": "-Inf"}]}`,
		`{"metrics": [{"proofs": 1, "proof": ["+Inf", 1, 1, 1, 1, 1]}]}`,
		`{"metrics": [{"last": ["-Inf", 0]}]}`,
		`{"metrics": [{"changes": 255}]}`,
		`{"metrics": [` + strings.Repeat(`{},`, MaxMetrics) + `{}]}`,
		`[]`,
	} {
		before := Trial{seconds: 7}
		tr := before
		if err := json.Unmarshal([]byte(raw), &tr); err == nil || tr != before {
			t.Errorf("%s: %v, trial changed %v", raw, err, tr != before)
		}
	}
	for _, raw := range []string{
		`{"latency": {"counts": [[449, 1]]}}`,
		`{"latency": {"counts": [[0.5, 1]]}}`,
		`{"latency": {"counts": [[3, -1]]}}`,
		`{"checks": [{"name": "errors", "long": [-1, 0]}]}`,
		`{"checks": [{"name": "errors", "seen": "-Inf"}]}`,
		`{"checks": [` + strings.Repeat(`{},`, MaxChecks) + `{}]}`,
	} {
		var m Memory
		if err := json.Unmarshal([]byte(raw), &m); err == nil {
			t.Errorf("%s was taken", raw)
		}
	}
}

// FuzzUnmarshal reads what somebody else wrote: whatever is taken can be judged with.
func FuzzUnmarshal(f *testing.F) {
	p := full()
	f.Add([]byte(`{"next":0.25,"metrics":[{"bad":1,"windows":1,"against":[0,0,0,0,0,0,0,-1.5],"changes":3}]}`))
	f.Add([]byte(`{"metrics":[{"proofs":4294967295,"proof":[1,1,1,1,1,"-Inf"],"candidate":[7,1],"pending":true}]}`))
	f.Add([]byte(`{"metrics":[{"windows":1,"against":["-Inf",0,0,0,0,0,0,1e308]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var tr Trial
		var m Memory
		if json.Unmarshal(raw, &tr) != nil {
			return
		}
		tr.Observe(&p, &m, busy(&p))
		if v := tr.Verdict(&p); v.Outcome > Missing {
			t.Errorf("%v", v)
		}
		roundTrip(t, &tr, &m)
	})
}
