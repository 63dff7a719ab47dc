package admin

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"go.uber.org/zap"
)

// exchange is one request as the log sees it. The guards and the handler fill it in, one after the
// other, on the request's own goroutine.
type exchange struct {
	api.Call
	scope    *scope // nil: everything
	reason   string
	revision int64
	changed  bool
	refused  *api.Error
	cause    error // behind an internal problem; the caller does not see it
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	return r.Context().Value(exchangeKey{}).(*exchange)
}

// begin opens the exchange, protects the answer whatever it will be, and logs every write and every
// internal error when it is over. Asking for flags is no write.
func (s *Server) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{Call: api.Call{From: remote(r)}}
		protect(w.Header())
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
		if !safe(r.Method) && !asks(r) || x.cause != nil {
			s.logExchange(r, x, time.Since(start))
		}
	})
}

// protect keeps answers out of caches, frames and referrers, and keeps browsers from reading them as
// anything else. There are no CORS headers: no other origin may read an answer.
func protect(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// safe reports whether a method cannot change anything (RFC 9110 §9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// remote is the client's address without its port, or "unix" for a client of the socket.
func remote(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && a.Network() == "unix" {
		return "unix"
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// maxLogged bounds each field a client chooses.
const maxLogged = 256

func (s *Server) logExchange(r *http.Request, x *exchange, took time.Duration) {
	fields := []zap.Field{
		zap.String("by", x.By), zap.String("from", x.From),
		zap.String("method", clip(r.Method)), zap.String("path", clip(r.URL.Path)),
		zap.String("reason", clip(x.reason)), zap.Duration("duration", took),
	}
	switch {
	case x.cause != nil && r.Context().Err() != nil:
		s.log.Info("admin request abandoned", append(fields, zap.Error(x.cause))...)
	case x.cause != nil:
		s.log.Error("admin request ended in an error", append(fields, zap.Error(x.cause))...)
	case x.refused != nil:
		s.log.Info("admin request refused", append(fields,
			zap.Int("status", x.refused.Status), zap.String("problem", x.refused.Type), zap.String("detail", clip(x.refused.Detail)))...)
	default:
		s.log.Info("admin request done", append(fields, zap.Int64("rev", x.revision), zap.Bool("changed", x.changed), zap.Bool("dry_run", x.DryRun))...)
	}
}

func clip(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return s[:maxLogged] + "…"
}
