//go:build e2e && linux

package main

import (
	"bufio"
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
		main()
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
	f := brief(t, wholePlan, entered(t))
	complete(t, "users", f.users[0], []string{ours, keeping}, asked)
	text := f.section()
	if !strings.Contains(text, "; none failed.") || strings.Contains(text, "%!") {
		t.Errorf("the section is\n%s", text)
	}
	for _, title := range []string{"Processor time per request", "One saturated core", "Users who stay", "Latency", "Memory per idle connection", "What is to be reached"} {
		if !strings.Contains(text, "\n### "+title+"\n\n") {
			t.Errorf("the section lacks %s", title)
		}
	}
}

// TestLoop does without other proxies.
func TestLoop(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := brief(t, loopPlan, paths(self, program))
	if text := f.terminal(); !strings.Contains(text, "; none failed.") || strings.Contains(text, "%!") || !strings.Contains(text, "of the general path  relay's of the general path\n") {
		t.Errorf("the terminal shows\n%s", text)
	}
}

// brief measures for a moment and checks that all was measured.
func brief(t *testing.T, p plan, peers []peer.Peer) *figures {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := run(t.Context(), options{plan: p, peers: peers, relay: peer.Relay(self), rounds: 1, each: 20 * time.Millisecond, idle: 50, log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range p.workloads {
		complete(t, w.Name, f.cpu[i], f.names("relay"), w)
	}
	for i, w := range p.latency {
		complete(t, "latency", f.times[i], f.names(direct), w)
	}
	if len(f.cpu) != len(p.workloads) || len(f.times) != len(p.latency) || len(f.memory) != len(peers) {
		t.Errorf("measured were processor time of %d workloads, latency of %d, and memory of %d proxies", len(f.cpu), len(f.times), len(f.memory))
	}
	for i, rounds := range f.memory {
		if len(rounds) != 1 || rounds[0].connections != 50 || rounds[0].before.RSS < 1<<20 || rounds[0].after.PSS <= 0 {
			t.Errorf("memory of %s: %+v", peers[i].Name, rounds)
		}
	}
	return f
}

// complete checks the samples of all ways for one kind of request.
func complete(t *testing.T, what string, ways [][]sample, names []string, w workload) {
	t.Helper()
	if len(ways) != len(names) {
		t.Fatalf("%s, %s, went %d ways, want %v", what, kind(w), len(ways), names)
	}
	for j, samples := range ways {
		if !w.of(names[j]) {
			if len(samples) > 0 {
				t.Errorf("%s, %s, was measured of %s", what, kind(w), names[j])
			}
			continue
		}
		if len(samples) != 1 {
			t.Fatalf("%s, %s, of %s has %d rounds", what, kind(w), names[j], len(samples))
		}
		s, want := samples[0], w.Rate/50
		if w.Saturate {
			want = max(1, s.Answered)
		}
		if s.Answered != want || s.Failed != 0 || s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.Most || s.Took < 10*time.Millisecond {
			t.Errorf("%s, %s, of %s: %+v, want %d answered", what, kind(w), names[j], s, want)
		}
	}
}

// TestPathsTaken holds connections of every kind of request and asks each switchback which path serves them.
func TestPathsTaken(t *testing.T) {
	kinds := append([]workload{with(asked, func(w *workload) { w.User = true })}, wholePlan.workloads...)
	for _, p := range []peer.Peer{
		peer.Switchback(program, ours, "", ""), peer.Switchback(program, general, ", fast: false", ""), stickyPeer(peer.Switchback(program, ours, "", "")),
	} {
		b, err := setUp(t.Context(), options{peers: []peer.Peer{p}, rounds: 1, each: 20 * time.Millisecond, log: t.Output()})
		if err != nil {
			t.Fatal(err)
		}
		defer b.tearDown()
		err = b.with(t.Context(), b.peers, 1, func(ways []way) error {
			for _, w := range kinds {
				held := w.task(ways[0].Setup.Listen, b.each)
				held.Requests = 0
				l, err := startLoad(t.Context(), b.self, held, b.log)
				if err != nil {
					return err
				}
				path := `switchback_path_connections{listener="web",path="fast"}`
				if p.Name == general {
					path = `switchback_path_connections{listener="web",path="general"}`
				}
				if got := counted(t, ways[0].Process, path); got < w.Connections {
					t.Errorf("%s by %s: %d connections are on its path, want %d", w.Name, p.Name, got, w.Connections)
				}
				l.Close()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAgreesWithProxy holds what the load says it sent against what switchback says it served, and the
// processor time from /proc against what a machine can give.
func TestAgreesWithProxy(t *testing.T) {
	o := options{peers: []peer.Peer{peer.Switchback(program, ours, "", "")}, rounds: 1, each: 500 * time.Millisecond, log: t.Output()}
	b, err := setUp(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.tearDown()
	err = b.with(t.Context(), b.peers, 1, func(ways []way) error {
		proxy := ways[0].Process
		w := asked
		w.Rate = 2000
		before, began := served(t, proxy), time.Now()
		s, err := b.sample(t.Context(), w, proxy)
		if err != nil {
			return err
		}
		task := w.task("", b.each)
		if got, want := served(t, proxy)-before, task.Warm+task.Requests; got != want || s.Answered != task.Requests {
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
	return counted(t, p, "switchback_requests_total{")
}

// counted is the sum of the series that begin so.
func counted(t *testing.T, p *peer.Process, prefix string) int {
	t.Helper()
	resp, err := http.Get("http://" + p.Setup.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), prefix) {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
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
	o := options{peers: []peer.Peer{peer.Switchback(program, ours, "", "")}, rounds: 1, each: 20 * time.Millisecond, log: t.Output()}
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
	if _, err := b.sample(t.Context(), asked, p); err == nil || !strings.Contains(err.Error(), "switchback ended") {
		t.Errorf("error %v", err)
	}
}
