//go:build unix

package proxy

import (
	"errors"
	"syscall"
)

// quiet reports whether a connection that was kept is open and nothing has arrived on it. Below TLS that
// may be a record without content; such a one follows a handshake, not an answer.
func quiet(raw syscall.RawConn) bool {
	var err error
	if control := raw.Control(func(fd uintptr) {
		_, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); control != nil {
		return false
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}
