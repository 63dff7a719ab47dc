package loop

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Group. Proxy must be set.
type Options struct {
	Proxy  Proxy
	Header time.Duration // a client's time for the head of a request; 0: as long as it likes
	Idle   time.Duration // how long it may leave us waiting: for the next request, for more of a body, or to take a part of an answer; the same
	H2C    bool          // the preface of HTTP/2 may come
	Loops  int           // at least 1
}

// Group is the event loops of one listener.
type Group struct {
	o     Options
	loops []*poller
	turn  atomic.Uint32
	ctx   context.Context //nolint:containedctx // of the dials
	end   context.CancelFunc
	dials sync.WaitGroup
	given sync.WaitGroup // connections on their way to net/http
}

// Start begins the loops, which wait for connections.
func Start(o Options) (*Group, error) {
	g := &Group{o: o}
	g.ctx, g.end = context.WithCancel(context.Background())
	for range max(1, o.Loops) {
		p, err := newPoller(g)
		if err != nil {
			g.Close()
			return nil, err
		}
		g.loops = append(g.loops, p)
		go p.run()
	}
	return g, nil
}

// Add gives a connection to a loop, each its turn. The descriptor is non-blocking.
func (g *Group) Add(fd int, peer netip.Addr) {
	g.o.Proxy.Opened()
	p := g.loops[int(g.turn.Add(1))%len(g.loops)]
	p.post(func() { p.join(fd, peer) })
}

// CloseWaiting closes every connection on which no request is being answered.
func (g *Group) CloseWaiting() {
	for _, p := range g.loops {
		p.post(func() {
			p.each(func(c *client) {
				if c.phase == waiting && (c.act == nil || c.act.pending.empty()) {
					c.close()
				}
			})
		})
	}
}

// Close cuts what is left, ends the loops and returns when they have ended. No Add may follow. Exchanges should
// have been ended before.
func (g *Group) Close() {
	g.end()
	for _, p := range g.loops {
		p.post(p.finish)
	}
	for _, p := range g.loops {
		<-p.done
	}
	g.dials.Wait()
	for _, p := range g.loops {
		p.leftovers()
	}
	g.given.Wait()
}

// finish is the loop's last task.
func (p *poller) finish() {
	p.ended = true
	p.each(func(c *client) {
		if c.phase == serving {
			c.gone() // nobody waits for it any more
			return
		}
		c.close()
	})
}

// leftovers runs the tasks that came too late, so that none loses a descriptor.
func (p *poller) leftovers() {
	p.mu.Lock()
	tasks := p.tasks
	p.tasks = nil
	p.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// each visits every client of the loop.
func (p *poller) each(visit func(*client)) {
	for i := range p.slots {
		if c, ok := p.slots[i].h.(*client); ok {
			visit(c)
		}
	}
}

// interrupted ends the exchanges that have been ended from outside.
func (p *poller) interrupted() {
	p.interrupting.Store(false) // first: who is woken now is looked at now
	p.each(func(c *client) {
		if c.phase != serving {
			return
		}
		if cause := c.act.x.Cause(); cause != nil {
			c.cut(cause)
			c.drive()
		}
	})
}

// give makes a connection of package net out of a descriptor, for net/http.
func (g *Group) give(fd int, rest []byte, why Reason) {
	f := os.NewFile(uintptr(fd), "client")
	c, err := net.FileConn(f)
	_ = f.Close() // FileConn has duplicated it
	if err != nil {
		g.o.Proxy.Closed() // no descriptor was free
		return
	}
	g.o.Proxy.HandOver(c, rest, why)
}
