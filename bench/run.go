//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/bench/proc"
)

// options say what to measure and how long.
type options struct {
	peers  []peer.Peer // switchback among them
	rounds int
	each   time.Duration
	idle   int
	log    io.Writer
}

// sample is one measurement of one proxy.
type sample struct {
	outcome
	CPU time.Duration // of the proxy, all requests together
}

// micros is the processor time per request in microseconds.
func (s sample) micros() float64 {
	return float64(s.CPU.Nanoseconds()) / 1000 / float64(s.Answered+s.Failed)
}

// memory is what a proxy had in one round before and while it held idle connections, and of how many.
type memory struct {
	before, after proc.Usage
	connections   int
}

// figures are all measurements: by workload or rate, then by proxy, then by round.
type figures struct {
	options
	versions []string
	cpu      [][][]sample // of workloads, one thread
	latency  [][][]sample // of rates, default threads; the last proxy is none
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
	for _, p := range b.peers {
		version, err := p.Tell(ctx)
		if err != nil {
			return nil, err
		}
		b.versions = append(b.versions, version)
	}
	for _, pass := range []func(context.Context) error{b.measureMemory, b.measureCPU, b.measureLatency} {
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

// with runs f while all proxies run, each with so many threads.
func (b *bench) with(ctx context.Context, threads int, f func([]*peer.Process) error) (err error) {
	var running []*peer.Process
	defer func() {
		for _, p := range running {
			err = errors.Join(err, p.Stop())
		}
	}()
	for _, p := range b.peers {
		started, err := b.start(ctx, p, threads)
		if err != nil {
			return err
		}
		running = append(running, started)
	}
	return f(running)
}

func (b *bench) measureCPU(ctx context.Context) error {
	return b.with(ctx, 1, func(running []*peer.Process) (err error) {
		b.cpu, err = b.rotate(ctx, running, workloads, "cpu")
		return err
	})
}

func (b *bench) measureLatency(ctx context.Context) error {
	return b.with(ctx, runtime.NumCPU(), func(running []*peer.Process) (err error) {
		all := make([]workload, len(rates))
		for i, rate := range rates {
			all[i] = asked
			all[i].Rate = rate
		}
		b.latency, err = b.rotate(ctx, append(running, nil), all, "latency")
		return err
	})
}

// rotate measures every workload with one proxy after the other, and all of that in every round, so that
// those who are compared meet the same machine in the same mood.
func (b *bench) rotate(ctx context.Context, running []*peer.Process, all []workload, what string) ([][][]sample, error) {
	samples := make([][][]sample, len(all))
	for i := range samples {
		samples[i] = make([][]sample, len(running))
	}
	for round := range b.rounds {
		b.say("%s: round %d of %d, load average %s", what, round+1, b.rounds, loadAverage())
		for i, w := range all {
			for j, p := range running {
				s, err := b.sample(ctx, w, p)
				if err != nil {
					return nil, fmt.Errorf("%s of %s: %w", what, b.name(j), err)
				}
				samples[i][j] = append(samples[i][j], s)
			}
		}
	}
	return samples, nil
}

// name is that of a column; after the proxies comes the way without one.
func (b *figures) name(i int) string {
	if i == len(b.peers) {
		return "no proxy"
	}
	return b.peers[i].Name
}

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
	return proc.System.CPU(p.Pid())
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
