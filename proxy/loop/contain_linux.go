package loop

import "runtime/debug"

// A panic ends the connection in whose course it came, not the process and with it everybody's.

// safely calls f for a client.
func (c *client) safely(f func(*client)) {
	defer c.p.contain(c)
	f(c)
}

// contain is deferred around everything that is done for one connection.
func (p *poller) contain(h handler) {
	value := recover()
	if value == nil {
		return
	}
	p.group.o.Proxy.Panicked(value, debug.Stack())
	if c, ok := h.(*client); ok {
		c.kill()
	}
}

// kill closes a connection whose state is not to be relied on.
func (c *client) kill() {
	a := c.act
	if c.fd < 0 {
		return
	}
	if a != nil && a.b != nil {
		a.b.close()
		a.b = nil
	}
	if a != nil && a.x != nil {
		abandon(a.x)
		a.x, a.last = nil, nil // not to be used again
	}
	c.close()
}

func abandon(x Exchange) {
	defer func() { _ = recover() }() // it may be what panicked
	x.Abandon()
}
