package loop

import (
	"bytes"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

// preface begins every connection of HTTP/2 (RFC 9113 §3.4). No method of HTTP/1.1 begins like it.
const preface = "PRI * HTTP/2.0"

// maxOptions bounds the connection options, in bytes, that are looked up for each field.
const maxOptions = 256

// await reads up to the end of a request's head, and begins an exchange. It returns true when there is more to do.
func (c *client) await() bool {
	if c.act == nil {
		if !c.readable {
			return false
		}
		c.act = c.p.activity()
	} else if done, gone := c.flush(); gone || !done {
		c.unread(gone)
		return false
	}
	for {
		a := c.act
		rest := a.in[a.at:]
		if c.p.group.o.H2C && !c.served && len(rest) >= 4 && bytes.HasPrefix(rest, []byte(preface[:min(len(rest), len(preface))])) {
			c.handOver(HTTP2)
			return false
		}
		n, event, bad := a.scanner.Scan(rest)
		switch {
		case bad != nil:
			c.handOver(Refused)
			return false
		case event == h1.Head:
			return c.begin(n)
		case event == h1.Drop:
			a.at += n
		case event == h1.More && !c.fill():
			return false
		}
	}
}

// fill reads behind what is there. It returns false when nothing came.
func (c *client) fill() bool {
	a := c.act
	switch {
	case !c.readable:
		c.rest()
		return false
	case a.at == len(a.in):
		a.in, a.at = a.in[:0], 0
	case len(a.in) == cap(a.in):
		c.grow()
	}
	n, err := read(c.fd, a.in[len(a.in):cap(a.in)])
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // an Errno as it comes
		c.readable = false
		c.rest()
		return false
	case err != nil || n == 0:
		c.close()
		return false
	}
	c.readable = c.hup || len(a.in)+n == cap(a.in) // a short read has taken all there was
	a.in = a.in[:len(a.in)+n]
	return true
}

// grow makes room behind in, of which only the part behind at is needed.
func (c *client) grow() {
	a := c.act
	rest := a.in[a.at:]
	if a.at > 0 && len(rest) <= cap(a.in)/2 {
		a.in, a.at = a.in[:copy(a.in[:cap(a.in)], rest)], 0
		return
	}
	bigger := append(c.p.pages.get(2*cap(a.in)), rest...)
	c.p.pages.put(a.in)
	a.in, a.at = bigger, 0
}

// rest waits for the next byte: of a head that has begun, or of a request that is to come.
func (c *client) rest() {
	a := c.act
	if a.at < len(a.in) {
		if c.served && !c.timed {
			c.timed = true
			c.due(c.p.group.o.Header)
		}
		c.shrink()
		return
	}
	if c.served && !c.timed {
		c.due(c.p.group.o.Idle)
	}
	if a.scanner.Fresh() {
		c.p.retire(a)
		c.act = nil
	}
}

// shrink gives a page back while few bytes wait in it for more, which may take a while.
func (c *client) shrink() {
	a := c.act
	rest := a.in[a.at:]
	if cap(a.in) == crumbSize || len(rest) > crumbSize/2 {
		return
	}
	crumb := append(c.p.pages.get(len(rest)), rest...)
	c.p.pages.put(a.in)
	a.in, a.at = crumb, 0
}

// begin asks where the request goes, whose head are the next n bytes.
func (c *client) begin(n int) bool {
	a := c.act
	a.parsed = a.scanner.Request()
	head := a.in[a.at : a.at+n]
	if why := odd(&a.parsed, head); why != Reasons {
		c.handOver(why)
		return false
	}
	a.request = Request{Head: head, Parsed: &a.parsed, At: c.p.now, Peer: c.peer, Wake: c.p.interruptAll}
	x, verdict := c.p.group.o.Proxy.Begin(a.last, &a.request)
	if verdict == HandOver {
		c.handOver(Service)
		return false
	}
	a.last, a.x = nil, x
	a.course = course{read: a.parsed.Framing == h1.None || a.parsed.Framing == h1.Length && a.parsed.Length == 0}
	a.at += n
	c.phase, c.served, c.timed = serving, true, false
	if a.read {
		_, _, _ = a.scanner.Scan(nil) // the end of the request, which has no bytes
	}
	if verdict == Answer {
		c.fail()
		return true
	}
	_, whole := x.Limits()
	a.wholeBy = c.p.in(whole)
	c.deadline()
	return true
}

// odd is why a request is left to net/http; Reasons: it is not.
func odd(q *h1.Request, head []byte) Reason {
	switch {
	case q.Upgrade:
		return Upgrade
	case q.Expect:
		return Expect
	case !q.Version11:
		return Version
	case q.Target[0] != '/' && string(q.Target) != "*":
		return Absolute
	case q.Options > maxOptions:
		return Connection
	}
	if q.Framing == h1.Chunked {
		if _, ok := h1.Field(head, "trailer"); ok {
			return Trailer
		}
	}
	if string(q.Method) == "POST" {
		const grpc = "application/grpc"
		if kind, ok := h1.Field(head, "content-type"); ok && len(kind) >= len(grpc) && bytes.EqualFold(kind[:len(grpc)], []byte(grpc)) {
			return GRPC
		}
	}
	return Reasons
}

// handOver gives the connection to net/http, with what is read and not dealt with.
func (c *client) handOver(why Reason) {
	rest := bytes.Clone(c.act.in[c.act.at:])
	fd, g := int(c.fd), c.p.group
	// Before anything else: events of the old descriptor would go on coming while a duplicate is open.
	_ = unix.EpollCtl(c.p.ep, unix.EPOLL_CTL_DEL, fd, nil)
	c.leave()
	g.given.Go(func() { g.give(fd, rest, why) })
}
