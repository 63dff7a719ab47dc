package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// copyBuffer is what one read of a body takes at most.
const copyBuffer = 32 << 10

// relay sends a target's response to the client, as it comes, and finishes the exchange. A body that
// breaks off resets the client: it must never look complete.
func (x *exchange) relay(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, up *upload, res *http.Response) {
	defer res.Body.Close() //nolint:errcheck // nothing to do about it
	defer up.abandon()
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.tunnel(ctx, w, r, c, res)
		return
	}
	if c.upgrade {
		w.Header().Set("Connection", "close") // what follows on this connection may not be HTTP
	}
	if isEventStream(res) {
		x.stays()
	}
	copyFields(w.Header(), res.Header)
	announced := announceResponseTrailers(w.Header(), res.Trailer)
	w.WriteHeader(res.StatusCode)
	bytes, err := x.copyBody(w, res, announced > 0 || res.ContentLength < 0 || res.ContentLength > copyBuffer)
	if err == nil {
		sendTrailers(w.Header(), res.Trailer, announced)
		x.finish(r, c, metrics.OK, res.StatusCode, bytes)
		return
	}
	f := bodyFailure(ctx, err)
	x.reason = f.reason
	x.finish(r, c, f.outcome, statusSeen(f, res.StatusCode), bytes)
	panic(http.ErrAbortHandler) // net/http's way to reset the stream or connection
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
		return failure{status: statusClientGone, reason: "client-gone", outcome: metrics.ClientGone}
	}
	if cause := context.Cause(ctx); cause != nil {
		return causeFailure(cause)
	}
	return failure{status: http.StatusBadGateway, reason: "body-truncated", outcome: metrics.Truncated}
}

// copyBody passes on each piece as soon as it is there. The last piece is left to the server to flush,
// together with the end of the message; a head with headFirst does not wait for the first piece.
func (x *exchange) copyBody(w http.ResponseWriter, res *http.Response, headFirst bool) (int64, error) {
	rc := http.NewResponseController(w)
	if headFirst {
		if err := rc.Flush(); err != nil {
			return 0, errClientWrite{err}
		}
	}
	buf := x.server.buffers.Get().(*[copyBuffer]byte) //nolint:errcheck // only these are put
	defer x.server.buffers.Put(buf)
	var sum int64
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return sum, errClientWrite{werr}
			}
			sum += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		if err := rc.Flush(); err != nil {
			return sum, errClientWrite{err}
		}
	}
}

// isEventStream also counts streams of gRPC: both end when their peers want.
func isEventStream(res *http.Response) bool {
	t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && (t == "text/event-stream" || t == "application/grpc" || strings.HasPrefix(t, "application/grpc+"))
}

func announceResponseTrailers(h, trailer http.Header) int {
	n := 0
	for name := range trailer {
		if trailerAllowed(name) {
			h.Add("Trailer", name)
			n++
		}
	}
	return n
}

// sendTrailers adds the trailers that arrived, those that were not announced too.
func sendTrailers(h, trailer http.Header, announced int) {
	prefix := ""
	if allowed := countAllowed(trailer); allowed != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range trailer {
		if trailerAllowed(name) {
			h[prefix+name] = values
		}
	}
}

func countAllowed(trailer http.Header) int {
	n := 0
	for name := range trailer {
		if trailerAllowed(name) {
			n++
		}
	}
	return n
}

// issueCookie hands out the minted key with the final response.
func (x *exchange) issueCookie(w http.ResponseWriter, c client) {
	d := &x.decision
	if d.Issue == "" {
		return
	}
	cookie := http.Cookie{
		Name: d.Issue, Value: string(router.AppendID(nil, d.ID)), Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.https,
	}
	w.Header().Add("Set-Cookie", cookie.String())
}
