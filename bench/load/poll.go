//go:build linux

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wait blocks until a connection or the timer has something, or until the end.
func (g *Generator) wait(end time.Time) error {
	var events [256]unix.EpollEvent
	n, err := unix.EpollWait(g.poll, events[:], max(1, int(time.Until(end).Milliseconds())))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("wait for answers: %w", err)
	}
	for _, e := range events[:n] {
		if int(e.Fd) == g.timer {
			g.quiet()
			continue
		}
		if c := g.conns[e.Fd]; c != nil { // none: it was replaced since
			if err := g.read(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes what there is of an answer.
func (g *Generator) read(c *conn) error {
	n, err := unix.Read(c.fd, g.buf)
	now := time.Now()
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n <= 0:
		return g.broke(c, fmt.Errorf("connection ended: %w", errors.Join(err, errEnd)))
	case !c.busy:
		return g.broke(c, errors.New("bytes that nobody asked for"))
	}
	done, err := c.answer.feed(g.buf[:n])
	if err != nil {
		return g.broke(c, err)
	}
	if done {
		return g.finish(c, now)
	}
	return nil
}

var errEnd = errors.New("before the end of an answer")

// finish counts an answer and frees its connection.
func (g *Generator) finish(c *conn, now time.Time) error {
	r, a := &g.run, &c.answer
	if a.status == 200 && a.body == g.plan.Body {
		r.Answered++
		r.Latencies = append(r.Latencies, now.Sub(c.due))
	} else {
		r.fail(1, fmt.Errorf("status %d with %d bytes", a.status, a.body))
	}
	if a.last {
		c.busy = false
		return g.reconnect(c)
	}
	a.reset()
	c.busy = false
	g.free = append(g.free, c)
	return nil
}

// broke counts the request of a connection that ended, if there was one, and opens it again.
func (g *Generator) broke(c *conn, why error) error {
	if c.busy {
		g.run.fail(1, why)
	}
	return g.reconnect(c)
}

// arm sets the timer, which adds to epoll's milliseconds what it takes to wake in the right microsecond.
func (g *Generator) arm(due, now time.Time) error {
	if g.run.armed.Equal(due) {
		return nil
	}
	g.run.armed = due
	in := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, due.Sub(now).Nanoseconds()))}
	if err := unix.TimerfdSettime(g.timer, 0, &in, nil); err != nil {
		return fmt.Errorf("set the timer: %w", err)
	}
	return nil
}

// quiet takes the timer's word, so that it does not wake again for the same.
func (g *Generator) quiet() {
	var times [8]byte
	_, _ = unix.Read(g.timer, times[:]) // it was set anew since: nothing to take
}

func (g *Generator) watch(fd int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)} //nolint:gosec // a descriptor is small
	return unix.EpollCtl(g.poll, unix.EPOLL_CTL_ADD, fd, &e)
}

// connect opens c, which is free then.
func (g *Generator) connect(c *conn) error {
	addr, err := netip.ParseAddrPort(g.plan.Addr)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	c.fd, c.busy = fd, false
	c.answer.reset()
	g.conns[int32(fd)] = c //nolint:gosec // a descriptor is small
	to := unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, &to); err != nil {
		if err = connected(fd, err); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	g.free = append(g.free, c)
	return g.watch(fd)
}

// connectLimit bounds one connection. A server whose queue is full gets it after the kernel's second or
// third try, seconds later.
const connectLimit = 15 * time.Second

// connected waits for a connection that was begun, and returns any other error as it is.
func connected(fd int, err error) error {
	if !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		return err
	}
	for end := time.Now().Add(connectLimit); time.Now().Before(end); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000) //nolint:gosec // a descriptor is small
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n < 1 {
			continue
		}
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = syscall.Errno(code)
		}
		return err
	}
	return fmt.Errorf("not within %v: %w", connectLimit, unix.ETIMEDOUT)
}

// reconnect replaces the socket of c.
func (g *Generator) reconnect(c *conn) error {
	for i, f := range g.free {
		if f == c {
			g.free = append(g.free[:i:i], g.free[i+1:]...)
			break
		}
	}
	delete(g.conns, int32(c.fd)) //nolint:gosec // a descriptor is small
	_ = unix.Close(c.fd)
	g.run.Reopened++
	return g.connect(c)
}
