package proc

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestClock agrees with the ticks of a process that works, and counts its children.
func TestClock(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "(while :; do :; done) & while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer cmd.Process.Kill()
	defer endChildren(t, cmd.Process.Pid)
	var clock, ticks time.Duration
	for ticks < 20*Tick {
		time.Sleep(Tick)
		var err error
		if ticks, err = System.CPU(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if clock, err = System.Clock(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	// Each of two processes is cut to a tick, and goes on between the two looks.
	if clock < ticks-2*Tick || clock > ticks+50*Tick {
		t.Errorf("%v by the clock, %v in ticks", clock, ticks)
	}
	if _, err := System.Clock(os.Getpid()); err != nil {
		t.Errorf("this process: %v", err)
	}
}

// endChildren ends what pid started.
func endChildren(t *testing.T, pid int) {
	t.Helper()
	tree, err := System.tree(pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range tree[1:] {
		if p, err := os.FindProcess(s.pid); err == nil {
			_ = p.Kill()
		}
	}
}
