//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestFlagsSurviveKill kills the proxy without warning right after a change of a flag was acknowledged. What
// it comes back with is what was acknowledged.
func TestFlagsSurviveKill(t *testing.T) {
	times := 40
	if testing.Short() {
		times = 8
	}
	s := newSite(t)
	s.start(t)
	killed := false
	for i := range times {
		s.up(t)
		value := float64(rand.IntN(10_001)) / 100
		want := change(t, s, i, value, &killed)
		s.proc.Kill()
		s.start(t)
		got, err := s.api.Flag(t.Context(), "checkout")
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if got.Tag != want.Tag || string(got.Definition) != string(want.Definition) || (got.Killed != nil) != killed || !got.Durable {
			t.Fatalf("kill %d: the flag came back as %+v, acknowledged was %+v", i, got, want.Flag)
		}
		e, err := s.api.EvaluateFlag(t.Context(), "checkout", api.EvaluationRequest{Context: map[string]any{"targetingKey": "vip"}})
		if err != nil {
			t.Fatal(err)
		}
		if on := string(e.Value) == "true"; on == killed {
			t.Fatalf("kill %d: a listed user gets %s of a flag that is killed: %t", i, e.Value, killed)
		}
	}
}

// change sets a percentage, kills or restores, and returns what was acknowledged.
func change(t *testing.T, s *site, i int, value float64, killed *bool) api.FlagChange {
	t.Helper()
	reason := api.CommandRequest{Reason: fmt.Sprint("kill ", i)}
	var c api.FlagChange
	var err error
	switch i % 4 {
	case 2:
		*killed = true
		c, err = s.api.KillFlag(t.Context(), "checkout", reason)
	case 3:
		*killed = false
		c, err = s.api.RestoreFlag(t.Context(), "checkout", reason)
	default:
		definition, _ := json.Marshal(map[string]any{"strategy": "percentage", "value": value, "users": []string{"vip"}})
		c, err = s.api.SetFlag(t.Context(), "checkout", api.FlagRequest{Definition: definition, Reason: reason.Reason})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
