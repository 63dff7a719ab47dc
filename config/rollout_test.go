package config

import (
	"fmt"
	"testing"
	"time"
)

// Percent must become the float nearest to what was written, not one that a division rounded again.
func TestFractionsAreExact(t *testing.T) {
	for written, want := range map[string]float64{
		"0.2": 0.002, "0.3": 0.003, "0.07": 0.0007, "1.1": 0.011, "5": 0.05, "29": 0.29, "0.0001": 0.000001, "50": 0.5,
	} {
		data := fmt.Sprintf(`services: {web: {pools: {blue: [http://10.0.0.1], green: [http://10.0.0.2]}, weights: {blue: 100}, rollout: {alpha: %s}}}`, written)
		c, err := Parse("", []byte(data))
		if err != nil {
			t.Fatalf("alpha %s: %v", written, err)
		}
		if got := c.Services[0].Rollout.Alpha; got != want {
			t.Errorf("alpha %s %%: got %v, want %v", written, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	closed, open := bounds{least: 1, most: 100}, bounds{least: 1, most: 100, open: true}
	for f, want := range map[float64][2]bool{0.99: {}, 1: {true, false}, 1.01: {true, true}, 100: {true, true}, 100.1: {}} {
		if closed.has(f) != want[0] || open.has(f) != want[1] {
			t.Errorf("%v: closed %v, open %v, want %v", f, closed.has(f), open.has(f), want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		100 * time.Millisecond:  "100ms",
		10 * time.Second:        "10s",
		time.Minute:             "1m",
		90 * time.Second:        "1m30s",
		10 * time.Minute:        "10m",
		20 * time.Hour:          "20h",
		61 * time.Minute:        "1h1m",
		time.Hour + time.Second: "1h0m1s",
		maxWait:                 "168h",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
