package proxy

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// accessQueue is how many lines wait for the disk before lines are dropped and counted.
const accessQueue = 4096

// maxLogged bounds what a client can put into a line.
const maxLogged = 1024

// accessLog writes a line per request off the data path.
type accessLog struct {
	log     *zap.Logger
	metrics *metrics.Registry
	lines   chan []zap.Field
	closed  atomic.Bool
	stop    chan struct{}
	ended   chan struct{}
}

// flushTime is how long the end waits for a disk that does not take the last lines.
const flushTime = 2 * time.Second

func newAccessLog(log *zap.Logger, m *metrics.Registry) *accessLog {
	a := &accessLog{
		log: log.Named("access"), metrics: m, lines: make(chan []zap.Field, accessQueue),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go a.run()
	return a
}

func (a *accessLog) run() {
	defer close(a.ended)
	for {
		select {
		case fields := <-a.lines:
			a.log.Info("request", fields...)
		case <-a.stop:
			a.flush()
			return
		}
	}
}

// flush writes what waits.
func (a *accessLog) flush() {
	for {
		select {
		case fields := <-a.lines:
			a.log.Info("request", fields...)
		default:
			return
		}
	}
}

// close writes what waits and ends. Lines written afterwards are dropped, and so is what a stuck disk
// does not take in time.
func (a *accessLog) close() {
	if !a.closed.CompareAndSwap(false, true) {
		return
	}
	close(a.stop)
	select {
	case <-a.ended:
	case <-time.After(flushTime):
		a.metrics.LogDropped(len(a.lines))
	}
}

// logEntry is what the log tells of a request.
type logEntry struct {
	method, host, path string
	client             netip.Addr
}

// logged reports whether the exchange gets a line.
func (x *exchange) logged() bool { return x.snap != nil && x.snap.table.Config.Log.Access }

// write queues the line of a finished exchange; it never waits. Queries stay out of it, since tokens
// travel in them.
func (a *accessLog) write(x *exchange, q logEntry, t *router.Target, o metrics.Outcome, status int, bytes int64) {
	if !x.logged() || a.closed.Load() {
		return
	}
	fields := make([]zap.Field, 0, 14)
	if x.decision.Pool != nil {
		fields = append(fields, zap.String("service", x.decision.Service.Name), zap.String("pool", x.decision.Pool.Name),
			zap.Stringer("cause", x.decision.Cause))
	}
	if t != nil {
		fields = append(fields, zap.String("target", t.URL), zap.Duration("latency", x.latency))
	}
	if x.fellBack {
		fields = append(fields, zap.Bool("fallback", true))
	}
	if x.retries > 0 {
		fields = append(fields, zap.Int("retries", x.retries))
	}
	if x.grpcStatus != "" {
		fields = append(fields, zap.String("grpc_status", clip(x.grpcStatus)))
	}
	if x.reason != "" {
		fields = append(fields, zap.String("reason", x.reason))
	}
	fields = append(fields, zap.String("method", clip(q.method)), zap.String("host", clip(q.host)), zap.String("path", clip(q.path)),
		zap.Stringer("client", q.client), zap.Int("status", status), zap.Stringer("outcome", o),
		zap.Int64("bytes", bytes), zap.Duration("duration", time.Since(x.began)))
	select {
	case a.lines <- fields:
	default:
		a.metrics.LogDropped(1)
	}
}

func clip(s string) string {
	if len(s) > maxLogged {
		return s[:maxLogged]
	}
	return s
}
