package loop

import (
	"net/netip"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

// phase is where a client's connection stands.
type phase uint8

const (
	waiting   phase = iota // for the head of a request
	serving                // an exchange runs
	flushing               // the last answer leaves, then the connection ends
	lingering              // our side is closed; what the client still sends is thrown away
)

const (
	// lingerTime and lingerBytes bound how long a client that is not done sending is heard out: closing
	// earlier would reset the connection and take the answer with it.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// client is a client's connection. While nothing happens on it this is all it costs.
type client struct {
	p     *poller
	act   *activity // nil while idle
	peer  netip.Addr
	timer timer
	fd    int32 // -1: closed
	place uint32
	heard int32 // bytes thrown away while lingering

	phase    phase
	readable bool // there may be something to read
	writable bool // there may be room to write
	hup      bool // the client has closed its side
	lost     bool // and takes nothing any more
	queued   bool // has used up its budget and is to be driven again
	served   bool // a request has come
	timed    bool // the head that is incomplete has its deadline
}

// activity is what a connection needs from the first byte of a request to the end of the answer.
type activity struct {
	scanner h1.RequestScanner
	in      []byte // read, from the head of the request that is served on
	at      int    // in[:at] is dealt with
	pending pending
	pipe    *pipe // nil: the kernel moves nothing of this answer
	spent   int   // bytes moved in this turn

	takeBy int64 // ticks until the client must have taken something of what waits for it; 0: nothing waits
	left   int   // bytes that the kernel had for it at the last look; -1: there was none

	parsed  h1.Request
	request Request
	x       Exchange // nil: none
	last    Exchange // ended; to be used again
	course
}

// course is one exchange on its way.
type course struct {
	b       *backend // nil: none yet
	dialing bool
	ticket  uint64 // of the dialing; another one is out of date
	forward h1.Forwarding
	answer  h1.Answering

	took    bool // something of the request's body was taken from the client
	read    bool // all of the request is read
	sent    bool // and sent
	headed  bool // the final head is out
	closes  bool // the client's connection ends with this answer
	chunks  bool // an answer without length is chunked for the client
	done    bool // the answer is whole
	surplus bool // and bytes stand behind it

	bytes   int64 // of the answer's body
	headBy  int64 // ticks until the answer's head; 0: as long as it likes
	wholeBy int64 // ticks until its end; the same
	giveBy  int64 // ticks until more of the request's body must come; 0: it is not waited for
}

// ready notes what happened and goes on.
func (c *client) ready(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.readable = true
	}
	c.hup = c.hup || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	c.lost = c.lost || events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	c.writable = c.writable || events&unix.EPOLLOUT != 0
	c.drive()
}

// drive does what can be done without waiting.
func (c *client) drive() {
	if c.act != nil {
		c.act.spent = 0
	}
	for c.fd >= 0 {
		more := false
		switch c.phase {
		case waiting:
			more = c.await()
		case serving:
			more = c.serve()
		case flushing:
			more = c.last()
		case lingering:
			c.linger()
		}
		if !more {
			return
		}
	}
}

// spend books moved bytes, and reports whether others have their turn first.
func (c *client) spend(n int) bool {
	if c.act.spent += n; c.act.spent < budget {
		return false
	}
	if !c.queued {
		c.queued = true
		c.p.again = append(c.p.again, c)
	}
	return true
}

// send writes to the client and holds back what the socket does not take. It returns false when the client is
// gone.
func (c *client) send(data []byte) bool {
	_, all, err := c.act.pending.send(c.p, c.fd, data)
	c.writable = all
	return err == nil
}

// flush reports whether nothing waits to be written any more.
func (c *client) flush() (done, gone bool) {
	d, kernel := &c.act.pending, c.act.pipe
	if d.empty() && (kernel == nil || kernel.in == 0) {
		return true, false
	}
	if !c.writable {
		return false, false
	}
	c.act.takeBy = 0
	all, err := d.flush(c.p, c.fd)
	if all && err == nil && kernel != nil {
		all, err = kernel.empty(c.fd)
	}
	c.writable = all
	return all, err != nil
}

// unread waits for a client to take the end of an answer. One that takes nothing is as good as idle.
func (c *client) unread(gone bool) {
	if gone {
		c.close()
		return
	}
	c.untaken()
	c.p.wheel.set(c, c.act.takeBy, c.p.ticks)
}

// last lets the end of the last answer leave.
func (c *client) last() bool {
	done, gone := c.flush()
	switch {
	case gone || !done:
		c.unread(gone)
		return false
	case c.act.read && c.act.at == len(c.act.in) && (!c.readable || c.hup && peek(c.fd) != bytesWait):
		c.close()
		return false
	}
	// What the client still sends would turn the answer into a reset.
	_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
	c.phase = lingering
	c.due(lingerTime)
	return true
}

// linger throws away what comes.
func (c *client) linger() {
	for c.readable {
		n, err := read(c.fd, c.p.bodies)
		c.heard += int32(n) //nolint:gosec // at most scratch
		switch {
		case err == unix.EAGAIN: //nolint:errorlint // an Errno as it comes
			c.readable = false
		case err != nil || n == 0 || c.heard > lingerBytes:
			c.close()
			return
		case c.spend(n):
			return
		}
	}
}

// close ends the connection. No exchange may run any more.
func (c *client) close() {
	if c.fd < 0 {
		return
	}
	_ = unix.Close(int(c.fd))
	c.leave()
	c.p.group.o.Proxy.Closed()
}

// leave takes the connection out of the loop.
func (c *client) leave() {
	c.fd = -1
	c.p.vacate(c.place)
	c.p.wheel.unlink(c)
	if c.act != nil {
		c.p.retire(c.act)
		c.act = nil
	}
	c.p.clients--
}

// activity is one to be used.
func (p *poller) activity() *activity {
	var a *activity
	if n := len(p.acts); n > 0 {
		a, p.acts = p.acts[n-1], p.acts[:n-1]
	} else {
		a = &activity{}
	}
	a.in = p.pages.get(pageSize)
	return a
}

const actsKept = 1024

// retire keeps an activity for the next connection.
func (p *poller) retire(a *activity) {
	p.pages.put(a.in)
	a.pending.drop(p)
	if a.pipe != nil {
		p.drop(a.pipe)
	}
	if len(p.acts) < actsKept {
		if a.x != nil {
			a.last = a.x
		}
		*a = activity{last: a.last}
		p.acts = append(p.acts, a)
	}
}

// join begins to serve a connection. It is called in the loop.
func (p *poller) join(fd int, peer netip.Addr) {
	c := &client{p: p, fd: int32(fd), peer: peer, writable: true} //nolint:gosec // descriptors are small
	at, err := p.add(fd, c, edges)
	if err != nil {
		_ = unix.Close(fd)
		p.group.o.Proxy.Closed()
		return
	}
	c.place = at
	p.clients++
	c.due(p.group.o.Header)
}
