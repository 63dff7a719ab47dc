// Package memnet is a network inside the process, for tests. Its connections block only on channels and
// condition variables, never on the kernel, so they work inside a testing/synctest bubble: virtual time
// passes while both ends wait.
//
// It knows addresses as the strings they were listened on; it resolves nothing, loses nothing and keeps
// every byte in order.
package memnet

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// backlog is how many connections wait to be accepted before the next dial has to wait too.
const backlog = 128

// Network is a set of addresses that can be listened on and dialed. All methods are safe for concurrent
// use. Make one with New; networks do not see each other.
type Network struct {
	mu        sync.Mutex // guards all below
	listeners map[string]*listener
	hung      map[string]bool
	dialed    map[string]int
	port      int // last one handed out
}

// New returns a network without listeners.
func New() *Network {
	return &Network{
		listeners: map[string]*listener{},
		hung:      map[string]bool{},
		dialed:    map[string]int{},
		port:      40000,
	}
}

// Listen takes an address, a host and port such as "10.0.0.1:8080" or "green.test:80". Port 0 is replaced
// by a free one. An address that is taken gives EADDRINUSE; Close frees it.
func (n *Network) Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		addr = n.free(host)
	}
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: address(addr), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &listener{net: n, addr: address(addr), queue: make(chan *conn, backlog), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Hang makes dials to addr wait until their context ends, as a host does that drops every packet. It
// does not touch connections that exist. Hang with on false undoes it for later dials.
func (n *Network) Hang(addr string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hung[addr] = on
}

// Dials is how often addr was dialed, whatever came of it.
func (n *Network) Dials(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialed[addr]
}

// DialContext connects to a listener; it fits net/http.Transport. Nobody listening gives ECONNREFUSED at
// once. A full backlog waits for the listener until ctx ends.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	l, local, hung := n.lookup(addr)
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: err}
	}
	if hung {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	if l == nil {
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	client, server := pipe(address(local), l.addr)
	select {
	case <-l.closed:
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return fail(ctx.Err())
	case l.queue <- server:
	}
	l.dropIfClosed()
	return client, nil
}

// lookup counts a dial and finds who answers it, with a local address for the dialing side.
func (n *Network) lookup(addr string) (l *listener, local string, hung bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialed[addr]++
	return n.listeners[addr], n.free("127.0.0.1"), n.hung[addr]
}

// free returns an address of host that nobody has. The caller holds the lock.
func (n *Network) free(host string) string {
	n.port++
	return net.JoinHostPort(host, fmt.Sprint(n.port))
}

type listener struct {
	net    *Network
	addr   address
	queue  chan *conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
}

// Close frees the address and resets the connections that nobody accepted. Accepted ones live on.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, string(l.addr))
		l.net.mu.Unlock()
		close(l.closed)
	})
	l.dropIfClosed()
	return nil
}

// dropIfClosed empties the queue of a closed listener. Both Close and a dial call it, so a dial that
// queues while the listener closes leaves nothing behind whichever of them comes last.
func (l *listener) dropIfClosed() {
	select {
	case <-l.closed:
	default:
		return
	}
	for {
		select {
		case c := <-l.queue:
			c.Reset()
		default:
			return
		}
	}
}

// address is the string that was listened on or dialed.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
