package config

import (
	"encoding/json"
	"math"
	"testing"
)

func TestParseWeight(t *testing.T) {
	tests := []struct {
		percent float64
		want    Weight
		ok      bool
	}{
		{0, 0, true},
		{100, Full, true},
		{12.5, 1250, true},
		{0.01, 1, true},
		{33.33, 3333, true},
		{0.005, 0, false},
		{-1, 0, false},
		{100.01, 0, false},
		{math.NaN(), 0, false},
		{math.Inf(1), 0, false},
	}
	for _, tt := range tests {
		got, err := ParseWeight(tt.percent)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseWeight(%v): got %d, %v, want %d and success %v", tt.percent, got, err, tt.want, tt.ok)
		}
	}
}

// Every weight survives text and back.
func TestWeightJSON(t *testing.T) {
	for w := Weight(0); w <= Full; w++ {
		b, err := json.Marshal(w)
		must(t, err)
		var back Weight
		if err := json.Unmarshal(b, &back); err != nil || back != w {
			t.Fatalf("%d became %s and then %d, %v", w, b, back, err)
		}
	}
	if got := Weight(1250).String(); got != "12.5 %" {
		t.Errorf("String: got %q", got)
	}
	for _, bad := range []string{`"50"`, `101`, `0.001`, `true`} {
		var w Weight
		if err := json.Unmarshal([]byte(bad), &w); err == nil {
			t.Errorf("%s became %v, want an error", bad, w)
		}
	}
}

func TestWeights(t *testing.T) {
	stated := Weights{"blue": 7500, "green": 2500, "old": 0}
	bare := Weights{"blue": 7500, "green": 2500}
	if !stated.Equal(bare) || !bare.Equal(stated) {
		t.Error("zero and missing are not the same")
	}
	if bare.Equal(All("blue")) || All("blue").Equal(bare) {
		t.Error("different weights are equal")
	}
	if stated.Sum() != Full || stated.Sole() != "" || All("blue").Sole() != "blue" {
		t.Errorf("Sum %v, Sole %q and %q", stated.Sum(), stated.Sole(), All("blue").Sole())
	}
	c := stated.Clone()
	if _, kept := c["old"]; kept || !c.Equal(stated) {
		t.Errorf("Clone: got %v", c)
	}
	c["blue"] = 1
	if stated["blue"] != 7500 || Weights(nil).Clone() != nil {
		t.Error("Clone shares its map, or nil did not stay nil")
	}
}
