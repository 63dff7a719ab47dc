//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/bench/proc"
)

// options say what to measure and how long.
type options struct {
	plan
	peers  []peer.Peer // switchback among them
	relay  peer.Peer   // what passes bytes on: only its processor time is measured
	rounds int
	each   time.Duration
	idle   int
	log    io.Writer
}

// figures are all measurements: by workload or rate, then by proxy, then by round.
type figures struct {
	options
	versions []string     // the last is relay's
	cpu      [][][]sample // of workloads, one thread; the last way is relay
	users    [][][]sample // one workload of switchback with a random split and of one with sticky users, one thread
	times    [][][]sample // of latency, default threads; the last proxy is none
	memory   [][]memory   // of proxies
	date     time.Time
	loads    [2]string // before and after
}

// bench is a machine that is set up to measure.
type bench struct {
	*figures
	self, dir string
	backends  []string
	stop      func() // the backend
}

// run measures everything.
func run(ctx context.Context, o options) (*figures, error) {
	b, err := setUp(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.tearDown()
	for _, p := range b.withRelay() {
		version, err := p.Tell(ctx)
		if err != nil {
			return nil, err
		}
		b.versions = append(b.versions, version)
	}
	for _, pass := range []func(context.Context) error{b.measureMemory, b.measureCPU, b.measureSticky, b.measureLatency} {
		if err := pass(ctx); err != nil {
			return nil, err
		}
	}
	b.loads[1] = loadAverage()
	return b.figures, nil
}

// setUp starts the backend; the caller tears down.
func setUp(ctx context.Context, o options) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bench{figures: &figures{options: o, date: time.Now().UTC(), loads: [2]string{loadAverage()}}, self: self}
	if b.backends, err = free(4); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "switchback-bench-"); err != nil {
		return nil, err
	}
	if b.stop, err = startBackend(ctx, self, b.backends, o.log); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

func (b *bench) tearDown() {
	b.stop()
	_ = os.RemoveAll(b.dir) // in the system's temporary folder
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.log, format+"\n", args...)
}

// start runs a proxy on fresh ports.
func (b *bench) start(ctx context.Context, p peer.Peer, threads int) (*peer.Process, error) {
	addrs, err := free(2)
	if err != nil {
		return nil, err
	}
	return p.Start(ctx, b.dir, peer.Setup{
		Listen: addrs[0], Admin: addrs[1], Blue: b.backends[:2], Green: b.backends[2:], Threads: threads, Clients: clients(),
	})
}

// with runs f while proxies run, each with so many threads.
func (b *bench) with(ctx context.Context, peers []peer.Peer, threads int, f func([]way) error) (err error) {
	var ways []way
	defer func() {
		for _, w := range ways {
			err = errors.Join(err, w.Stop())
		}
	}()
	for _, p := range peers {
		started, err := b.start(ctx, p, threads)
		if err != nil {
			return err
		}
		ways = append(ways, way{p.Name, started})
	}
	return f(ways)
}

// way is a running proxy, or none.
type way struct {
	name string
	*peer.Process
}

func (b *bench) measureCPU(ctx context.Context) error {
	return b.with(ctx, b.withRelay(), 1, func(ways []way) (err error) {
		b.cpu, err = b.rotate(ctx, ways, b.workloads, "processor time")
		return err
	})
}

// measureSticky asks switchback and one with sticky users for the same.
func (b *bench) measureSticky(ctx context.Context) error {
	if !b.sticky {
		return nil
	}
	own := b.peers[b.own()]
	return b.with(ctx, []peer.Peer{own, stickyPeer(own)}, 1, func(ways []way) (err error) {
		b.users, err = b.rotate(ctx, ways, []workload{with(asked, func(w *workload) { w.User = true })}, "sticky users")
		return err
	})
}

func (b *bench) measureLatency(ctx context.Context) error {
	return b.with(ctx, b.peers, runtime.NumCPU(), func(ways []way) (err error) {
		b.times, err = b.rotate(ctx, append(ways, way{name: direct}), b.latency, "latency")
		return err
	})
}

// rotate measures every workload with one proxy after the other, and all of that in every round, so that
// those who are compared meet the same machine in the same mood.
func (b *bench) rotate(ctx context.Context, ways []way, all []workload, what string) ([][][]sample, error) {
	samples := make([][][]sample, len(all))
	for i := range samples {
		samples[i] = make([][]sample, len(ways))
	}
	for round := range b.rounds {
		b.say("%s: round %d of %d, load average %s", what, round+1, b.rounds, loadAverage())
		for i, w := range all {
			for j, way := range ways {
				if !w.of(way.name) {
					continue
				}
				s, err := b.sample(ctx, w, way.Process)
				if err != nil {
					return nil, fmt.Errorf("%s of %s: %w", what, way.name, err)
				}
				samples[i][j] = append(samples[i][j], s)
			}
		}
	}
	return samples, nil
}

// withRelay are the ways of which processor time is measured.
func (o *options) withRelay() []peer.Peer { return append(slices.Clip(o.peers), o.relay) }

// sample measures once; without a proxy, straight at the backend.
func (b *bench) sample(ctx context.Context, w workload, p *peer.Process) (s sample, err error) {
	addr := b.backends[0]
	if p != nil {
		addr = p.Setup.Listen
	}
	l, err := startLoad(ctx, b.self, w.task(addr, b.each), b.log)
	if err != nil {
		return s, b.blame(p, err)
	}
	defer l.Close()
	before, err := cpu(p)
	if err != nil {
		return s, err
	}
	if s.outcome, err = l.Go(); err != nil {
		return s, b.blame(p, err)
	}
	after, err := cpu(p)
	s.CPU = after - before
	return s, err
}

// blame says what became of the proxy when that is why the load failed.
func (b *bench) blame(p *peer.Process, err error) error {
	if p == nil {
		return err
	}
	return errors.Join(err, p.Running())
}

func cpu(p *peer.Process) (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	return proc.System.Clock(p.Pid())
}

// memoryRounds is enough: memory is not noisy.
const memoryRounds = 3

func (b *bench) measureMemory(ctx context.Context) error {
	b.memory = make([][]memory, len(b.peers))
	for round := range min(b.rounds, memoryRounds) {
		b.say("memory: round %d", round+1)
		for i, p := range b.peers {
			m, err := b.idleMemory(ctx, p)
			if err != nil {
				return fmt.Errorf("memory of %s: %w", p.Name, err)
			}
			b.memory[i] = append(b.memory[i], m)
		}
	}
	return nil
}

// idleMemory starts a proxy anew, lets it serve a while, and then opens connections that send a request
// each and stay.
func (b *bench) idleMemory(ctx context.Context, p peer.Peer) (m memory, err error) {
	running, err := b.start(ctx, p, 1)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, running.Stop()) }()
	w := asked
	w.Rate = 2000
	if _, err := b.sample(ctx, w, running); err != nil {
		return m, err
	}
	if m.before, err = proc.System.Usage(running.Pid()); err != nil {
		return m, err
	}
	w.Connections = min(b.idle, clients()-100)
	t := w.task(running.Setup.Listen, b.each)
	t.Warm, t.Requests = w.Connections, 0
	l, err := startLoad(ctx, b.self, t, b.log)
	if err != nil {
		return m, b.blame(running, err)
	}
	defer l.Close()
	if l.Warm.Failed > 0 {
		return m, fmt.Errorf("%d of %d connections got no answer: %s", l.Warm.Failed, w.Connections, l.Warm.First)
	}
	m.connections = w.Connections
	m.after, err = proc.System.Usage(running.Pid())
	return m, err
}
