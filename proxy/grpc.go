package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
)

// The gRPC statuses that are used here.
const (
	grpcCancelled         = 1
	grpcUnknown           = 2
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcDataLoss          = 15
)

const grpcType = "application/grpc"

// isGRPC reports whether a request is a gRPC call. gRPC-Web, whose status stands in the body, is not.
func isGRPC(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	if r.Method != http.MethodPost || len(kind) < len(grpcType) || !strings.EqualFold(kind[:len(grpcType)], grpcType) {
		return false
	}
	rest := kind[len(grpcType):]
	return rest == "" || rest[0] == '+' || rest[0] == ';' || rest[0] == ' '
}

// wantsGRPC reports whether an answer of our own has to be one of gRPC or gRPC-Web.
func wantsGRPC(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.Method == http.MethodPost && len(kind) >= len(grpcType) && strings.EqualFold(kind[:len(grpcType)], grpcType)
}

// grpcStatus is the status of a call as its answer tells it: in the trailers, or in the head of an answer
// that has nothing else. "" when there is none.
func grpcStatus(res *http.Response) string {
	for _, h := range []http.Header{res.Trailer, res.Header} {
		if v := h["Grpc-Status"]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// grpcOutcome tells what a status counts as. The failures are those that no client causes by what it asks.
func grpcOutcome(status string) metrics.Outcome {
	n, err := strconv.Atoi(status)
	if err != nil {
		n = grpcUnknown // what clients make of it
	}
	switch n {
	case grpcUnknown, grpcDeadlineExceeded, grpcResourceExhausted, grpcUnimplemented, grpcInternal, grpcUnavailable, grpcDataLoss:
		return metrics.StatusGRPC
	}
	return metrics.OK
}

// headOutcome is what the head of an answer says of the attempt.
func headOutcome(c client, res *http.Response) metrics.Outcome {
	if status := res.Header["Grpc-Status"]; c.grpc && len(status) > 0 {
		return grpcOutcome(status[0])
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return metrics.Status5xx
	}
	return metrics.OK
}

// called books how a gRPC call ended, once its trailers are there.
func (x *exchange) called(res *http.Response) {
	status := grpcStatus(res)
	if status == "" && res.StatusCode != http.StatusOK {
		return // an answer by HTTP, whose status counts already
	}
	x.grpcStatus = status
	x.verdict = grpcOutcome(status)
}

// grpcStatus is what a failure is to a gRPC client. Its HTTP status is what it would be to others.
func (f failure) grpcStatus() int {
	switch f.status {
	case http.StatusBadRequest, http.StatusExpectationFailed:
		return grpcInternal
	case http.StatusNotFound, http.StatusNotImplemented:
		return grpcUnimplemented
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge:
		return grpcResourceExhausted
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return grpcUnavailable
	case http.StatusGatewayTimeout:
		return grpcDeadlineExceeded
	}
	return grpcUnknown
}

// answerGRPC writes a failure as an answer that is all head: with the status in place of trailers.
func (f failure) answerGRPC(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h["Content-Type"] = r.Header["Content-Type"][:1]
	h.Set("Grpc-Status", strconv.Itoa(status))
	h.Set("Grpc-Message", grpcMessage(f.detail))
	h.Set("Switchback-Reason", f.reason)
	w.WriteHeader(http.StatusOK)
}

// grpcMessage escapes a text for a field as gRPC wants it.
func grpcMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			_, _ = fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// grpcDeadline is the time a call may take by its client's word; zero without one, or with one that cannot
// be read.
func grpcDeadline(h http.Header) time.Duration {
	s := h.Get("Grpc-Timeout")
	if len(s) < 2 || len(s) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil {
		return 0
	}
	unit := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	return time.Duration(min(n, uint64(time.Duration(1<<62)/max(unit, 1)))) * unit
}

// overdue tells a call whose deadline has passed from one that its client or target gave up: at the
// deadline both end their stream. The client's clock began before ours and its word took time to reach us,
// so a tenth is allowed for.
func (x *exchange) overdue(r *http.Request, c client, f failure) failure {
	if !c.grpc || f.outcome != metrics.ClientGone && f.outcome != metrics.Reset && f.outcome != metrics.Truncated {
		return f
	}
	limit := grpcDeadline(r.Header)
	if limit == 0 || time.Since(x.began) < limit-limit/10 {
		return f
	}
	late := failure{http.StatusGatewayTimeout, "deadline-passed", "The call's deadline has passed.", metrics.Timeout}
	if f.outcome == metrics.ClientGone {
		late.status = statusClientGone
	}
	return late
}

// messages follows the frames of a gRPC body: a byte of flags, a length of four, the message.
type messages struct {
	head  [5]byte
	have  int    // bytes of head seen
	left  uint32 // bytes of the message still to come
	begun int    // messages
}

// pass returns how many messages have begun.
func (m *messages) pass(p []byte) int {
	for len(p) > 0 {
		if m.left > 0 {
			n := min(uint64(m.left), uint64(len(p)))
			m.left -= uint32(n) //nolint:gosec // at most left
			p = p[n:]
			continue
		}
		n := copy(m.head[m.have:], p)
		m.have += n
		p = p[n:]
		if m.have == len(m.head) {
			m.left = uint32(m.head[1])<<24 | uint32(m.head[2])<<16 | uint32(m.head[3])<<8 | uint32(m.head[4])
			m.have = 0
			m.begun++
		}
	}
	return m.begun
}
