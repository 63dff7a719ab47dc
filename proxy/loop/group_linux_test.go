package loop

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A dialing may end after the loop. By then the loop's descriptors may be somebody else's.
func TestNothingIsTouchedAfterTheEnd(t *testing.T) {
	g, err := Start(Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := g.loops[0]
	g.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		defer unix.Close(fd)
	}
	if pair[1] != p.wakeFD {
		if err := unix.Dup3(pair[1], p.wakeFD, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p.wakeFD)
	}
	p.post(func() {})
	if n, err := unix.Read(pair[0], make([]byte, 8)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("%d bytes were written to somebody else: %v", n, err)
	}
	if _, err := p.add(pair[0], nil, edges); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection was added: %v", err)
	}
}
