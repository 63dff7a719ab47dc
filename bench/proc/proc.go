// Package proc reads what Linux says of processes under /proc: the processor time and the memory of a
// process and all its descendants. Its functions only read files, but for Clock, and may be used concurrently.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Tick is the unit of processor time in /proc, the same on every Linux that people run.
const Tick = 10 * time.Millisecond

// System is the proc file system of this machine.
const System = FS("/proc")

// FS is the folder where a proc file system is mounted.
type FS string

// Usage is what a process and its descendants have used: processor time in user and system mode since
// each began, descendants that ended included, and resident memory now in bytes. RSS counts a page that
// processes share once in each, PSS once in all.
type Usage struct {
	CPU      time.Duration
	RSS, PSS int64
}

// CPU is the processor time of pid and its descendants, a multiple of Tick. A pid that is not there is
// an error that wraps fs.ErrNotExist.
func (f FS) CPU(pid int) (time.Duration, error) {
	tree, err := f.tree(pid)
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, s := range tree {
		ticks += s.ticks
	}
	return time.Duration(ticks) * Tick, nil
}

// Usage adds the memory, which takes the kernel much longer to say.
func (f FS) Usage(pid int) (Usage, error) {
	tree, err := f.tree(pid)
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for _, s := range tree {
		u.CPU += time.Duration(s.ticks) * Tick
		rss, pss, err := f.memory(s.pid)
		if err != nil {
			return Usage{}, err
		}
		u.RSS, u.PSS = u.RSS+rss, u.PSS+pss
	}
	return u, nil
}

// stat is one line of /proc/PID/stat.
type stat struct {
	pid, parent int
	ticks       int64 // of itself and of children it has waited for
}

// tree is the process and all its descendants, the process first.
func (f FS) tree(pid int) ([]stat, error) {
	root, err := f.stat(strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(string(f), "[1-9]*"))
	if err != nil {
		return nil, err
	}
	children := make(map[int][]stat)
	for _, name := range names {
		s, err := f.stat(filepath.Base(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended since
		}
		if err != nil {
			return nil, err
		}
		children[s.parent] = append(children[s.parent], s)
	}
	tree := []stat{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].pid]...)
	}
	return tree, nil
}

func (f FS) stat(pid string) (stat, error) {
	name := filepath.Join(string(f), pid, "stat")
	line, err := os.ReadFile(name) //nolint:gosec // a file of the kernel
	if err != nil {
		if strings.Contains(err.Error(), "no such process") {
			err = fmt.Errorf("read %s: %w", name, fs.ErrNotExist) // it ended while it was read
		}
		return stat{}, err
	}
	s, err := parseStat(line)
	if err != nil {
		return stat{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// parseStat looks for the last bracket: a program may have brackets and blanks in its name.
func parseStat(line []byte) (stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("no name in brackets")
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line[:open])))
	if err != nil {
		return stat{}, err
	}
	// proc(5) counts from 1, the pid and the name before: 4 is the parent, 14 to 17 are utime, stime, cutime, cstime.
	const before, parent, first, last = 3, 4, 14, 17
	fields := strings.Fields(string(line[end+1:]))
	if len(fields) <= last-before {
		return stat{}, fmt.Errorf("%d fields after the name", len(fields))
	}
	s := stat{pid: pid}
	if s.parent, err = strconv.Atoi(fields[parent-before]); err != nil {
		return stat{}, err
	}
	for _, text := range fields[first-before : last-before+1] {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.ticks += ticks
	}
	return s, nil
}

func (f FS) memory(pid int) (rss, pss int64, err error) {
	name := filepath.Join(string(f), strconv.Itoa(pid), "smaps_rollup")
	text, err := os.ReadFile(name) //nolint:gosec // a file of the kernel
	if err != nil {
		return 0, 0, err
	}
	if rss, err = kilobytes(text, "Rss:"); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	if pss, err = kilobytes(text, "Pss:"); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	return rss, pss, nil
}

// kilobytes finds the line of a key and returns its value in bytes.
func kilobytes(text []byte, key string) (int64, error) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != key || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		return n * 1024, err
	}
	return 0, fmt.Errorf("no %s in kB", key)
}
