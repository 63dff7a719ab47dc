package loop

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// due sets the deadline of the phase.
func (c *client) due(after time.Duration) {
	c.p.wheel.set(c, c.p.in(after), c.p.ticks)
}

// in is the tick at which a time is over, 0 for a zero one.
func (p *poller) in(after time.Duration) int64 {
	if after <= 0 {
		return 0
	}
	return ticks(p.now.Add(after)) + 1
}

// expired is called when the deadline has passed.
func (c *client) expired() {
	switch {
	case c.phase == serving:
		c.overdue()
	case c.act != nil && c.act.takeBy > 0 && !c.stuck():
		c.p.wheel.set(c, c.act.takeBy, c.p.ticks)
	default:
		c.close()
	}
}

// bound sets deadlines for what is waited for of the client.
func (c *client) bound() {
	a := c.act
	if a.takeBy == 0 && (!a.pending.empty() || a.pipe != nil && a.pipe.in > 0) {
		c.untaken()
		c.deadline()
	}
	if a.giveBy == 0 && !a.read && !a.headed && !c.readable && a.b.pending.empty() {
		a.giveBy = c.p.in(c.p.group.o.Idle)
		c.deadline()
	}
}

// untaken sets the deadline until which a client must have taken something.
func (c *client) untaken() {
	if a := c.act; a.takeBy == 0 {
		a.takeBy, a.left = c.p.in(c.p.group.o.Idle), -1
	}
}

// stuck is asked at that deadline, and sets the next one where the client takes what it gets, however slowly: the
// kernel tells of room only when there is a lot.
func (c *client) stuck() bool {
	a := c.act
	was := a.left
	if a.left = unsent(c.fd); a.left == was {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // or the kernel would go on trying
		return true
	}
	a.takeBy = c.p.in(c.p.group.o.Idle)
	return false
}

// deadline is the nearest one.
func (c *client) deadline() {
	a := c.act
	at := nearer(a.wholeBy, a.takeBy)
	if !a.headed {
		at = nearer(at, nearer(a.headBy, a.giveBy))
	}
	c.p.wheel.set(c, at, c.p.ticks)
}

// nearer is the earlier of two ticks of which 0 is none.
func nearer(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// overdue is called when the deadline of an exchange has passed.
func (c *client) overdue() {
	a, now := c.act, c.p.ticks
	switch {
	case !a.headed && a.headBy > 0 && a.headBy <= now:
		c.failed(os.ErrDeadlineExceeded)
	case !a.headed && a.giveBy > 0 && a.giveBy <= now:
		c.cut(ErrSlowBody)
	case a.takeBy > 0 && a.takeBy <= now && c.stuck():
		c.gone()
	case a.wholeBy > 0 && a.wholeBy <= now:
		if cause := a.x.Expire(); cause != nil {
			c.cut(cause)
			break
		}
		a.wholeBy = 0
	}
	if c.fd >= 0 {
		if c.phase == serving {
			c.deadline()
		}
		c.drive()
	}
}
