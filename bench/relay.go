//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/switchback-proxy/switchback/bench/peer"
	"golang.org/x/sys/unix"
)

// relay gives each client a connection to a target, and passes bytes on without looking at them.
type relay struct {
	peer.Setup
	poll, listener int
	to             map[int]int // where the bytes of a connection go
	page           [64 << 10]byte
}

// serveRelay serves until ctx ends.
func serveRelay(ctx context.Context, s peer.Setup) (err error) {
	r := &relay{Setup: s, to: make(map[int]int)}
	if r.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if r.listener, err = socket(s.Listen, listen); err != nil {
		return fmt.Errorf("listen on %s: %w", s.Listen, err)
	}
	if err := r.watch(r.listener); err != nil {
		return err
	}
	for events := make([]unix.EpollEvent, 256); ctx.Err() == nil; {
		n, _ := call(unix.SYS_EPOLL_PWAIT, r.poll, events, 100) // milliseconds, until the next look at ctx
		for _, e := range events[:n] {
			if err := r.turn(int(e.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// socket opens one and lets f do something with it and an address.
func socket(address string, f func(fd int, a unix.Sockaddr) error) (int, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, f(fd, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()})
}

func listen(fd int, a unix.Sockaddr) error {
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, a), unix.Listen(fd, 4096))
}

func (r *relay) watch(fd int) error {
	return unix.EpollCtl(r.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}) //nolint:gosec // a descriptor is small
}

// turn does what a descriptor is ready for; one that is not known was closed a moment ago.
func (r *relay) turn(fd int) error {
	if fd == r.listener {
		return r.accept()
	}
	if to, ok := r.to[fd]; ok && !r.pass(fd, to) {
		delete(r.to, fd)
		delete(r.to, to)
		return errors.Join(unix.Close(fd), unix.Close(to))
	}
	return nil
}

// accept connects a client with a target of its own.
func (r *relay) accept() error {
	client, _, err := unix.Accept4(r.listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	target, err := socket(choose(r.Setup), unix.Connect)
	if err != nil {
		return fmt.Errorf("connect to a target: %w", err)
	}
	r.to[client], r.to[target] = target, client
	return errors.Join(r.tune(client), r.tune(target))
}

// tune makes a connection send at once, and give up when nobody has taken anything for a second.
func (r *relay) tune(fd int) error {
	limit := unix.Timeval{Sec: 1}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit), r.watch(fd),
	)
}

// pass moves what a connection has, and returns false at its end. All others wait until it is taken.
func (r *relay) pass(fd, to int) bool {
	n, e := call(unix.SYS_RECVFROM, fd, r.page[:], unix.MSG_DONTWAIT)
	if e == unix.EAGAIN || e == unix.EINTR {
		return true
	}
	for left := r.page[:n]; e == 0 && len(left) > 0; left = left[n:] {
		if n, e = call(unix.SYS_SENDTO, to, left, unix.MSG_NOSIGNAL); e == unix.EINTR {
			e = 0
		}
	}
	return e == 0 && n > 0
}

// call fills or sends p. It does not tell the scheduler, which would wake a thread to see how long it takes.
func call[T any](trap uintptr, fd int, p []T, how uintptr) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), how, 0, 0) //nolint:gosec // as package unix does
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}
