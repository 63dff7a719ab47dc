package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/proxy/loop"
	"github.com/switchback-proxy/switchback/router"
)

var (
	errNotReady       = errors.New("no table yet")
	errRequestTimeout = errors.New("request timeout")
	errDrained        = errors.New("pool drained")
	errShutdown       = errors.New("shutting down")
	errStreamGone     = errors.New("the client's stream has ended")
	errNoUpgrade      = errors.New("HTTP/2 has no upgrade")
)

// statusClientGone is booked for a client that left before its answer; it is never sent.
const statusClientGone = 499

var (
	clientGone = failure{statusClientGone, "client-gone", "", metrics.ClientGone}
	slowBody   = failure{http.StatusRequestTimeout, "body-timeout", "The request's body did not come in time.", metrics.ClientGone}
)

// failure is what we answer ourselves: a status, a slug for Switchback-Reason, a sentence, and what it
// counts as for the target.
type failure struct {
	status  int
	reason  string
	detail  string
	outcome metrics.Outcome
}

// decideFailures is the table from errors of begin to answers.
var decideFailures = []struct {
	err error
	failure
}{
	{errNotReady, failure{http.StatusServiceUnavailable, "not-ready", "The proxy has no configuration in force yet.", metrics.Unexpected}},
	{router.ErrBadPath, failure{http.StatusBadRequest, "bad-path", "The path cannot be matched.", metrics.Unexpected}},
	{router.ErrNoService, failure{http.StatusNotFound, "no-service", "No service serves this host and path.", metrics.Unexpected}},
	{router.ErrNoPool, failure{http.StatusServiceUnavailable, "no-pool", "No pool has the role or name that was asked for.", metrics.Unexpected}},
	{router.ErrNoTarget, failure{http.StatusServiceUnavailable, "no-target", "No target of the pool can serve now.", metrics.NoTarget}},
}

func decideFailure(err error) failure {
	for _, f := range decideFailures {
		if errors.Is(err, f.err) {
			return f.failure
		}
	}
	return failure{http.StatusInternalServerError, "internal", "The proxy could not handle the request.", metrics.Unexpected}
}

// attemptFailure tells what an attempt's error means. What the client or we ourselves caused never
// counts against a target, so those causes are asked first.
func attemptFailure(ctx context.Context, up *upload, err error) failure {
	var refusal *h1.Refusal
	f, ended := causeFailure(ctx)
	cut := up.cut() // which ends the client's context, too
	switch bad := up.err(); {
	case errors.Is(err, errStreamGone):
		return clientGone
	case ended && f != clientGone:
		return f
	case errors.Is(cut, loop.ErrSlowBody):
		return slowBody
	case errors.As(bad, &refusal):
		return malformedBody(refusal)
	case errors.Is(err, errNoUpgrade):
		return failure{http.StatusNotImplemented, "upgrade-not-possible", "The upstream speaks HTTP/2, which has no upgrade.", metrics.Unexpected}
	case cut != nil && !errors.Is(cut, context.Canceled) && !errors.Is(cut, errBodyClosed):
		err = cut
	case ended || bad != nil:
		return clientGone
	}
	return targetFailure(streamCause(err))
}

func malformedBody(r *h1.Refusal) failure {
	return failure{http.StatusBadRequest, r.Reason, "The request's body is malformed: " + r.Detail + ".", metrics.ClientGone}
}

// shortages are what this machine may have run out of when it cannot connect: that says nothing of the target.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// targetFailure tells what an error of a connection to a target means.
func targetFailure(err error) failure {
	var refusal *h1.Refusal
	if errors.As(err, &refusal) {
		return failure{http.StatusBadGateway, refusal.Reason, "The upstream's response is malformed.", metrics.Malformed}
	}
	var netErr net.Error
	timeout := errors.As(err, &netErr) && netErr.Timeout()
	var op *net.OpError
	switch {
	case slices.ContainsFunc(shortages, func(of error) bool { return errors.Is(err, of) }):
		return failure{http.StatusServiceUnavailable, "no-resources", "The proxy has no descriptor, port or memory left for a connection.", metrics.Unexpected}
	case errors.As(err, &op) && op.Op == "dial" && timeout:
		return failure{http.StatusGatewayTimeout, "connect-timeout", "The upstream did not accept the connection in time.", metrics.Timeout}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{http.StatusBadGateway, "connection-refused", "The upstream refused the connection.", metrics.Refused}
	case errors.As(err, &op) && op.Op == "dial":
		return failure{http.StatusBadGateway, "connect-failed", "The upstream could not be reached.", metrics.Refused}
	case timeout, errors.Is(err, os.ErrDeadlineExceeded):
		return failure{http.StatusGatewayTimeout, "response-timeout", "The upstream did not answer in time.", metrics.Timeout}
	}
	return failure{http.StatusBadGateway, "upstream-closed", "The upstream closed the connection before it answered.", metrics.Reset}
}

// causeFailures is the table from what ended an exchange from outside to answers.
var causeFailures = []struct {
	err error
	failure
}{
	{loop.ErrSlowBody, slowBody},
	{errRequestTimeout, failure{http.StatusGatewayTimeout, "request-timeout", "The exchange took longer than the service allows.", metrics.Timeout}},
	{errDrained, failure{http.StatusServiceUnavailable, "pool-drained", "The pool was taken out of service.", metrics.Unexpected}},
	{errShutdown, failure{http.StatusServiceUnavailable, "shutting-down", "The proxy is shutting down.", metrics.Unexpected}},
}

// causeFailure tells what the end of an exchange's context means; ok is false while it has not ended.
func causeFailure(ctx context.Context) (f failure, ok bool) {
	cause := context.Cause(ctx)
	if f, ok := ourFailure(cause); ok {
		return f, true
	}
	return clientGone, cause != nil
}

// ourFailure tells what it means that we ended an exchange ourselves.
func ourFailure(cause error) (f failure, ok bool) {
	for _, f := range causeFailures {
		if errors.Is(cause, f.err) {
			return f.failure, true
		}
	}
	return failure{}, false
}

// answer writes a failure as a small plain body with its reason in a field, and returns the length of
// what the client gets of the body. A gRPC client gets its kind of error.
func (f failure) answer(w http.ResponseWriter, r *http.Request) int64 {
	if wantsGRPC(r) {
		f.answerGRPC(w, r, f.grpcStatus())
		return 0
	}
	h := w.Header()
	body := f.detail + "\n"
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Switchback-Reason", f.reason)
	w.WriteHeader(f.status)
	if r.Method == http.MethodHead {
		return 0
	}
	n, _ := w.Write([]byte(body)) // a client that is gone is nobody's failure
	return int64(n)
}
