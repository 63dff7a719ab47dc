//go:build e2e

package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestKill kills the proxy without warning in the middle of a storm of changes, 50 times. What it comes
// back with is what was acknowledged last, or the change that was under way; and the very first request
// is routed by it.
func TestKill(t *testing.T) {
	times := 50
	if testing.Short() {
		times = 10
	}
	s := newSite(t)
	s.start(t)
	j := &journal{acked: 100}
	begun := 0
	for i := range times {
		s.up(t)
		done := make(chan error, 1)
		go func() { done <- j.write(t.Context(), s.api) }()
		// The kill comes somewhere in the first tenth of a second, whatever is under way then.
		<-time.After(time.Duration(rand.IntN(100_000)) * time.Microsecond)
		s.proc.Kill()
		if err := <-done; !errors.Is(err, api.ErrUnreachable) {
			t.Fatalf("kill %d: the storm ended with %v", i, err)
		}

		s.start(t)
		got := s.view(t).Weights.InForce["blue"]
		if got != j.acked && got != j.wish {
			t.Fatalf("kill %d: blue has %v %% after the restart; %v was acknowledged, %v under way", i, got, j.acked, j.wish)
		}
		if got != j.acked {
			begun++
		}
		switch got {
		case 0:
			s.always(t, "green", 3)
		case 100:
			s.always(t, "blue", 3)
		}
		j.acked = got
	}
	t.Logf("%d kills among %d acknowledged changes; the change under way was found %d times", times, j.changes, begun)
	if j.changes < times {
		t.Errorf("only %d changes were acknowledged, too few to show anything", j.changes)
	}
}

// journal is what somebody who changes weights knows: the weight of blue that was acknowledged last, and
// the one asked for last.
type journal struct {
	acked, wish float64
	changes     int
}

// write changes the weights without a pause until a change fails. A third of the changes are cutovers, the
// others name weights that no other change of the last minute had, as good as certainly.
func (j *journal) write(ctx context.Context, c *api.Client) error {
	for {
		var err error
		switch rand.IntN(6) {
		case 0:
			j.wish = 0
			_, err = c.Cutover(ctx, "web", api.CutoverRequest{To: "green", Reason: "storm"})
		case 1:
			j.wish = 100
			_, err = c.Cutover(ctx, "web", api.CutoverRequest{To: "blue", Reason: "storm"})
		default:
			basis := 1 + rand.IntN(9999)
			j.wish = float64(basis) / 100
			w := api.Weights{"blue": j.wish, "green": float64(10_000-basis) / 100}
			_, err = c.SetWeights(ctx, "web", api.WeightsRequest{Weights: w, Reason: "storm"})
		}
		if err != nil {
			return err
		}
		j.acked = j.wish
		j.changes++
	}
}
