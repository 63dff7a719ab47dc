//go:build e2e && linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// program is the path of the switchback binary, built once for all tests.
var program string

// TestMain lets the test's own binary be the other processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if err := command(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "switchback-bench-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		program, err = binary.Build(dir, "..", "./cmd/switchback")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// entered are all entrants that Debian has.
func entered(t *testing.T) []peer.Peer {
	t.Helper()
	for _, name := range []string{"CADDY", "TRAEFIK", "ENVOY"} {
		t.Setenv(name, "")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all, err := entrants(self, program)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWhole runs the whole of it for a moment. What it finds is worth nothing; that nothing is missing and
// nothing was lost is what counts.
func TestWhole(t *testing.T) {
	o := options{peers: entered(t), rounds: 1, each: 20 * time.Millisecond, idle: 50, log: t.Output()}
	f, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range workloads {
		complete(t, f, w.Name, f.cpu[i], len(f.peers), w.Rate)
	}
	for i, rate := range rates {
		complete(t, f, "latency", f.latency[i], len(f.peers)+1, rate)
	}
	for i, rounds := range f.memory {
		if len(rounds) != 1 || rounds[0].connections != 50 || rounds[0].before.RSS < 1<<20 || rounds[0].after.PSS <= 0 {
			t.Errorf("memory of %s: %+v", f.name(i), rounds)
		}
	}
	if text := f.section(); !strings.Contains(text, "; none failed.") || strings.Contains(text, "%!") {
		t.Errorf("the section is\n%s", text)
	}
}

// complete checks the samples of all ways for one kind of request.
func complete(t *testing.T, f *figures, what string, ways [][]sample, count, rate int) {
	t.Helper()
	if len(ways) != count {
		t.Errorf("%s at %d a second went %d ways, want %d", what, rate, len(ways), count)
	}
	for j, samples := range ways {
		if len(samples) != 1 {
			t.Fatalf("%s at %d a second of %s has %d rounds", what, rate, f.name(j), len(samples))
		}
		if s, want := samples[0], rate/50; s.Answered != want || s.Failed != 0 || s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.Most {
			t.Errorf("%s at %d a second of %s: %+v, want %d answered", what, rate, f.name(j), s, want)
		}
	}
}

// TestAgreesWithProxy holds what the load says it sent against what switchback says it served, and the
// processor time from /proc against what a machine can give.
func TestAgreesWithProxy(t *testing.T) {
	o := options{peers: []peer.Peer{peer.Switchback(program, ours, "")}, rounds: 1, each: 500 * time.Millisecond, log: t.Output()}
	b, err := setUp(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.tearDown()
	err = b.with(t.Context(), 1, func(running []*peer.Process) error {
		w := asked
		w.Rate = 2000
		before, began := served(t, running[0]), time.Now()
		s, err := b.sample(t.Context(), w, running[0])
		if err != nil {
			return err
		}
		task := w.task("", b.each)
		if got, want := served(t, running[0])-before, task.Warm+task.Requests; got != want || s.Answered != task.Requests {
			t.Errorf("switchback has served %d, %d were sent, of which %d count and %d say so", got, want, task.Requests, s.Answered)
		}
		if most := time.Since(began) * time.Duration(runtime.NumCPU()); s.CPU <= 0 || s.CPU > most {
			t.Errorf("%v of processor time for %d requests, where %v are all there is", s.CPU, s.Answered, most)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// served is how many requests switchback has counted.
func served(t *testing.T, p *peer.Process) int {
	t.Helper()
	resp, err := http.Get("http://" + p.Setup.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "} ")
		if !strings.HasPrefix(name, "switchback_requests_total{") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(n)
	}
	return sum
}

// TestProxyThatDies is told with the program's own words.
func TestProxyThatDies(t *testing.T) {
	o := options{peers: []peer.Peer{peer.Switchback(program, ours, "")}, rounds: 1, each: 20 * time.Millisecond, log: t.Output()}
	b, err := setUp(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.tearDown()
	p, err := b.start(t.Context(), o.peers[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.sample(t.Context(), workloads[0], p); err == nil || !strings.Contains(err.Error(), "switchback ended") {
		t.Errorf("error %v", err)
	}
}
