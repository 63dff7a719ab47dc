package proxy

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clientDescriptors is the number below which descriptors are for clients. Those above are left for targets, probes,
// the admin address and files: without them, clients that only hold connections would have all targets taken for down.
func clientDescriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	all := int(min(l.Cur, 1<<30))
	return all - max(all/8, min(all/2, 64))
}

// room waits with a new connection until a descriptor is free below that number: the lowest one that is free is
// taken first. It returns false when the gate has closed.
func (g *gate) room(fd int) bool {
	for at := fd; g.most > 0 && at >= g.most; {
		select {
		case <-time.After(acceptPause):
		case <-g.ctx.Done():
			return false
		}
		lowest, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(lowest)
			at = lowest
		}
	}
	return true
}

// roomFor is room for a connection of package net.
func (g *gate) roomFor(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	at := 0
	_ = raw.Control(func(fd uintptr) { at = int(fd) })
	return g.room(at)
}
