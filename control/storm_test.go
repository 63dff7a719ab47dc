package control

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

// TestStorm does random things, and now and then restarts: what was acknowledged as durable is what
// comes back, and readers are never told anything but what the proxy does.
func TestStorm(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &storm{Rand: rand.New(rand.NewPCG(seed, 2)), t: t, store: memory.New(), file: blueGreen(100)}
				s.node = start(t, s.store, s.file)
				s.node.swapper.loose = true
				for range 40 {
					s.gust()
					s.node.weights()
				}
			})
		})
	}
}

type storm struct {
	*rand.Rand
	t      *testing.T
	store  *memory.Store
	node   *node
	file   *config.Config
	broken bool
}

func (s *storm) gust() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	n, call := s.node, api.Call{By: "storm"}
	before := n.weights()
	var c api.Change
	var err error
	switch s.IntN(8) {
	case 0, 1:
		c, err = n.Cutover(ctx, "shop", api.CutoverRequest{To: []string{"blue", "green"}[s.IntN(2)]}, call)
	case 2:
		green := float64(s.IntN(101))
		c, err = n.SetWeights(ctx, "shop", api.WeightsRequest{Weights: api.Weights{"blue": 100 - green, "green": green}}, call)
	case 3:
		c, err = n.Rollback(ctx, "shop", api.CommandRequest{}, call)
	case 4:
		verbs := []func(context.Context, string, api.CommandRequest, api.Call) (api.Change, error){n.Pause, n.Resume, n.DropIntent}
		c, err = verbs[s.IntN(len(verbs))](ctx, "shop", api.CommandRequest{}, call)
	case 5:
		s.edit(ctx)
		return
	case 6:
		s.broken = !s.broken && s.IntN(2) == 0
		s.store.Fail(map[bool]error{true: errDisk, false: nil}[s.broken])
		rest(2 * time.Second)
		return
	case 7:
		s.restart()
		return
	}
	if err != nil {
		if got := n.weights(); got != before {
			s.t.Fatalf("an error, %v, moved %s to %s", err, before, got)
		}
		return
	}
	if got := n.service().Weights.InForce; fmt.Sprint(got) != fmt.Sprint(c.Weights) {
		s.t.Fatalf("answered %v, in force is %v", c.Weights, got)
	}
}

// edit writes the file. What the store refuses is tried again as long as the process lives.
func (s *storm) edit(ctx context.Context) {
	s.file = blueGreen(config.Weight(s.IntN(101)))
	_, err := s.node.Apply(ctx, s.file)
	if (err != nil) && !s.broken {
		s.t.Fatal(err)
	}
}

// restart ends the process and starts it with a store that works again.
func (s *storm) restart() {
	s.t.Helper()
	durable, weights := s.node.service().Durable, s.node.weights()
	good, _, _ := s.node.ConfigStatus()
	s.node.stop()
	s.store.Fail(nil)
	s.broken = false
	s.node = start(s.t, s.store, s.file)
	s.node.swapper.loose = true
	if got := s.node.weights(); durable && good && got != weights {
		s.t.Fatalf("%s before the restart, %s after it", weights, got)
	}
}
