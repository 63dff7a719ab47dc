//go:build unix

package proxy

import (
	"errors"
	"syscall"
)

// peek looks into a socket without reading from it. It is made once for a connection, because it is used
// for every request; one goroutine at a time may use it.
type peek struct {
	raw  syscall.RawConn
	look func(fd uintptr)
	buf  [1]byte
	n    int
	err  error
}

// newPeek is nil when the socket is closed already.
func newPeek(c syscall.Conn) *peek {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	p := &peek{raw: raw}
	p.look = func(fd uintptr) {
		p.n, _, p.err = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
	return p
}

// quiet reports whether the connection is open and nothing has arrived on it that is not read. Below TLS
// that may be a record without content; such a one follows a handshake, not an answer.
func (p *peek) quiet() bool {
	if err := p.raw.Control(p.look); err != nil {
		return false
	}
	return errors.Is(p.err, syscall.EAGAIN) || errors.Is(p.err, syscall.EINTR)
}

// came reports whether bytes have arrived that are not read; the end of the connection is none.
func (p *peek) came() bool {
	return p.raw.Control(p.look) == nil && p.err == nil && p.n > 0
}
