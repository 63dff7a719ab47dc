package ofrep

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

const (
	maxStreams = 2000
	// inactivity is when a page that nobody looks at may close its stream.
	inactivity = 2 * time.Minute
	// retryAfter is what a client waits before it connects again.
	retryAfter = time.Second
	heartbeat  = 15 * time.Second
	// writeStream is how long a client may take to read an event; then its stream ends.
	writeStream = 10 * time.Second
)

// stream is how an answer names the stream of events that begins at the set that gave it. There is no host in
// it: what a client reached us by is known to the client only.
func stream(digest, ticket string) string {
	query := url.Values{"since": {digest}}
	if ticket != "" {
		query.Set("ticket", ticket)
	}
	uri := quote(eventsPath + "?" + query.Encode())
	return fmt.Sprintf(`{"type":"sse","endpoint":{"requestUri":%s},"inactivityDelaySec":%d}`, uri, int(inactivity/time.Second))
}

// events tells a client to ask again, each time the flags could say something else than what it knows. It
// ends with the client, with the client's token, with a client that does not read, or when we stop.
func (d *door) events(w http.ResponseWriter, r *http.Request, who *secret.Hash) {
	now := d.server.state.Load()
	if now == nil {
		refuse(w, loading)
		return
	}
	select {
	case d.server.streams <- struct{}{}:
		defer func() { <-d.server.streams }()
	default:
		refuseFor(w, failure{
			status: http.StatusTooManyRequests, Code: codeGeneral,
			Details: fmt.Sprintf("%d streams are open, which is the limit; poll in the meantime.", maxStreams),
		}, heartbeat)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // or nginx keeps events back
	known := r.Header.Get("Last-Event-ID")
	if known == "" {
		known = r.URL.Query().Get("since")
	}
	if known == "" {
		known = now.set.Digest
	}
	t := &tape{w: w, control: http.NewResponseController(w)}
	_ = t.control.SetReadDeadline(time.Time{}) // from now on a read only notices that the client left
	t.write("retry: %d\n\n", retryAfter.Milliseconds())
	d.follow(t, r, now, known, who)
}

// follow sends events until the stream ends. known is the digest of the set that the client knows.
func (d *door) follow(t *tape, r *http.Request, now *state, known string, who *secret.Hash) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for t.err == nil {
		if digest := now.set.Digest; digest != known {
			known = digest
			t.write("id: %s\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"%s\",\"lastModified\":%d}\n\n", digest, digest, now.since.Unix())
			continue
		}
		select {
		case <-now.changed:
			now = d.server.state.Load()
		case <-beat.C:
			if !d.stillAllowed(who) {
				return
			}
			t.write(":\n\n")
		case <-r.Context().Done():
			return
		case <-d.stop:
			return
		case <-d.server.closed:
			return
		}
	}
}

// stillAllowed reports whether a client could ask again: a stream may outlive its token.
func (d *door) stillAllowed(who *secret.Hash) bool {
	return who == nil || slices.Contains(d.tokens.Hashes(time.Now()), *who)
}

// tape is the written side of a stream; err is the first thing that went wrong.
type tape struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (t *tape) write(format string, args ...any) {
	_ = t.control.SetWriteDeadline(time.Now().Add(writeStream))
	if _, t.err = fmt.Fprintf(t.w, format, args...); t.err == nil {
		t.err = t.control.Flush()
	}
}
