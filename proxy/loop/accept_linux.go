package loop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Acceptor takes connections from a listening socket without making connections of package net out of them.
type Acceptor struct {
	file *os.File // a duplicate: the listener's own descriptor cannot be waited for
	raw  syscall.RawConn
}

// NewAcceptor accepts from l, which stays open and must not accept any more itself.
func NewAcceptor(l *net.TCPListener) (*Acceptor, error) {
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("duplicate the descriptor of a listener: %w", err)
	}
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			_ = unix.SetNonblock(int(fd), true)
			setNoDelay(int(fd))
		})
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("use the descriptor of a listener: %w", err)
	}
	return &Acceptor{file: f, raw: raw}, nil
}

// Accept waits for a connection. The error is os.ErrDeadlineExceeded after Finish and os.ErrClosed after Close.
func (a *Acceptor) Accept() (fd int, peer netip.Addr, err error) {
	var refused error
	err = a.raw.Read(func(l uintptr) bool {
		var sa unix.Sockaddr
		fd, sa, refused = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(refused, unix.EAGAIN) {
			return false
		}
		peer = addr(sa)
		return true
	})
	return fd, peer, errors.Join(err, refused)
}

func addr(sa unix.Sockaddr) netip.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap()
	}
	return netip.Addr{}
}

// Finish has Accept return an error once the queue stays empty for a while.
func (a *Acceptor) Finish(after time.Duration) { _ = a.file.SetReadDeadline(time.Now().Add(after)) }

// Close ends Accept.
func (a *Acceptor) Close() { _ = a.file.Close() }
