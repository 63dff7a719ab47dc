package ofrep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/limit"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/secret"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	maxConns     = 2 * maxStreams
	maxHeader    = 16 << 10
	maxRequests  = 100 // of one HTTP/2 connection at a time
	bodyTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	endTimeout   = 5 * time.Second // for requests in progress when ctx ends
	// closeLinger is how long connections stay open while closing: their next answer tells the client to go
	// elsewhere, while closing them at once may cross a request.
	closeLinger = 500 * time.Millisecond
)

// Listener is an open socket with what the file says of it.
type Listener struct {
	net.Listener
	Config config.Listener
	Tokens *secret.Tokens // those of Config, opened; nil: everybody who reaches it may ask
	TLS    *tls.Config    // nil: cleartext
}

// Serve answers the requests of one listener until ctx ends or the listener fails. Then it ends its streams at
// once, lets other requests finish for at most five seconds, and returns; nil unless the listener failed.
// The listener is closed in any case. Several Serves of one Server may run side by side.
func (s *Server) Serve(ctx context.Context, l Listener) error {
	if l.Tokens != nil {
		s.tickets.prepare(l.Tokens.Hashes(time.Now()))
	}
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	srv := s.httpServer(&door{server: s, tokens: l.Tokens, origins: l.Config.CORS, stop: stopping.Done()}, l.Config)
	conns := &counted{Listener: limit.Conns(l.Listener, maxConns), gauge: s.metrics.Connections(l.Config.Name)}
	var ln net.Listener = conns
	if l.TLS != nil {
		ln = tls.NewListener(ln, l.TLS)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		stop()
		return errors.Join(fmt.Errorf("listener %s: %w", l.Config.Name, err), finish(srv))
	case <-ctx.Done():
	}
	_ = ln.Close()
	failed := <-ended
	conns.linger()
	err := finish(srv)
	if !errors.Is(failed, net.ErrClosed) && !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

func (s *Server) httpServer(h http.Handler, l config.Listener) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	// What clients provoke must not fill the disk.
	sampled := zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(c, time.Second, 5, 1000) })
	errorLog, _ := zap.NewStdLogAt(s.log.Named("http").WithOptions(sampled), zap.WarnLevel) // fails for unknown levels only
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            l.Timeouts.Header,
		IdleTimeout:                  l.Timeouts.Idle,
		MaxHeaderBytes:               maxHeader,
		Protocols:                    protocols,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxRequests},
		DisableGeneralOptionsHandler: true, // every answer here is JSON
		ErrorLog:                     errorLog,
	}
}

// finish stops srv: politely, then by closing its connections.
func finish(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if err != nil {
		return fmt.Errorf("stop flags: %w", err)
	}
	return nil
}

// counted counts the open connections of a listener.
type counted struct {
	net.Listener
	gauge *metrics.Connections
	open  atomic.Int64
}

// Accept implements net.Listener.
func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.gauge.Opened()
	l.open.Add(1)
	return &countedConn{c, sync.OnceFunc(func() { l.gauge.Closed(); l.open.Add(-1) })}, nil
}

// linger waits until no connection is open, for closeLinger at most. Polling is good enough at an end.
func (l *counted) linger() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); l.open.Load() > 0 && time.Since(began) < closeLinger; {
		<-tick.C
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
