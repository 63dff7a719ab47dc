//go:build unix

package proxy

import (
	"errors"
	"syscall"
)

// quiet reports whether a connection that was kept is open and nothing has arrived on it. Below TLS
// (bare is false) what has arrived may be a record without content, so that only an end counts.
func quiet(raw syscall.RawConn, bare bool) bool {
	ok := true
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		case err != nil || n == 0:
			ok = false
		default:
			ok = !bare
		}
	})
	return err == nil && ok
}
