// Package health owns whether a target can serve: it asks every target in turn and writes what it finds
// into the target's State. It chooses no target, moves no traffic and knows nothing of requests.
package health

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"sync"

	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// Options of a Checker. The zero value probes over TCP, trusts the system's roots and logs nothing.
type Options struct {
	Log     *zap.Logger // one Info line for each change of a status
	Version string      // sent as "switchback-health/<version>"; "" is "dev"

	// OnChange is told of each change of a status, after the State has it. It is called by the goroutine
	// of the target's probe, which waits for it. Nil: nobody is told.
	OnChange func(Change)

	// Dial connects to a target instead of TCP; it must give up when its context ends. Tests set it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Roots verify https targets instead of the system's. Tests set it.
	Roots *x509.CertPool
}

// Change is a target that took another status.
type Change struct {
	Service, Pool, Target string // Target is its URL
	Was                   router.Status
	Health                router.Health
}

// Checker probes targets. All methods are safe for concurrent use. Make one with New.
type Checker struct {
	asker    asker
	log      *zap.Logger
	onChange func(Change)
	wg       sync.WaitGroup // one for each probe that runs

	mu     sync.Mutex // guards the four below
	ctx    context.Context
	phase  phase
	probes map[*router.State]*probe
	news   chan struct{} // closed at the next finding; nil while nobody waits
}

// phase is where Run is.
type phase int

const (
	waiting phase = iota // not called yet
	running
	ended
)

// New returns a Checker that does nothing yet: give it targets with Sync and time with Run.
func New(o Options) *Checker {
	c := &Checker{
		asker:    newAsker(o),
		log:      o.Log,
		onChange: o.OnChange,
		probes:   map[*router.State]*probe{},
	}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if c.onChange == nil {
		c.onChange = func(Change) {}
	}
	return c
}

// Run probes until ctx ends, then waits until every probe has ended and returns nil. A Checker runs
// once: a second call is an error.
func (c *Checker) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.phase != waiting {
		c.mu.Unlock()
		return errors.New("run health checks: already called")
	}
	c.ctx, c.phase = ctx, running
	for _, p := range c.probes {
		c.start(p)
	}
	c.mu.Unlock()

	<-ctx.Done()
	c.mu.Lock()
	c.phase = ended
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}

// Sync starts and stops probes until they match the targets of all tables together. Targets are told
// apart by their State; where two tables disagree about the check of one, the later table counts.
//
// A target new to the checker is probed at once, and that first probe decides alone. One that keeps its
// State, address and check keeps its probe, so its counts of good and bad probes survive. One whose check
// changed starts counting again and keeps its status meanwhile. Sync does not wait for probes; before Run
// it only remembers.
func (c *Checker) Sync(tables ...*router.Table) {
	want := checks(tables)
	c.mu.Lock()
	defer c.mu.Unlock()
	for state, p := range c.probes {
		if _, ok := want[state]; !ok {
			p.stop()
			delete(c.probes, state)
		}
	}
	for state, check := range want {
		old := c.probes[state]
		if old != nil && old.check.equal(check) {
			continue
		}
		p := newProbe(c, state, check, old)
		c.probes[state] = p
		if c.phase == running {
			c.start(p)
		}
	}
}

// start runs p. The caller holds the lock and knows that Run has not ended.
func (c *Checker) start(p *probe) {
	ctx, cancel := context.WithCancel(c.ctx)
	p.cancel = cancel
	c.wg.Go(func() {
		defer cancel()
		p.run(ctx)
	})
}

// checks lists what the tables want probed.
func checks(tables []*router.Table) map[*router.State]check {
	want := map[*router.State]check{}
	for _, t := range tables {
		if t == nil {
			continue
		}
		for _, p := range t.Pools {
			for _, target := range p.Targets {
				want[target.State] = newCheck(target)
			}
		}
	}
	return want
}

// Wait returns nil once cond holds. It asks at once and after every finding of any probe, so cond should
// be quick; it is called from this goroutine only. When ctx ends first, Wait returns its error.
func (c *Checker) Wait(ctx context.Context, cond func() bool) error {
	for {
		news := c.next() // before cond, so that no finding falls between
		if cond() {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next is closed at the next finding.
func (c *Checker) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.news == nil {
		c.news = make(chan struct{})
	}
	return c.news
}

// tell wakes everybody in Wait.
func (c *Checker) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
}
