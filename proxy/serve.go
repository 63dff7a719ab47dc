package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	maxHead = 64 << 10 // of a request or response, in bytes
	// maxStreams is what one HTTP/2 connection may have open.
	maxStreams = 100
	// streamBuffer is what one stream may have sent that nobody has taken yet, and connBuffer what all
	// streams of a client may: sixteen that stand still do not stop the others.
	streamBuffer = 256 << 10
	connBuffer   = 4<<20 - 1
	// acceptGrace is how long connections that the kernel took already are still accepted while closing.
	acceptGrace = 50 * time.Millisecond
	// closeLinger is how long idle connections stay open while closing: their next answer tells the
	// client to go elsewhere, which loses no request, while closing them at once may cross one.
	closeLinger = 500 * time.Millisecond
)

// Listener is an open socket with what the file says of it.
type Listener struct {
	net.Listener
	Config       config.Listener
	Certificates *Certificates // nil: cleartext
}

// Serve answers the connections of one listener until ctx ends or the listener fails. Then it stops
// accepting, lets requests in flight finish for at most shutdown.timeout, cuts what is left, and returns.
// The listener is closed in any case. Several Serves of one Server run side by side and end together:
// from the first end on, every answer asks its client to open the next connection elsewhere.
func (s *Server) Serve(ctx context.Context, l Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := s.httpServer(l.Config)
	gate := newGate(l, s.metrics.Connections(l.Config.Name))
	fast, err := s.newFast(gate)
	if err != nil {
		_ = gate.Close()
		return fmt.Errorf("listener %s: begin the event loops: %w", l.Config.Name, err)
	}
	failed := make(chan error, 1)
	var serving sync.WaitGroup
	if fast != nil {
		serving.Go(fast.accept)
	}
	serving.Go(func() { failed <- srv.Serve(gate) })
	if l.Certificates != nil {
		serving.Go(gate.handshakes)
		serving.Go(func() { _ = l.Certificates.Run(ctx) }) // returns nil
	}
	select {
	case err = <-failed:
		err = fmt.Errorf("listener %s: %w", l.Config.Name, err)
	case <-ctx.Done():
	}
	cancel()
	s.drain(srv, gate, fast)
	_ = srv.Close()
	_ = gate.Close()
	if fast != nil {
		fast.close()
	}
	serving.Wait()
	last, stop := context.WithTimeout(context.Background(), 2*closeGrace)
	defer stop()
	until(last, gate.empty) // what was closed is gone at once, what lingers a little later
	return err
}

func (s *Server) httpServer(l config.Listener) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(l.H2C)
	// What clients provoke must not fill the disk.
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Second, 5, 1000) })
	errorLog, _ := zap.NewStdLogAt(s.log.Named("http").WithOptions(sampled), zap.WarnLevel) // fails for unknown levels only
	return &http.Server{
		Handler:           &handler{server: s, listener: l},
		ReadHeaderTimeout: l.Timeouts.Header,
		IdleTimeout:       l.Timeouts.Idle,
		MaxHeaderBytes:    maxHead,
		Protocols:         protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: connBuffer,
		},
		ConnContext:                  withConn,
		ConnState:                    noteState,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     errorLog,
	}
}

// drain is the end of a listener in order: accept what is queued, close the socket, let idle
// connections hear that they end, wait for requests, cut.
func (s *Server) drain(srv *http.Server, gate *gate, fast *fast) {
	timeout := 30 * time.Second
	if snap := s.snap.Load(); snap != nil {
		timeout = snap.table.Config.Shutdown.Timeout
	}
	hard, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if fast != nil {
		fast.stopAccepting()
	}
	gate.stopAccepting()
	if fast != nil {
		fast.stopped()
	}
	// Not before: a client that is sent elsewhere while the socket still queues would come back to be reset.
	s.closing.Store(true)
	s.running.cancel(errShutdown, func(m *membership) bool { return m.longLived && !m.grpc }) // gRPC has GOAWAY for it
	quiet, cancelQuiet := context.WithTimeout(hard, closeLinger)
	defer cancelQuiet()
	until(quiet, gate.empty)
	gate.closeSilent()
	if fast != nil {
		fast.closeWaiting()
	}
	_ = srv.Shutdown(hard) // an error is the hard end
	if !until(hard, s.running.empty) {
		s.log.Warn("requests cut at the shutdown timeout", zap.Int("requests", s.running.count()))
		s.Abort()
		last, cancel := context.WithTimeout(context.Background(), 2*closeGrace)
		defer cancel()
		until(last, s.running.empty)
	}
}

// Abort cuts every request that runs, for an operator who does not want to wait.
func (s *Server) Abort() {
	s.running.cancel(errShutdown, func(*membership) bool { return true })
}

// until polls, which is good enough at an end, and reports whether ok came true before ctx ended.
func until(ctx context.Context, ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ok()
		}
	}
	return true
}
