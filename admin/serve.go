package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/switchback-proxy/switchback/limit"
	"go.uber.org/zap"
)

const (
	maxConns     = maxStreams + 256 // streams leave room for everybody else
	maxHeader    = 64 << 10
	headTimeout  = 10 * time.Second
	bodyTimeout  = 10 * time.Second // from the end of the head to the end of the body
	writeTimeout = 30 * time.Second // from the answer's start to its end
	idleTimeout  = 60 * time.Second
	endTimeout   = 5 * time.Second // for commands in progress when ctx ends
	cutTimeout   = time.Second     // for those that had to be cancelled then
)

// Serve answers requests from ln until ctx ends. Then it ends the streams, lets other requests finish for
// five seconds, cancels the rest and returns nil. It closes ln. An error means that ln failed.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	errorLog, err := zap.NewStdLogAt(s.log.Named("http"), zap.WarnLevel)
	if err != nil {
		return fmt.Errorf("serve admin: %w", err)
	}
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	srv := &http.Server{
		Handler:                      s,
		ReadHeaderTimeout:            headTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it would answer before the guards
		BaseContext:                  func(net.Listener) context.Context { return withStop(requests, ctx) },
		ConnContext:                  withConn,
		ErrorLog:                     errorLog,
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(limit.Conns(ln, maxConns)) }()
	select {
	case err := <-ended:
		return errors.Join(fmt.Errorf("serve admin on %s: %w", ln.Addr(), err), srv.Close())
	case <-ctx.Done():
	}
	err = end(srv, cancel)
	if failed := <-ended; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// end stops srv: politely, then by cancelling its requests, then by closing its connections.
func end(srv *http.Server, cancel context.CancelCauseFunc) error {
	err := shutdown(srv, endTimeout)
	if errors.Is(err, context.DeadlineExceeded) {
		cancel(errors.New("the server is shutting down"))
		err = shutdown(srv, cutTimeout)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if err != nil {
		return fmt.Errorf("stop admin: %w", err)
	}
	return nil
}

func shutdown(srv *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return srv.Shutdown(ctx)
}

// limitTime gives a client bodyTimeout to send its body. http.Server.ReadTimeout would go on after the
// body and cancel a command that waits.
func limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without a connection, in a test, there is nothing to limit.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		limitWrite(w)
		next.ServeHTTP(w, r)
	})
}

func limitWrite(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// unlimitRead is called when the body is read: from then on a read only notices that the client left.
func unlimitRead(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}
