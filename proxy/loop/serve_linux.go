package loop

import (
	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

// serve moves an exchange on. It returns true when the connection has left the phase.
func (c *client) serve() bool {
	a := c.act
	for c.fd >= 0 && c.phase == serving {
		if a.b == nil && !a.dialing {
			c.connect()
		}
		b := a.b
		if b == nil {
			break
		}
		c.up()
		if c.fd < 0 || c.phase != serving || a.b != b {
			continue
		}
		c.down()
		if a.b == b {
			c.bound()
			break
		}
	}
	if c.fd >= 0 && c.phase == serving && c.hup && c.left() {
		c.gone()
	}
	return c.fd >= 0 && c.phase != serving
}

// left reports whether a client that has closed its side is gone. Who has sent the next request ahead is not, as far
// as can be told, unless the connection was reset; who has while the target does not take the rest of this one waits for nothing any more.
func (c *client) left() bool {
	a := c.act
	if c.lost {
		return true
	}
	if !a.read {
		return a.b != nil && !a.b.pending.empty()
	}
	return a.at == len(a.in) && peek(c.fd) != bytesWait
}

// connect takes a kept connection to the target, else has a new one made.
func (c *client) connect() {
	a, p := c.act, c.p
	for {
		pool, addr := a.x.Aim()
		to := endpoint{pool, addr}
		b := p.idle.take(to)
		if b == nil {
			c.dial(to)
			return
		}
		// What may not be repeated is not sent where nobody listens any more.
		if !c.repeatable() && peek(b.fd) != nothing {
			pool.Count(Stale)
			b.close()
			continue
		}
		if c.attach(b) {
			return
		}
	}
}

// repeatable reports whether the request may be sent again although a target may have it already (RFC 9110
// §9.2.2).
func (c *client) repeatable() bool {
	switch string(c.act.parsed.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return c.act.read && !c.act.took
	}
	return false
}

func (c *client) dial(to endpoint) {
	a := c.act
	a.dialing = true
	c.p.tickets++
	ticket := c.p.tickets
	a.ticket = ticket
	c.p.dial(to, func(d dialed) {
		if c.fd < 0 || c.act != a || !a.dialing || a.ticket != ticket {
			c.p.adopt(d, to)
			return
		}
		a.dialing = false
		var b *backend
		if d.err == nil {
			b, d.err = c.p.open(d.fd, to)
		}
		if d.err != nil {
			c.failed(d.err)
		} else {
			c.attach(b)
		}
		c.safely((*client).drive)
	})
}

// adopt keeps a connection whose request has ended meanwhile.
func (p *poller) adopt(d dialed, to endpoint) {
	if d.err != nil {
		return
	}
	if b, err := p.open(d.fd, to); err == nil {
		p.idle.put(b)
	}
}

// attach sends the request's head on a connection. It returns false when that cannot carry it.
func (c *client) attach(b *backend) bool {
	a, p := c.act, c.p
	if !b.scanner.Expect(methodOf(&a.parsed), false) {
		b.close()
		return false
	}
	a.b, b.client = b, c
	a.sent, a.headBy = false, 0
	a.forward = h1.Forwarding{}
	a.x.Forward(&a.forward)
	p.out = h1.AppendRequest(p.out[:0], a.request.Head, &a.parsed, &a.forward)
	if body := a.in[a.at:]; !a.read && a.parsed.Framing == h1.Length && len(body) > 0 && len(body) <= pageSize {
		// A body that came with its head leaves with it.
		n, event, _ := a.scanner.Scan(body)
		if event == h1.Body {
			p.out = append(p.out, body[:n]...)
			a.at += n
			a.took = true
		}
	}
	b.send(p.out)
	p.out = p.out[:0] // nobody else's bytes are ever found in it
	return true
}

// methodOf is one of the methods that tell how an answer is framed, without allocating.
func methodOf(q *h1.Request) string {
	if string(q.Method) == "HEAD" {
		return "HEAD"
	}
	return "GET"
}

// up sends the request's body as far as it is there and the target takes it.
func (c *client) up() {
	a := c.act
	b := a.b
	b.flush()
	for !a.read {
		if !b.pending.empty() || a.spent >= budget {
			return
		}
		n, event, bad := a.scanner.Scan(a.in[a.at:])
		switch {
		case bad != nil:
			c.malformed(bad)
			return
		case event == h1.End:
			a.read = true
		case event == h1.Body:
			c.piece(a.in[a.at : a.at+n])
			a.at += n
		case !c.more():
			return
		}
	}
	if !a.sent && b.pending.empty() {
		a.sent = true
		if head, _ := a.x.Limits(); !a.headed {
			a.headBy = c.p.in(head)
			c.deadline()
		}
	}
}

// piece sends a piece of the request's body.
func (c *client) piece(piece []byte) {
	a := c.act
	a.took = true
	n := a.scanner.Section()
	if n <= len("\r\n") {
		a.b.send(piece)
		return
	}
	end := len(piece) - n
	c.p.out = h1.AppendTrailers(append(c.p.out[:0], piece[:end]...), piece[end:])
	a.b.send(c.p.out)
	c.p.out = c.p.out[:0]
}

// more reads a part of the request's body. It returns false when nothing came, or the exchange has ended.
func (c *client) more() bool {
	a := c.act
	if !c.readable {
		return false
	}
	if ahead := a.scanner.Ahead(); ahead > 0 && a.at == len(a.in) {
		return c.through(ahead)
	}
	if len(a.in) == cap(a.in) {
		c.move()
	}
	n, err := read(c.fd, a.in[len(a.in):cap(a.in)])
	if !c.came(n, err, cap(a.in)-len(a.in)) {
		return false
	}
	a.in = a.in[:len(a.in)+n]
	return true
}

// move makes room behind in. The head stays where it is as long as the exchange lasts, so what was in its buffer
// goes to another one.
func (c *client) move() {
	a := c.act
	rest := a.in[a.at:]
	if head := len(a.request.Head); a.at > head+pageSize/2 && cap(a.in)-head > len(rest) {
		a.in = a.in[:head+copy(a.in[head:cap(a.in)], rest)]
		a.at = head
		return
	}
	a.in = append(c.p.pages.get(2*cap(a.in)), rest...) // the old one is the garbage collector's
	a.at = 0
}

// through sends body bytes on without keeping them.
func (c *client) through(ahead int64) bool {
	a, p := c.act, c.p
	room := int(min(ahead, int64(len(p.bodies))))
	n, err := read(c.fd, p.bodies[:room])
	if !c.came(n, err, room) {
		return false
	}
	for seen := 0; seen < n; {
		m, _, _ := a.scanner.Scan(p.bodies[seen:n])
		seen += m // the scanner said that these pass
	}
	a.took = true
	a.b.send(p.bodies[:n])
	return true
}

// came books what a read of the request's body brought. It returns false when nothing came, or the client has gone.
func (c *client) came(n int, err error, room int) bool {
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // an Errno as it comes
		c.readable = false
		return false
	case err != nil || n == 0:
		c.gone()
		return false
	}
	c.readable = c.hup || n == room
	c.act.giveBy = 0
	c.spend(n)
	return true
}

// failed ends an attempt. Another one follows, or an answer of our own.
func (c *client) failed(err error) {
	a := c.act
	c.next(err, a.took || a.b != nil && a.b.wrote)
}

// next is failed where it is known whether the request counts as sent.
func (c *client) next(err error, sent bool) {
	c.release(false)
	if !c.act.x.Next(err, sent) {
		c.fail()
	}
}

// fail sends an answer of our own, and ends the exchange.
func (c *client) fail() {
	a, p := c.act, c.p
	p.out, a.closes = a.x.Fail(p.out[:0], a.parsed.Close || !a.read)
	there := c.send(p.out)
	p.out = p.out[:0]
	if !there {
		c.close()
		return
	}
	c.over()
}

// gone ends the exchange of a client that went away, and its connection.
func (c *client) gone() {
	if c.act.headed {
		c.broke(ErrClientGone)
		return
	}
	c.release(false)
	c.act.x.Gone()
	c.close()
}

// cut ends an exchange for a cause of ours.
func (c *client) cut(cause error) {
	a := c.act
	if a.headed {
		c.broke(cause)
		return
	}
	c.release(false)
	a.dialing = false
	a.x.Next(cause, true)
	c.fail()
}

// broke ends an exchange whose answer's head is out. The client finds that the answer is shorter than it said: every
// answer tells its length, or is chunked.
func (c *client) broke(err error) {
	bytes := c.passed()
	c.release(false)
	c.act.x.End(err, bytes)
	c.close()
}

// malformed ends an exchange whose request broke its own framing.
func (c *client) malformed(bad *h1.Refusal) {
	if c.act.headed {
		c.broke(ErrClientGone)
		return
	}
	c.release(false)
	c.act.x.Malformed(bad)
	c.fail()
}

// release lets go of the target's connection.
func (c *client) release(keep bool) {
	if b := c.act.b; b != nil {
		c.act.b = nil
		b.release(keep)
	}
}

// over ends the exchange and makes ready for the next request, or for the end of the connection.
func (c *client) over() {
	a := c.act
	a.x, a.last = nil, a.x
	if a.pipe != nil {
		c.p.drop(a.pipe)
		a.pipe = nil
	}
	c.timer.at = 0
	if a.closes {
		c.phase = flushing
		return
	}
	rest := a.in[a.at:]
	a.in, a.at = a.in[:copy(a.in[:cap(a.in)], rest)], 0
	c.phase = waiting
}
