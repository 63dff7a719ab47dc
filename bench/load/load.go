//go:build linux

// Package load asks an HTTP server as many independent users do: each request is due at a fixed time,
// whatever became of those before it, and its latency counts from that time. A server that stalls
// therefore pays for every request that was due meanwhile, not only for the few that were on their way.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Plan says whom to ask for what.
type Plan struct {
	Addr        string        // host:port, an IPv4 address
	Request     []byte        // the whole request; small enough for a socket's buffer
	Number      string        // what in Request is replaced by the connection's number, of as many digits; "" for nothing
	Body        int           // length of the body of each answer in bytes, else it counts as failed
	Connections int           // kept for all requests; a request that finds all busy waits for one
	Grace       time.Duration // how long answers are waited for after the last request was due
}

// Result is what became of a number of requests. Answered and Failed add up to all of them.
type Result struct {
	Answered  int             // with status 200 and the right length
	Failed    int             // answered otherwise, broken off, or not answered in time
	Reopened  int             // connections that ended and were opened again
	Latencies []time.Duration // of those answered, from the time each was due to the end of its answer, sorted
	Late      []time.Duration // how long after it was due each request was written, sorted; a busy server is part of it
	Took      time.Duration   // from the first request due to the last end
	First     string          // the first failure, "" without one
}

// Generator holds open connections to one server. It is one thread's; no method may be called while
// another runs.
type Generator struct {
	plan  Plan
	poll  int // epoll
	timer int // timerfd, in poll: finer than the milliseconds of epoll
	conns map[int32]*conn
	free  []*conn // in the order in which they became free
	buf   []byte
	run   run
}

// conn is one connection; it waits for at most one answer.
type conn struct {
	fd      int
	request []byte
	due     time.Time // when the request was due that waits for an answer
	busy    bool
	answer  answer
}

// run is one call of Run.
type run struct {
	Result
	began time.Time
	rate  int
	all   int
	until time.Time // of Saturate, which has no schedule: no request is written after it
	next  int       // the first request that was not written yet
	armed time.Time // what the timer is set for
}

// Open connects. The caller closes the generator.
func Open(p Plan) (*Generator, error) {
	g := &Generator{plan: p, poll: -1, timer: -1, conns: make(map[int32]*conn), buf: make([]byte, 256<<10)}
	err := g.open()
	if err != nil {
		g.Close()
		return nil, fmt.Errorf("open %d connections to %s: %w", p.Connections, p.Addr, err)
	}
	return g, nil
}

func (g *Generator) open() error {
	if g.plan.Connections < 1 {
		return errors.New("there must be one at least")
	}
	var err error
	if g.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if g.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	if err = g.watch(g.timer); err != nil {
		return err
	}
	for i := range g.plan.Connections {
		if err := g.connect(&conn{request: g.plan.request(i)}); err != nil {
			return err
		}
	}
	return nil
}

// request is that of a connection.
func (p *Plan) request(i int) []byte {
	if p.Number == "" {
		return p.Request
	}
	return bytes.ReplaceAll(p.Request, []byte(p.Number), fmt.Appendf(nil, "%0*d", len(p.Number), i))
}

// Close ends all connections.
func (g *Generator) Close() {
	for _, c := range g.conns {
		_ = unix.Close(c.fd)
	}
	for _, fd := range []int{g.timer, g.poll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	g.conns, g.free = nil, nil
}

// Run sends n requests, rate a second, and waits for their answers, at most the plan's Grace after the last
// was due. An error is one of this program; the server's are in the result.
func (g *Generator) Run(rate, n int) (Result, error) {
	if rate < 1 || n < 1 {
		return Result{}, fmt.Errorf("%d requests at %d a second are none", n, rate)
	}
	g.run = run{began: time.Now(), rate: rate, all: n}
	g.run.Latencies, g.run.Late = make([]time.Duration, 0, n), make([]time.Duration, 0, n)
	return g.exchange(g.run.due(n))
}

// Saturate sends a request on each connection as soon as it is free, for so long, and then waits for answers as Run
// does. It is a closed loop: latencies say how many connections there are, the number of answers what the server can do.
func (g *Generator) Saturate(d time.Duration) (Result, error) {
	began := time.Now()
	g.run = run{began: began, until: began.Add(d)}
	return g.exchange(g.run.until)
}

// exchange writes and reads until all is answered, at most for the plan's Grace after last.
func (g *Generator) exchange(last time.Time) (Result, error) {
	end := last.Add(g.plan.Grace)
	for time.Now().Before(end) {
		if err := g.write(); err != nil {
			return Result{}, err
		}
		if g.run.complete(time.Now()) {
			break
		}
		if err := g.wait(end); err != nil {
			return Result{}, err
		}
	}
	g.run.Took = time.Since(g.run.began)
	if !g.run.until.IsZero() {
		g.run.all = g.run.next
	}
	if err := g.giveUp(); err != nil {
		return Result{}, err
	}
	slices.Sort(g.run.Latencies)
	slices.Sort(g.run.Late)
	return g.run.Result, nil
}

// due is when request i is to be sent.
func (r *run) due(i int) time.Time {
	return r.began.Add(time.Duration(int64(i) * int64(time.Second) / int64(r.rate)))
}

// following is when the next request is to be sent, if there is one.
func (r *run) following(now time.Time) (time.Time, bool) {
	if !r.until.IsZero() {
		return now, now.Before(r.until)
	}
	return r.due(r.next), r.next < r.all
}

// complete reports whether nothing is to be sent any more or waited for.
func (r *run) complete(now time.Time) bool {
	_, more := r.following(now)
	return !more && r.Answered+r.Failed == r.next
}

// fail counts requests that were not answered as they should.
func (r *run) fail(n int, why error) {
	r.Failed += n
	if r.First == "" {
		r.First = why.Error()
	}
}

// write sends what is due and for which there is a free connection.
func (g *Generator) write() error {
	for r := &g.run; len(g.free) > 0; r.next++ {
		now := time.Now()
		due, more := r.following(now)
		if !more {
			return nil
		}
		if due.After(now) {
			return g.arm(due, now)
		}
		c := g.free[0]
		g.free = g.free[1:]
		r.Late = append(r.Late, now.Sub(due))
		n, err := unix.Write(c.fd, c.request)
		if err == nil && n < len(c.request) {
			err = fmt.Errorf("only %d bytes went", n)
		}
		if err != nil {
			r.fail(1, fmt.Errorf("write a request: %w", err))
			if err := g.reconnect(c); err != nil {
				return err
			}
			continue
		}
		c.due, c.busy = due, true
	}
	return nil
}

// giveUp counts what was not answered in time; its connections are of no use any more.
func (g *Generator) giveUp() error {
	if left := g.run.all - g.run.Answered - g.run.Failed; left > 0 {
		g.run.fail(left, fmt.Errorf("no answer within %v after the last request", g.plan.Grace))
	}
	for _, c := range g.busy() {
		if err := g.reconnect(c); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) busy() []*conn {
	var all []*conn
	for _, c := range g.conns {
		if c.busy {
			all = append(all, c)
		}
	}
	return all
}
