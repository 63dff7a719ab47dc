package loop

import (
	"context"
	"net"
	"syscall"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

// backend is a connection to a target. It carries one exchange at a time, or none and is kept.
type backend struct {
	p     *poller
	fd    int32
	place struct {
		slot uint32
		idle int // in its list
	}
	to     endpoint
	list   *idleList // where it is kept; nil: nowhere yet
	client *client   // whose exchange it carries; nil: none
	since  int64     // idle, in ticks

	scanner h1.ResponseScanner
	in      []byte // read, and waiting for more before it can be judged
	pending pending

	readable bool // there may be something to read
	writable bool // there may be room to write
	hup      bool // the target has closed its side
	dead     bool // it takes no more
	kept     bool // it has carried requests before
	wrote    bool // something of this request has left
	spoken   bool // something of an answer has come
}

// pending is what a socket did not take yet.
type pending struct {
	buf []byte
	at  int
}

func (d *pending) empty() bool { return d.at == len(d.buf) }

// hold keeps bytes for later.
func (d *pending) hold(p *poller, rest []byte) {
	if len(d.buf)+len(rest) > cap(d.buf) {
		bigger := p.pages.get(len(d.buf) - d.at + len(rest))
		bigger = append(bigger, d.buf[d.at:]...)
		p.pages.put(d.buf)
		d.buf, d.at = bigger, 0
	}
	d.buf = append(d.buf, rest...)
}

func (d *pending) drop(p *poller) {
	if d.buf != nil {
		p.pages.put(d.buf)
	}
	*d = pending{}
}

// flush writes what it can, and reports whether the socket takes more.
func (d *pending) flush(p *poller, fd int32) (bool, error) {
	for !d.empty() {
		n, err := write(fd, d.buf[d.at:])
		if err == unix.EAGAIN { //nolint:errorlint // an Errno as it comes
			return false, nil
		}
		if err != nil {
			return false, err
		}
		d.at += n
	}
	d.drop(p)
	return true, nil
}

// send writes, and holds back what the socket does not take: then it reports false.
func (d *pending) send(p *poller, fd int32, data []byte) (n int, all bool, err error) {
	if !d.empty() {
		d.hold(p, data)
		return 0, false, nil
	}
	n, err = write(fd, data)
	if err == unix.EAGAIN { //nolint:errorlint // an Errno as it comes
		n, err = 0, nil
	}
	if err != nil || n == len(data) {
		return n, err == nil, err
	}
	d.hold(p, data[n:])
	return n, false, nil
}

// ready notes what happened and goes on with the exchange.
func (b *backend) ready(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		b.readable = true
	}
	b.hup = b.hup || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	b.writable = b.writable || events&unix.EPOLLOUT != 0
	if b.client != nil {
		b.client.safely((*client).drive)
		return
	}
	if !b.readable {
		return
	}
	switch peek(b.fd) {
	case nothing: // the event was taken together with one in whose course the bytes were read
		b.readable = false
		return
	case bytesWait:
		b.to.pool.Count(Poisoned)
	case ended:
	}
	b.p.idle.remove(b)
	b.close()
}

// send writes a part of the request. What a target that stops reading does not take counts as sent: it may have
// answered early, and reading tells.
func (b *backend) send(data []byte) {
	if b.dead {
		return
	}
	n, all, err := b.pending.send(b.p, b.fd, data)
	b.wrote = b.wrote || n > 0
	b.writable = all
	b.died(err)
}

// flush writes what waits.
func (b *backend) flush() {
	if b.dead || b.pending.empty() || !b.writable {
		return
	}
	before := len(b.pending.buf) - b.pending.at
	all, err := b.pending.flush(b.p, b.fd)
	b.wrote = b.wrote || len(b.pending.buf)-b.pending.at < before
	b.writable = all
	b.died(err)
}

// died notes that nothing more is taken.
func (b *backend) died(err error) {
	if err != nil {
		b.dead, b.readable, b.hup = true, true, true
		b.pending.drop(b.p)
	}
}

// release gives the connection back after an answer: to be kept, or closed.
func (b *backend) release(keep bool) {
	b.client = nil
	b.wrote, b.spoken = false, false
	if keep && b.readable { // the last read had no room for what may stand behind the answer
		found := peek(b.fd)
		if found == bytesWait {
			b.to.pool.Count(Poisoned)
		}
		b.readable, keep = false, found == nothing
	}
	if keep && !b.dead && !b.hup && len(b.in) == 0 && b.pending.empty() {
		b.p.idle.put(b)
		return
	}
	b.close()
}

func (b *backend) close() {
	if b.fd < 0 {
		return
	}
	b.p.vacate(b.place.slot)
	_ = unix.Close(int(b.fd))
	b.fd, b.client = -1, nil
	b.pending.drop(b.p)
	if b.in != nil {
		b.p.pages.put(b.in)
		b.in = nil
	}
}

// dialed is a new connection, or why there is none.
type dialed struct {
	fd  int
	err error
}

// dial connects in a goroutine of its own: names have to be resolved, and connections are made seldom.
func (p *poller) dial(to endpoint, then func(dialed)) {
	p.group.dials.Go(func() {
		var d dialed
		d.fd, d.err = dialFD(p.group.ctx, to)
		p.post(func() { then(d) })
	})
}

// dialFD takes the descriptor out of a connection.
func dialFD(ctx context.Context, to endpoint) (fd int, err error) {
	c, err := to.pool.Dial(ctx, to.addr)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn() //nolint:forcetypeassert // Dial says so
	if err != nil {
		return -1, err
	}
	var dup error
	err = raw.Control(func(at uintptr) { fd, dup = unix.FcntlInt(at, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil && dup != nil {
		err = &net.OpError{Op: "dial", Net: "tcp", Addr: c.RemoteAddr(), Err: dup.(syscall.Errno)} //nolint:errorlint,forcetypeassert // as it comes
	}
	return fd, err
}

// open makes a backend of a descriptor.
func (p *poller) open(fd int, to endpoint) (*backend, error) {
	b := &backend{p: p, fd: int32(fd), to: to, writable: true} //nolint:gosec // descriptors are small
	at, err := p.add(fd, b, edges)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	b.place.slot = at
	to.pool.Count(Opened)
	return b, nil
}
