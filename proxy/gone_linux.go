package proxy

import (
	"encoding/binary"
	"net"
	"syscall"
)

// gone reports whether the peer of a TCP connection has closed its side, also when it is not read yet
// what came before.
func gone(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	const closed, closeWait = 7, 8 // linux/include/net/tcp_states.h
	var state [4]byte              // the beginning of struct tcp_info
	err = raw.Control(func(fd uintptr) {
		info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		if err == nil {
			binary.NativeEndian.PutUint32(state[:], uint32(info)) //nolint:gosec // four bytes in disguise
		}
	})
	return err != nil || state[0] == closed || state[0] == closeWait
}
