package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/switchback-proxy/switchback/config"
)

const (
	maxHead = 64 << 10 // of a request or response, in bytes
	// maxStreams is what one HTTP/2 connection may have open.
	maxStreams = 100
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

// Serve answers the connections of one listener until ctx ends. Then it stops accepting, lets requests
// in flight finish for at most shutdown.timeout, cuts what is left, and returns. The listener is closed
// in any case. Several Serves of one Server run side by side.
func (s *Server) Serve(ctx context.Context, l Listener) error {
	srv := s.httpServer(l.Config)
	gate := newGate(l, s)
	failed := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { failed <- srv.Serve(gate) })
	if l.Certificates != nil {
		serving.Go(gate.handshakes)
		serving.Go(func() { _ = l.Certificates.Run(ctx) }) // returns nil
	}
	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("listener %s: %w", l.Config.Name, err)
	case <-ctx.Done():
		s.drain(srv, gate)
	}
	_ = srv.Close()
	_ = gate.Close()
	serving.Wait()
	return err
}

func (s *Server) httpServer(l config.Listener) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	// What clients provoke must not fill the disk.
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Second, 5, 1000) })
	errorLog, _ := zap.NewStdLogAt(s.log.Named("http").WithOptions(sampled), zap.WarnLevel) // fails for unknown levels only
	return &http.Server{
		Handler:                      &handler{server: s, listener: l},
		ReadHeaderTimeout:            l.Timeouts.Header,
		IdleTimeout:                  l.Timeouts.Idle,
		MaxHeaderBytes:               maxHead,
		Protocols:                    protocols,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     errorLog,
	}
}

// drain is the end of a listener in order: accept what is queued, close the socket, let idle
// connections hear that they end, wait for requests, cut.
func (s *Server) drain(srv *http.Server, gate *gate) {
	timeout := 30 * time.Second
	if snap := s.snap.Load(); snap != nil {
		timeout = snap.table.Config.Shutdown.Timeout
	}
	hard, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	s.closing.Store(true)
	gate.stopAccepting()
	s.running.cancel(errShutdown, func(m *membership) bool { return m.longLived })
	select {
	case <-time.After(min(closeLinger, timeout)):
	case <-hard.Done():
	}
	_ = srv.Shutdown(hard) // an error is the hard end
	if left := s.running.wait(hard); left > 0 {
		s.log.Warn("requests cut at the shutdown timeout", zap.Int("requests", left))
		s.running.cancel(errShutdown, func(*membership) bool { return true })
		last, cancel := context.WithTimeout(context.Background(), 2*closeGrace)
		defer cancel()
		s.running.wait(last)
	}
}

// Abort cuts every request that runs, for an operator who does not want to wait.
func (s *Server) Abort() {
	s.running.cancel(errShutdown, func(*membership) bool { return true })
}

// isTimeout reports whether an accept ended because of its deadline.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
