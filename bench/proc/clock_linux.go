package proc

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the processor time of pid and those of its descendants that run now, in nanoseconds: fine enough for what a
// process takes in a second. It asks the kernel, not the files, so f must be System.
func (f FS) Clock(pid int) (time.Duration, error) {
	tree, err := f.tree(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, s := range tree {
		var t unix.Timespec
		// The kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED), the C library's clock_getcpuclockid.
		if err := unix.ClockGettime(int32(^s.pid<<3|2), &t); err != nil { //nolint:gosec // a pid has 22 bits
			return 0, fmt.Errorf("processor time of process %d: %w", s.pid, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}
