package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/router"
)

// refusedMethod is the method of what a guard puts in place of a request that it refuses. It means
// nothing when a client sends it.
const refusedMethod = "SWITCHBACK-REFUSED"

// refusalReasons are those of this file; the rest are h1's.
var refusalReasons = []string{"bad-request-target", "bad-field", reasonResets}

// reasonResets counts connections, the other reasons requests.
const reasonResets = "too-many-resets"

// refused says whether a request must not be routed at all. The guard has seen HTTP/1.1 requests
// already; what HTTP/2 lets through is checked by the same grammar.
func refused(r *http.Request) (failure, bool) {
	if g := guardOf(r); g != nil && r.Method == refusedMethod {
		if f := g.refusal.Load(); f != nil {
			return failure{status: f.Status, reason: f.Reason, detail: "The request was refused: " + f.Detail + "."}, true
		}
	}
	if r.Method == http.MethodConnect {
		return failure{status: http.StatusNotImplemented, reason: "connect-not-allowed", detail: "CONNECT is not supported."}, true
	}
	if r.ProtoMajor == 1 {
		return failure{}, false
	}
	return refusedStream(r)
}

// refuse answers what is no request of any service: it is counted there and by its reason.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f failure, at time.Time) {
	closeAfter(w, r, true)
	f.answer(w, r)
	s.refusals.Count(f.reason)
	s.unrouted.Request(f.status, time.Since(at))
}

var (
	streamTargetLong = failure{status: http.StatusRequestURITooLong, reason: "target-too-long", detail: "The request target is too long."}
	streamTarget     = failure{status: http.StatusBadRequest, reason: "bad-request-target", detail: "Method, path or authority is malformed."}
	streamField      = failure{status: http.StatusBadRequest, reason: "bad-field", detail: "A field is malformed or not allowed."}
	streamLength     = failure{status: http.StatusBadRequest, reason: "bad-content-length", detail: "Content-Length is no number, or not the body's length."}
	streamExpect     = failure{status: http.StatusExpectationFailed, reason: "unknown-expectation", detail: "Only 100-continue may be expected."}
)

// refusedStream checks what an HTTP/2 request would become in HTTP/1.1 (RFC 9113 §8.1.1, §8.2.1, §8.3.1).
func refusedStream(r *http.Request) (failure, bool) {
	host, hosts := r.Header["Host"]
	expect, expects := r.Header["Expect"]
	switch {
	case len(r.RequestURI) > router.MaxPath:
		return streamTargetLong, true
	case !validTarget(r) || !h1.ValidToken(r.Method) || !h1.ValidHost(r.Host):
		return streamTarget, true
	case hosts && (len(host) != 1 || !strings.EqualFold(host[0], r.Host)):
		return streamTarget, true
	case !validLength(r):
		return streamLength, true
	case expects && (len(expect) != 1 || !strings.EqualFold(expect[0], "100-continue")):
		return streamExpect, true
	}
	for name, values := range r.Header {
		if !h1.ValidToken(name) || shadows(name) || slices.ContainsFunc(values, func(v string) bool { return !h1.ValidFieldValue(v) }) {
			return streamField, true
		}
	}
	return failure{}, false
}

// validLength leaves it to the server to compare a body that is still to come with its length.
func validLength(r *http.Request) bool {
	lengths, ok := r.Header["Content-Length"]
	if !ok {
		return true
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	return len(lengths) == 1 && err == nil && (n == 0 || r.ContentLength == int64(n))
}

func validTarget(r *http.Request) bool {
	t := r.RequestURI
	if !strings.HasPrefix(t, "/") && (t != "*" || r.Method != http.MethodOptions) {
		return false
	}
	for i := range len(t) {
		if t[i] <= ' ' || t[i] >= 0x7f || t[i] == '#' {
			return false
		}
	}
	return true
}
