package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below never wait, since every descriptor is non-blocking: so they are made without telling the
// scheduler, which costs as much as some of them.

// read returns 0 and no error at the end of the stream.
func read(fd int32, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0) //nolint:gosec // as package unix does
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

func write(fd int32, p []byte) (int, error) {
	for {
		// MSG_NOSIGNAL: the runtime ignores SIGPIPE on sockets, but need not be asked.
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0) //nolint:gosec // as package unix does
		if e == 0 {
			return int(n), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// unsent is how many bytes the kernel has that the other end has not taken.
func unsent(fd int32) int {
	n, _ := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) // 0 of a socket that is broken
	return n
}

// peeked is what a look into a socket finds.
type peeked uint8

const (
	nothing peeked = iota
	bytesWait
	ended
)

// peek looks without reading.
func peek(fd int32) peeked {
	var b [1]byte
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0) //nolint:gosec // as package unix does
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return nothing
	case e == 0 && n > 0:
		return bytesWait
	}
	return ended
}

func epollWait(ep int, events []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0) //nolint:gosec // as package unix does
	if e != 0 {
		return 0
	}
	return int(n)
}

// setNoDelay asks for segments to leave at once, and for dead peers to be noticed. Accepted sockets inherit it.
func setNoDelay(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAlive)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAlive)
}

const keepAlive = 15 // seconds, as net.ListenConfig has it
