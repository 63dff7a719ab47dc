//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes where the figures are from.
func machine() string {
	var name unix.Utsname
	kernel := "?"
	if err := unix.Uname(&name); err == nil {
		kernel = unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("%d processors (%s), Linux %s, %s", runtime.NumCPU(), model(), kernel, runtime.GOARCH)
}

func model() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "?"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "model unknown"
}

// loadAverage is that of the last minute, "?" when it is not known.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// descriptors is how many files a process here may have open.
func descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Max, 1<<20))
}

// clients is how many connections a proxy is told to expect: more than it gets, and as many as there are
// descriptors for: two each, and half a one for the pipes through which HAProxy splices.
func clients() int { return min(7000, (descriptors()-500)*2/5) }

// free returns addresses on which nothing listens, below the range of outgoing connections.
func free(n int) ([]string, error) {
	var all []string
	for range 100 * n {
		if len(all) == n {
			return all, nil
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 18_000+rand.IntN(14_000))) //nolint:gosec // any port will do
		if err != nil {
			continue
		}
		defer func() { _ = ln.Close() }() // not before all are found, so none comes twice
		all = append(all, ln.Addr().String())
	}
	return nil, fmt.Errorf("no %d free ports on 127.0.0.1", n)
}

// startBackend runs the server behind the proxies until its stop is called or ctx ends.
func startBackend(ctx context.Context, self string, addrs []string, log io.Writer) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, self, append([]string{"backend"}, addrs...)...) //nolint:gosec // this very program
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the backend: %w", err)
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait() // nothing depends on how it ended
	}
	for _, addr := range addrs {
		if err := listening(ctx, addr); err != nil {
			stop()
			return nil, fmt.Errorf("start the backend: %w", err)
		}
	}
	return stop, nil
}

// listening waits until something accepts connections on addr.
func listening(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
