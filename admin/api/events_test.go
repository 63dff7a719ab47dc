package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// collect follows to the end and returns the ids and the error.
func collect(ctx context.Context, c *api.Client, q api.EventsQuery) (ids string, err error) {
	for e, failed := range c.Follow(ctx, q) {
		if failed != nil {
			return strings.TrimSpace(ids), failed
		}
		ids += e.ID + " "
	}
	return strings.TrimSpace(ids), nil
}

// streaming answers with a stream of that content.
func streaming(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, content)
	}
}

func TestFollow(t *testing.T) {
	var asked *http.Request
	c := client(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		asked = r
		streaming("retry: 2000\n\nid: 1\nevent: x\ndata: {\"id\":\"1\"}\n\n:\n\nid: 2\r\ndata:{\"id\":\"2\",\"sentence\":\""+
			strings.Repeat("x", 100<<10)+"\"}\r\n\r\ndata\n\n")(w, r)
	})
	ids, err := collect(t.Context(), c, api.EventsQuery{Service: "shop", After: "0", Limit: 3})
	if ids != "1 2" || !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), "stream of events ended") {
		t.Errorf("events %q, error %v, want 1 2 and the end", ids, err)
	}
	if got := asked.URL.RequestURI(); got != "/v1/events?after=0&service=shop" {
		t.Errorf("asked %s", got)
	}
	if asked.Header.Get("Accept") != "text/event-stream" || asked.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("headers %v", asked.Header)
	}
}

func TestFollowRefuses(t *testing.T) {
	tests := map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"events": []}`)
		}, "no stream of events"},
		"a problem": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"type": "not-found", "detail": "There is no service."}`)
		}, "There is no service."},
		"rubbish":    {streaming("data: {\n\n"), "does not answer like a switchback"},
		"a big line": {streaming("data: " + strings.Repeat("x", 2<<20)), "token too long"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if ids, err := collect(t.Context(), client(t, "", tt.handle), api.EventsQuery{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("events %q, error %v, want one with %q", ids, err, tt.want)
			}
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := api.NewClient(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(t.Context(), c, api.EventsQuery{}); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("error = %v, want ErrUnreachable", err)
	}
}

func TestFollowEndsWithItsCaller(t *testing.T) {
	left := make(chan struct{})
	c := client(t, "", func(w http.ResponseWriter, r *http.Request) {
		streaming("data: {\"id\":\"1\"}\n\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	})
	for range c.Follow(t.Context(), api.EventsQuery{}) {
		break
	}
	<-left
	ctx, cancel := context.WithCancel(t.Context())
	for e, err := range c.Follow(ctx, api.EventsQuery{}) {
		if e.ID == "1" && err == nil {
			cancel()
		} else if !errors.Is(err, context.Canceled) || errors.Is(err, api.ErrUnreachable) {
			t.Errorf("event %+v, error %v, want the end of the context", e, err)
		}
	}
	<-left
	cancel()
}

// A server that is gone without a word is noticed by its silence, not before a heartbeat is late.
func TestFollowNoticesSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := api.NewPipeClient(ours)
		go func() {
			_, _ = theirs.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"id\":\"1\"}\n\n")
			for range 10 {
				time.Sleep(15 * time.Second)
				_, _ = io.WriteString(theirs, ":\n\n")
			}
		}()
		start := time.Now()
		ids, err := collect(t.Context(), c, api.EventsQuery{})
		if ids != "1" || !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), "silent") {
			t.Errorf("events %q, error %v, want 1 and silence", ids, err)
		}
		if took := time.Since(start); took < 150*time.Second || took > 4*time.Minute {
			t.Errorf("noticed after %v", took)
		}
		_ = theirs.Close()
		c.Close()
	})
}
