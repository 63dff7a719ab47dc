package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/secret"
)

const (
	maxStreams   = 2000
	pageLimit    = 100 // of a page when the query names no limit
	maxPageLimit = 1000
	maxEventID   = 256 // bytes
)

// The rhythm of a stream. A write that a reader does not take for writeStream ends its stream.
const (
	heartbeat   = 15 * time.Second
	writeStream = 10 * time.Second
	streamBytes = 16 << 10        // that the system holds for a reader; more is kept for nobody
	retryAfter  = 2 * time.Second // what a reader waits before it connects again
)

// eventsQuery is what GET /v1/events understands.
type eventsQuery struct {
	service, after string
	limit          int
	stream         bool
}

// events answers with a page, or with a stream for those who accept one.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q, problem := parseEvents(r)
	if problem != nil {
		refuse(w, r, problem)
		return
	}
	var err error
	if sees := exchangeOf(r).scope; !sees.service(q.service) && q.service != "" {
		err = sees.refusal("service " + q.service)
	} else if q.service != "" {
		_, err = s.controller.Service(q.service)
	}
	switch {
	case err != nil:
	case q.stream:
		err = s.stream(w, r, q)
	default:
		err = s.page(w, r, q)
	}
	if err != nil {
		refuse(w, r, err)
	}
}

// parseEvents reads the query. Last-Event-ID is what a browser sends when it connects again, so it
// outranks the query, which it repeats.
func parseEvents(r *http.Request) (eventsQuery, *api.Error) {
	q := eventsQuery{limit: pageLimit, stream: acceptsStream(r.Header)}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, invalid("The query %q is not valid.", clip(r.URL.RawQuery))
	}
	for name, all := range values {
		if !slices.Contains([]string{"service", "after", "limit"}, name) {
			return q, invalid("%q is unknown here; known are service, after, limit.", clip(name))
		}
		if len(all) > 1 {
			return q, invalid("%s is there twice.", name)
		}
	}
	q.service, q.after = values.Get("service"), values.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		q.after = id
	}
	if len(q.after) > maxEventID || strings.ContainsFunc(q.after, unicode.IsControl) {
		return q, invalid("%q is not the id of an event.", clip(q.after))
	}
	if !values.Has("limit") {
		return q, nil
	}
	q.limit, err = strconv.Atoi(values.Get("limit"))
	if err != nil || q.limit < 1 || q.limit > maxPageLimit {
		return q, invalid("limit is %q; it is a number from 1 to %d.", clip(values.Get("limit")), maxPageLimit)
	}
	return q, nil
}

// acceptsStream reports whether a client asks for server-sent events.
func acceptsStream(h http.Header) bool {
	for _, field := range h.Values("Accept") {
		for part := range strings.SplitSeq(field, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err == nil && media == "text/event-stream" && params["q"] != "0" {
				return true
			}
		}
	}
	return false
}

// page answers with the newest events; with after it is the ones that come next, so that a reader who
// goes on from the last id it has misses none.
func (s *Server) page(w http.ResponseWriter, r *http.Request, q eventsQuery) error {
	events, err := s.controller.Events(r.Context(), q.service, q.after)
	if err != nil {
		return err
	}
	events = exchangeOf(r).scope.events(events)
	switch n := len(events); {
	case n == 0:
		events = []api.Event{}
	case n > q.limit && q.after == "":
		events = events[n-q.limit:]
	case n > q.limit:
		events = events[:q.limit]
	}
	answer(w, r, api.Events{Events: events})
	return nil
}

// stream sends events until the client leaves, does not read, loses its permission, or the server stops.
// An error comes before the first byte. Whoever is cut off connects again with the last id it has.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, q eventsQuery) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "15")
		return bare(http.StatusServiceUnavailable, "%d streams of events are open, which is the limit; try again, or ask for a page.", maxStreams)
	}
	ctx, cancel := untilStop(r.Context())
	defer cancel()
	events, err := s.controller.Follow(ctx, q.after)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // or nginx keeps events back
	if r.Method == http.MethodHead {
		return nil
	}
	unlimitRead(w)
	narrow(r)
	defer limitWrite(w) // for the end of the body
	s.counts.StreamOpened()
	t := &tape{w: w, flush: http.NewResponseController(w)}
	cut := s.play(ctx, r, t, q, events)
	s.counts.StreamClosed(cut || errors.Is(t.err, os.ErrDeadlineExceeded))
	exchangeOf(r).cause = t.cause
	return nil
}

// play sends events until something ends the stream. Cut says that the controller gave its reader up.
func (s *Server) play(ctx context.Context, r *http.Request, t *tape, q eventsQuery, events <-chan api.Event) (cut bool) {
	t.write("retry: %d\n\n", retryAfter.Milliseconds())
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	sees := exchangeOf(r).scope
	for t.err == nil {
		select {
		case <-ctx.Done():
			return false
		case <-beat.C:
			var allowed bool
			if sees, allowed = s.stillAllowed(r); !allowed {
				return false
			}
			t.write(":\n\n")
		case e, ok := <-events:
			if !ok {
				return ctx.Err() == nil
			}
			for more := ok; more; {
				if (q.service == "" || e.Service == q.service) && sees.event(&e) {
					t.event(e)
				}
				select { // what has come meanwhile goes out with it
				case e, ok = <-events:
					more = ok && t.err == nil
				default:
					more = false
				}
			}
			t.send()
		}
	}
	return false
}

// tape is the written side of a stream; err is the first thing that went wrong.
type tape struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	err   error
	cause error // err, when it is not the reader's
}

func (t *tape) event(e api.Event) {
	body, err := json.Marshal(e)
	if err != nil {
		t.cause = fmt.Errorf("write event %s: %w", e.ID, err)
		t.err = t.cause
		return
	}
	t.put("id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, body)
}

func (t *tape) write(format string, args ...any) {
	t.put(format, args...)
	t.send()
}

// put writes something that may wait for more.
func (t *tape) put(format string, args ...any) {
	if t.err != nil {
		return
	}
	// Without a connection, in a test, there is nothing to limit.
	_ = t.flush.SetWriteDeadline(time.Now().Add(writeStream))
	_, t.err = fmt.Fprintf(t.w, format, args...)
}

// send has what was put go out.
func (t *tape) send() {
	if t.err == nil {
		t.err = t.flush.Flush()
	}
}

type connKey struct{}

// withConn makes requests know their connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// narrow bounds what the system holds for a reader that does not read: by default that is megabytes for each.
func narrow(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = c.SetWriteBuffer(streamBytes) // it is as it is, then
	}
}

type stopKey struct{}

// withStop makes requests know the context whose end stops the server.
func withStop(requests, stop context.Context) context.Context {
	return context.WithValue(requests, stopKey{}, stop)
}

// untilStop ends with the request, or as soon as the server begins to stop.
func untilStop(request context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(request)
	stop, ok := request.Value(stopKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	forget := context.AfterFunc(stop, cancel)
	return ctx, func() { forget(); cancel() }
}

// stillAllowed reports whether the caller could ask again, and for what: a stream may outlive its token.
func (s *Server) stillAllowed(r *http.Request) (*scope, bool) {
	g := s.guard.Load()
	if !g.hosts.allow(r.Host) {
		return nil, false
	}
	if g.tokens.None() {
		return nil, true
	}
	given, _ := secret.Bearer(r.Header)
	now := time.Now()
	token := g.tokens.find(given, now)
	if token == nil || token.Expired(now) {
		return nil, false
	}
	sees := scopeOf(token)
	return sees, sees.check(r) == nil
}
