package loop

import (
	"errors"
	"io"
	"strconv"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"golang.org/x/sys/unix"
)

// joined is the largest piece of a body that is copied to leave together with what stands before it.
const joined = 16 << 10

// down passes on the answer as far as it is there and the client takes it.
func (c *client) down() {
	a := c.act
	if done, gone := c.flush(); !done {
		if gone {
			c.gone()
		}
		return
	}
	if a.pipe != nil && a.b.scanner.Ahead() == 0 && !c.pass(nil) { // the pipe's last bytes have just left
		return
	}
	for a.pending.empty() && a.spent < budget {
		if c.splices() {
			if !a.b.readable || !c.splice() {
				return
			}
		} else if !c.copied() {
			return
		}
	}
}

// copied passes on what one read brings. It returns false when nothing came, or the exchange has ended.
func (c *client) copied() bool {
	data, err := c.act.b.receive()
	switch {
	case err != nil:
		c.ended(err)
		return false
	case data == nil:
		return false
	}
	c.spend(len(data))
	return c.pass(data)
}

// receive reads what has come; nil without an error: nothing has.
func (b *backend) receive() ([]byte, error) {
	if !b.readable {
		return nil, nil
	}
	if len(b.in) > 0 && len(b.in) == cap(b.in) {
		bigger := append(b.p.pages.get(2*cap(b.in)), b.in...)
		b.p.pages.put(b.in)
		b.in = bigger
	}
	room := b.p.bodies
	if len(b.in) > 0 {
		room = b.in[len(b.in):cap(b.in)]
	}
	n, err := read(b.fd, room)
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // an Errno as it comes
		b.readable = false
		return nil, nil
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	}
	b.readable = b.hup || n == len(room) // a short read has taken all there was
	b.spoken = true
	if len(b.in) > 0 {
		b.in = b.in[:len(b.in)+n]
		return b.in, nil
	}
	return room[:n], nil
}

// keep holds back what cannot be judged yet. rest may be a part of in.
func (b *backend) keep(rest []byte) {
	switch {
	case len(rest) == 0 && b.in == nil:
	case len(rest) == 0:
		b.p.pages.put(b.in)
		b.in = nil
	case b.in == nil:
		b.in = append(b.p.pages.get(len(rest)), rest...)
	default:
		b.in = b.in[:copy(b.in, rest)]
	}
}

// pass vets bytes of the answer and sends them on. It returns false when the exchange has ended.
func (c *client) pass(data []byte) bool {
	a, b, p := c.act, c.act.b, c.p
	p.out = p.out[:0]
	for !a.done {
		n, event, bad := b.scanner.Scan(data)
		if bad != nil {
			b.to.pool.Count(Poisoned)
			c.refused(bad)
			return false
		}
		switch event {
		case h1.Interim:
			c.interim(data[:n])
		case h1.Head:
			c.head(data[:n])
		case h1.Body:
			if !c.body(data[:n]) {
				return false
			}
		case h1.End:
			a.done = true
		case h1.More, h1.Drop, h1.Tunnel:
			b.keep(data)
			return c.out()
		}
		data = data[n:]
	}
	if a.surplus = len(data) > 0; a.surplus {
		b.to.pool.Count(Poisoned)
	}
	b.keep(nil)
	c.whole()
	return false
}

// out sends what has been gathered for the client.
func (c *client) out() bool {
	out := c.p.out
	c.p.out = out[:0]
	if len(out) > 0 && !c.send(out) {
		c.gone()
		return false
	}
	return true
}

// interim passes on a 1xx. 100 answers an expectation, and such requests are not served here.
func (c *client) interim(head []byte) {
	if r := c.act.b.scanner.Response(); r.Status != 100 {
		c.p.out = h1.AppendResponse(c.p.out, head, &r, &h1.Answering{})
	}
}

// head passes on the final head.
func (c *client) head(head []byte) {
	a := c.act
	r := a.b.scanner.Response()
	if a.headed = true; a.b.kept {
		a.b.to.pool.Count(Reused)
	}
	a.x.Answered(r.Status, head)
	a.answer = h1.Answering{}
	a.x.Answering(&a.answer)
	a.closes = a.answer.Close || a.parsed.Close || !a.read
	a.answer.Close = a.closes
	if r.Framing == h1.UntilClose { // so that the client can tell the end from an accident
		r.Framing, a.chunks = h1.Chunked, true
	}
	c.p.out = h1.AppendResponse(c.p.out, head, &r, &a.answer)
	c.deadline()
}

// body passes on a piece of the body. It returns false when the client is gone.
func (c *client) body(piece []byte) bool {
	a, p := c.act, c.p
	a.bytes += int64(len(piece))
	var trailers []byte
	if n := a.b.scanner.Section(); n > len("\r\n") {
		piece, trailers = piece[:len(piece)-n], piece[len(piece)-n:]
	}
	if a.chunks {
		p.out = append(strconv.AppendInt(p.out, int64(len(piece)), 16), "\r\n"...)
	}
	if len(p.out)+len(piece) <= joined {
		p.out = append(p.out, piece...)
	} else {
		if !c.out() {
			return false
		}
		if !c.send(piece) {
			c.gone()
			return false
		}
	}
	if a.chunks {
		p.out = append(p.out, "\r\n"...)
	}
	if trailers != nil {
		p.out = h1.AppendTrailers(p.out, trailers)
	}
	return true
}

// whole ends an exchange whose answer has come to its end.
func (c *client) whole() {
	a := c.act
	if a.chunks {
		c.p.out = append(c.p.out, "0\r\n\r\n"...)
	}
	if !c.out() {
		return
	}
	bytes := c.passed()
	c.release(a.read && a.sent && !a.surplus && !a.b.scanner.Response().Close && !a.forward.Close)
	a.x.End(nil, bytes)
	c.over()
}

// passed is how long the answer's body is so far, without what frames it.
func (c *client) passed() int64 {
	if b := c.act.b; b != nil && b.scanner.Response().Framing == h1.Chunked {
		return b.scanner.Data()
	}
	return c.act.bytes
}

// ended deals with the end of the target's connection.
func (c *client) ended(err error) {
	a, b := c.act, c.act.b
	switch {
	case a.headed && errors.Is(err, io.EOF) && b.scanner.EOF() == nil: // is the end of the answer
		c.p.out = c.p.out[:0]
		c.whole()
	case a.headed:
		c.broke(io.ErrUnexpectedEOF)
	case b.kept && !b.spoken && (c.repeatable() || !b.wrote && !a.took):
		b.to.pool.Count(Stale)
		c.release(false) // another one serves
	case !b.spoken && c.repeatable(): // a new one: another target serves
		c.next(err, false)
	default:
		c.failed(err)
	}
}

// refused deals with an answer that breaks its own framing. What stood before that is not passed on: the answer
// must not look whole.
func (c *client) refused(bad *h1.Refusal) {
	if c.act.headed {
		c.broke(bad)
		return
	}
	c.failed(bad)
}
