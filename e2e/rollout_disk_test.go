//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestRolloutFullDisk takes the disk away under a rollout that is about to advance. Nothing advances, traffic
// flows, and a candidate that breaks meanwhile goes back all the same; the state learns of it later.
func TestRolloutFullDisk(t *testing.T) {
	r := newTrial(t, `    rollout:
      steps: [{weight: 5, for: 2s}, {weight: 10, for: 2s}, {weight: 20, for: 2s}, {weight: 50, for: 10m}]
      deadline: 20m
      checks: {errors: {max_increase: 5}}
`)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a full disk needs a small one, and mounting a tmpfs is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	r.state = filepath.Join(disk, "state")
	r.save(t, r.yaml(100))
	r.start(t)
	r.up(t)
	r.begin(t)
	fill(t, filepath.Join(disk, "filler"))
	r.untilStuck(t)
	step := r.rollout(t)
	r.flow(t, 300)

	// With this traffic each of the steps is proven within seconds.
	r.load.Take()
	r.still(t, 15*time.Second, "advanced although it could not be written", func(got api.Rollout) bool {
		return got.Step == step.Step && got.Running()
	})
	w := r.load.Take()
	if w.Total.Requests < 300 || w.Total.Failed > 0 || w.Pools["green"].Requests == 0 {
		t.Errorf("traffic with a full disk: %+v, green %+v", w.Total, w.Pools["green"])
	}

	r.green.now.Store(&behaviour{errors: 1})
	broke := time.Now()
	binary.Within(t, time.Minute, "green is rolled back", func() bool { return r.view(t).Weights.InForce["green"] == 0 })
	t.Logf("back after %.1f s with a full disk: %s", time.Since(broke).Seconds(), r.rollout(t).Sentence)
	if r.view(t).Durable {
		t.Error("status says durable")
	}
	r.spared(t)

	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	binary.Until(t, "the rollback is durable", func() bool { return r.view(t).Durable })
	r.proc.Kill()
	r.start(t)
	if got := r.rollout(t); got.Phase != api.PhaseRolledBack || r.view(t).Weights.InForce["green"] != 0 {
		t.Errorf("after the restart the rollout is %s, %v in force", got.Phase, r.view(t).Weights.InForce)
	}
}

// untilStuck steps to and fro by hand until that is refused, which takes a few: a database may have room of
// its own left.
func (r *trial) untilStuck(t *testing.T) {
	t.Helper()
	reason := strings.Repeat("x", 200)
	for i := range 200 {
		var err error
		if i%4 < 2 {
			_, err = r.api.Promote(t.Context(), "web", api.PromoteRequest{Reason: reason})
		} else {
			_, err = r.api.StepBack(t.Context(), "web", api.CommandRequest{Reason: reason})
		}
		if err != nil {
			refused(t, err, api.TypeStoreUnavailable)
			return
		}
	}
	t.Fatal("200 commands succeeded on a full disk")
}
