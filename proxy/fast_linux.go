package proxy

import (
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/loop"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// fast is the event loops of a listener, and who accepts for them.
type fast struct {
	path     *fastPath
	gate     *gate
	group    *loop.Group
	acceptor *loop.Acceptor
}

// newFast is nil for a listener that is served by net/http alone: one with TLS, one that was told so, and one that
// is no TCP socket.
func (s *Server) newFast(g *gate) (*fast, error) {
	l, tcp := g.Listener.Listener.(*net.TCPListener)
	if !tcp || g.tls != nil || !g.Config.Fast {
		return nil, nil
	}
	f := &fast{path: &fastPath{server: s, handler: &handler{server: s, listener: g.Config}}, gate: g}
	var err error
	if f.acceptor, err = loop.NewAcceptor(l); err != nil {
		return nil, err
	}
	f.group, err = loop.Start(loop.Options{
		Proxy: fastListener{f.path, g}, Header: g.Config.Timeouts.Header, Idle: g.Config.Timeouts.Idle,
		H2C: g.Config.H2C, Loops: runtime.GOMAXPROCS(0),
	})
	if err != nil {
		f.acceptor.Close()
		return nil, err
	}
	g.fast = true
	return f, nil
}

// fastListener adds what the gate counts.
type fastListener struct {
	*fastPath
	gate *gate
}

func (f fastListener) Opened() {
	f.gate.gauge.OpenedFast()
	f.gate.open.Add(1)
}

func (f fastListener) Closed() {
	f.gate.gauge.ClosedFast()
	f.gate.open.Add(-1)
}

// handovers are the reasons as metrics tell them.
var handovers = [loop.Reasons]metrics.Handover{
	loop.Upgrade: metrics.HandoverUpgrade, loop.Expect: metrics.HandoverExpect, loop.Version: metrics.HandoverVersion,
	loop.Absolute: metrics.HandoverAbsolute, loop.Trailer: metrics.HandoverTrailer, loop.Connection: metrics.HandoverConnection,
	loop.GRPC: metrics.HandoverGRPC, loop.HTTP2: metrics.HandoverHTTP2, loop.Refused: metrics.HandoverRefused,
	loop.Service: metrics.HandoverService,
}

// HandOver gives a connection to net/http, with what was read of it.
func (f fastListener) HandOver(c net.Conn, read []byte, why loop.Reason) {
	f.gate.gauge.HandedOver(handovers[why])
	a := f.gate.accepted(c)
	u := f.gate.guard(a, a)
	u.undecided = why == loop.HTTP2
	u.buf, u.store = read, read
	select {
	case f.gate.ready <- u:
	case <-f.gate.ctx.Done():
		_ = a.Close()
	}
}

// Panicked leaves a trace of what should not be.
func (f fastListener) Panicked(value any, stack []byte) {
	f.server.log.Error("a defect in the event loop has cost a connection; please report it", zap.Any("panic", value), zap.ByteString("stack", stack))
}

// accept gives connections to the loops until the gate closes or accepting fails.
func (f *fast) accept() {
	for {
		fd, peer, err := f.acceptor.Accept()
		switch {
		case err == nil && f.gate.room(fd):
			f.group.Add(fd, peer)
			continue
		case err == nil:
			_ = unix.Close(fd)
			return
		case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed):
			return
		case !passes(err):
			f.gate.end(err)
			return
		}
		select {
		case <-time.After(acceptPause):
		case <-f.gate.ctx.Done():
			return
		}
	}
}

// stopAccepting takes what the kernel has accepted already.
func (f *fast) stopAccepting() { f.acceptor.Finish(acceptGrace) }

// stopped closes the socket, which stays open as long as the acceptor's duplicate is.
func (f *fast) stopped() { f.acceptor.Close() }

func (f *fast) closeWaiting() { f.group.CloseWaiting() }

func (f *fast) close() {
	f.acceptor.Close()
	f.group.Close()
}
