// Package binary builds programs of this module and runs them as real processes, for tests of what only a
// process shows: signals, exit codes, a restart. Only tests import it. It starts nothing else and ends
// only what it started.
package binary

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Build compiles a package of the module at root into the folder to and returns the path of the program.
func Build(to, root, pkg string) (string, error) {
	out, err := filepath.Abs(filepath.Join(to, filepath.Base(pkg)))
	if err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	cmd := exec.Command("go", "build", "-o", out, pkg) //nolint:gosec // a package that a test names
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// Process is a running program. Its methods are safe for concurrent use.
type Process struct {
	cmd    *exec.Cmd
	output log
	done   chan struct{} // closed when the program has ended
}

// Start runs a program with the given working folder ("" is the test's own) until it ends or the test does;
// then it is killed, and a failed test prints the end of what it wrote.
func Start(tb testing.TB, dir, program string, args ...string) *Process {
	tb.Helper()
	p := &Process{cmd: exec.Command(program, args...), done: make(chan struct{})} //nolint:gosec // what a test built
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	tb.Cleanup(func() {
		p.Kill()
		if out := p.Output(); tb.Failed() && out != "" {
			const shown = 10_000
			tb.Logf("%s wrote in the end:\n%s", filepath.Base(program), out[max(0, len(out)-shown):])
		}
	})
	return p
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what the program has written so far, both streams together, the last megabyte of it.
func (p *Process) Output() string { return p.output.String() }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal; to a program that has ended it does nothing.
func (p *Process) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("signal %s to %d: %v", sig, p.Pid(), err)
	}
}

// Kill ends the program at once, as the kernel would, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only when it has ended already
	<-p.done
}

// Wait returns the exit code, -1 after a signal, and fails the test when the program does not end in time.
func (p *Process) Wait(tb testing.TB, within time.Duration) int {
	tb.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		tb.Fatalf("%s did not end within %s", filepath.Base(p.cmd.Path), within)
		return 0
	}
}

// log keeps the end of what was written to it.
type log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	const kept = 1 << 20
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 2*kept {
		l.buf.Next(l.buf.Len() - kept)
	}
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

var taken sync.Map // ports that Addr has handed out

// Addr returns an address on 127.0.0.1 that nothing listens on. It lies below the range from which
// outgoing connections take their ports, so that a program can be stopped and come back to it.
func Addr(tb testing.TB) string {
	tb.Helper()
	for range 200 {
		port := 18_000 + rand.IntN(14_000) //nolint:gosec // any port will do
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if _, dup := taken.LoadOrStore(port, true); dup {
			continue
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := ln.Close(); err == nil {
			return addr
		}
	}
	tb.Fatal("no free port on 127.0.0.1")
	return ""
}

// Until polls until ok says yes and fails the test when that takes longer than 15 s.
func Until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	Within(tb, 15*time.Second, what, ok)
}

// Within is Until with a limit of its own.
func Within(tb testing.TB, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			tb.Fatalf("waited %s in vain: %s", limit, what)
		}
	}
}
