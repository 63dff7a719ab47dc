package loop

import (
	"io"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

const (
	// spliceFrom is how much of a body must be left for the kernel to move it by itself: for less the pipe costs
	// more than it saves.
	spliceFrom = 64 << 10
	pipeSize   = 256 << 10
	pipesKept  = 16
)

// pipe is where the kernel keeps the bytes between two sockets. It holds at most what it took last.
type pipe struct {
	r, w int
	in   int // bytes in it
}

// pipe is an empty one, nil when no descriptor is free.
func (p *poller) pipe() *pipe {
	if n := len(p.pipes); n > 0 {
		last := p.pipes[n-1]
		p.pipes = p.pipes[:n-1]
		return last
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // smaller ones work too
	return &pipe{r: fds[0], w: fds[1]}
}

// drop keeps an empty pipe for the next body. What one holds is nobody's any more.
func (p *poller) drop(old *pipe) {
	if old.in == 0 && len(p.pipes) < pipesKept && !p.ended {
		p.pipes = append(p.pipes, old)
		return
	}
	_ = unix.Close(old.r)
	_ = unix.Close(old.w)
}

func (p *poller) closePipes() {
	for _, old := range p.pipes {
		_ = unix.Close(old.r)
		_ = unix.Close(old.w)
	}
	p.pipes = nil
}

// splices reports whether the kernel is to move what comes next of the answer.
func (c *client) splices() bool {
	a := c.act
	return a.headed && !a.chunks && len(a.b.in) == 0 && a.b.scanner.Response().Framing == h1.Length &&
		a.b.scanner.Ahead() >= spliceFrom
}

// splice moves a part of the answer's body. It returns false when nothing moves now, or the exchange has ended.
func (c *client) splice() bool {
	a, b := c.act, c.act.b
	if a.pipe == nil {
		if a.pipe = c.p.pipe(); a.pipe == nil {
			return c.copied()
		}
	}
	n, err := unix.Splice(int(b.fd), nil, a.pipe.w, nil, int(min(b.scanner.Ahead(), pipeSize)), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		b.readable = err == unix.EINTR
		return b.readable
	case err != nil:
		c.ended(err)
		return false
	case n == 0:
		c.ended(io.EOF)
		return false
	}
	b.scanner.Skip(n)
	a.pipe.in += int(n)
	a.bytes += n
	c.spend(int(n))
	if done, gone := c.flush(); gone {
		c.gone()
		return false
	} else if !done {
		return false
	}
	return c.settled()
}

// settled ends the exchange when the body that the kernel moved is whole.
func (c *client) settled() bool {
	if c.act.b.scanner.Ahead() > 0 {
		return true
	}
	return c.pass(nil)
}

// empty lets what a pipe holds leave.
func (d *pipe) empty(fd int32) (bool, error) {
	for d.in > 0 {
		n, err := unix.Splice(d.r, nil, int(fd), nil, d.in, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch {
		case err == unix.EAGAIN:
			return false, nil
		case err == unix.EINTR:
		case err != nil:
			return false, err
		default:
			d.in -= int(n)
		}
	}
	return true, nil
}
