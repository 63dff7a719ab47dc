package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/router"
)

// copyBuffer is what one read of a body takes at most.
const copyBuffer = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// relay sends a target's response to the client, as it comes, and finishes the exchange. A body that
// breaks off resets the client: it must never look complete.
func (x *exchange) relay(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, out *outgoing, res *http.Response) {
	defer res.Body.Close()
	out.upload.answered()
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(ctx, w, r, c, res)
		return
	}
	switch {
	case isEventStream(res.Header.Get("Content-Type")):
		x.stays()
	case c.grpc && out.upload.pending():
		x.running.stays() // both sides speak: no unary call
	}
	x.issueCookie(w.Header(), c)
	// What follows a refused upgrade, or an answer that came too early, may not be the next request.
	closeAfter(w, r, c.upgrade || out.upload.pending() || x.server.closing.Load())
	copyFields(w.Header(), res.Header)
	keepBodyless(w.Header(), r, res.StatusCode)
	announced := announceResponseTrailers(w.Header(), res.Trailer)
	w.WriteHeader(res.StatusCode)
	if out.refusesBody() {
		defer out.upload.discard()()
	}
	bytes, err := x.copyBody(w, c, res, out.bodyWaits(res))
	if err == nil {
		err = sendTrailers(w, res.Trailer, announced)
	}
	if err == nil {
		if c.grpc {
			x.called(res)
		}
		x.finish(r, c, metrics.OK, res.StatusCode, bytes)
		return
	}
	f := bodyFailure(ctx, err)
	if f.outcome != metrics.ClientGone { // who was answered and leaves has had enough
		f = x.overdue(r, c, f)
	}
	x.reason = f.reason
	x.finish(r, c, f.outcome, statusSeen(f, res.StatusCode), bytes)
	if c.grpc && r.ProtoMajor == 2 && f.status != statusClientGone {
		if sendTrailers(w, f.grpcTrailers(err), announced) == nil {
			return
		}
	}
	if g := guardOf(r); g != nil && !r.ProtoAtLeast(1, 1) {
		g.abort()
	}
	panic(http.ErrAbortHandler) // net/http's way to reset the stream or connection
}

// keepBodyless saves the fields of a 304 that tell about the body it stands for (RFC 9110 §15.4.5) from
// net/http's server, which deletes them by their canonical names.
func keepBodyless(h http.Header, r *http.Request, status int) {
	if status != http.StatusNotModified || r.ProtoMajor != 1 {
		return
	}
	for name, kept := range map[string]string{"Content-Length": "content-length", "Content-Type": "content-type"} {
		if v := h[name]; v != nil {
			h[kept] = v
			delete(h, name)
		}
	}
}

// statusSeen is the response's own status, unless the client had left.
func statusSeen(f failure, status int) int {
	if f.status == statusClientGone {
		return statusClientGone
	}
	return status
}

// errClientWrite wraps what goes wrong towards the client.
type errClientWrite struct{ error }

func bodyFailure(ctx context.Context, err error) failure {
	var toClient errClientWrite
	if errors.As(err, &toClient) {
		return clientGone
	}
	if f, ended := causeFailure(ctx); ended {
		return f
	}
	return brokenBody(streamCause(err))
}

// brokenBody tells what an error of a target's connection means once the answer's head was there.
func brokenBody(err error) failure {
	var refusal *h1.Refusal
	if errors.As(err, &refusal) {
		return failure{http.StatusBadGateway, refusal.Reason, "The upstream's response is malformed.", metrics.Malformed}
	}
	return failure{http.StatusBadGateway, "body-truncated", "The upstream's response broke off.", metrics.Truncated}
}

// copyBody passes on each piece as soon as it is there. The head goes with the first piece if that waits
// already, else at once; the last piece is left to the server to flush, together with the end of the
// message.
func (x *exchange) copyBody(w http.ResponseWriter, c client, res *http.Response, waits bool) (int64, error) {
	if res.Body == http.NoBody {
		return 0, nil
	}
	var calls messages
	rc := http.NewResponseController(w)
	take := c.taking(rc)
	if !waits {
		if err := rc.Flush(); err != nil {
			return 0, errClientWrite{err}
		}
	}
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	var sum int64
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			if c.grpc && calls.begun < 2 && calls.pass(buf[:n]) > 1 {
				x.running.stays() // no unary call answers twice
			}
			take.wait()
			_, werr := w.Write(buf[:n])
			take.over()
			if werr != nil {
				return sum, errClientWrite{werr}
			}
			sum += int64(n)
		}
		if errors.Is(err, io.EOF) {
			if take != nil { // for what the server flushes
				_ = rc.SetWriteDeadline(time.Now().Add(take.after))
			}
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		take.wait()
		err = rc.Flush()
		take.over()
		if err != nil {
			return sum, errClientWrite{err}
		}
	}
}

// taking ends a stream of HTTP/2 whose client takes less than a buffer in twice the time it may be idle: its connection
// may be alive with others. It is nil where the connection alone is watched, and for gRPC, which has deadlines.
func (c client) taking(rc *http.ResponseController) *stall {
	if !c.stream || c.grpc {
		return nil
	}
	return &stall{after: 2 * c.idle, end: func() { _ = rc.SetWriteDeadline(time.Unix(1, 0)) }}
}

// isEventStream reports whether a response of a type ends when its peers want.
func isEventStream(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// announceResponseTrailers says which fields will follow the body, and returns them.
func announceResponseTrailers(h, trailer http.Header) (announced []string) {
	for name := range trailer {
		if trailerAllowed(name) {
			announced = append(announced, name)
		}
	}
	if announced != nil {
		h["Trailer"] = announced
	}
	return announced
}

// sendTrailers adds the trailers that arrived, those that were not announced too.
func sendTrailers(w http.ResponseWriter, trailer http.Header, announced []string) error {
	if len(trailer) == 0 {
		return nil
	}
	// The server looks for what was not announced only behind a body that is chunked already.
	if err := http.NewResponseController(w).Flush(); err != nil {
		return errClientWrite{err}
	}
	for name, values := range trailer {
		switch {
		case slices.Contains(announced, name):
			w.Header()[name] = values
		case trailerAllowed(name):
			w.Header()[http.TrailerPrefix+name] = values
		}
	}
	return nil
}

// issueCookie hands out the minted key with the final response.
func (x *exchange) issueCookie(h http.Header, c client) {
	if cookie := x.cookie(c.https); cookie != "" {
		h.Add("Set-Cookie", cookie)
	}
}

// cookie is the minted key as a Set-Cookie value, "" when none was minted.
func (x *exchange) cookie(secure bool) string {
	d := &x.decision
	if d.Issue == "" {
		return ""
	}
	cookie := http.Cookie{ //nolint:gosec // Secure is for those who came by TLS
		Name: d.Issue, Value: string(router.AppendID(nil, d.ID)), Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
	return cookie.String()
}
