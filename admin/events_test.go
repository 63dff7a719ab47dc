package admin

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/memnet"
)

func TestPagesOfEvents(t *testing.T) {
	tests := []struct{ query, want string }{
		{"", "01 02 03 04 05 06"},
		{"?limit=2", "05 06"},
		{"?service=shop&limit=1", "06"},
		{"?after=04", "05 06"},
		{"?after=02&limit=2", "03 04"}, // goes on without a gap
		{"?after=06", ""},
	}
	b := newBench(t)
	b.events = lived()
	for _, tt := range tests {
		w := b.ask(t, "GET", "/v1/events"+tt.query, "")
		var page api.Events
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.Events == nil {
			t.Errorf("%s: %v, body %s", tt.query, err, w.Body)
		}
		ids := []string{}
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: events %s, want %s", tt.query, got, tt.want)
		}
	}
}

func TestBadQueriesOfEvents(t *testing.T) {
	const stream = "Accept: text/event-stream"
	tests := []struct {
		query, header string
		status        int
		detail        string
	}{
		{"?limit=0", "", 400, `limit is "0"`},
		{"?limit=-1", "", 400, "limit is"},
		{"?limit=1001", "", 400, "from 1 to 1000"},
		{"?limit=many", "", 400, `limit is "many"`},
		{"?limit=", "", 400, "limit is"},
		{"?limit=1&limit=2", "", 400, "limit is there twice"},
		{"?since=1", "", 400, `"since" is unknown here; known are service, after, limit`},
		{"?after=%zz", "", 400, "query"},
		{"?after=%0a", "", 400, "not the id of an event"},
		{"?after=" + strings.Repeat("x", 300), "", 400, "not the id of an event"},
		{"", "Last-Event-ID: " + strings.Repeat("x", 300), 400, "not the id of an event"},
		{"?service=shap", "", 404, `no service "shap"`},
		{"?service=shap", stream, 404, `no service "shap"`},
		{"?limit=x", stream, 400, "limit is"},
		{"", stream + ";q=0", 200, ""},
	}
	for _, tt := range tests {
		var headers []string
		if tt.header != "" {
			headers = append(headers, tt.header)
		}
		w := newBench(t).ask(t, "GET", "/v1/events"+tt.query, "", headers...)
		if tt.status == http.StatusOK {
			if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "application/json" {
				t.Errorf("%s %s: status %d, Content-Type %q, want a page", tt.query, tt.header, w.Code, got)
			}
			continue
		}
		wantProblem(t, w, tt.status, tt.detail)
	}
}

// listener is a client of a stream in a network of memory.
type listener struct {
	conn net.Conn
	body *bufio.Reader
}

func listen(t *testing.T, network *memnet.Network, target string, headers ...string) *listener {
	t.Helper()
	l := &listener{conn: dial(t, network)}
	send(t, l.conn, "GET "+target+" HTTP/1.1\nHost: localhost\nAccept: text/event-stream\n"+strings.Join(append(headers, ""), "\n")+"\n")
	res, err := http.ReadResponse(bufio.NewReader(l.conn), nil) //nolint:bodyclose // it ends with the connection
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("status %d, Content-Type %q, want a stream", res.StatusCode, got)
	}
	wantProtected(t, res.Header)
	l.body = bufio.NewReader(res.Body)
	if got := l.block(t); got != "retry: 2000\n" {
		t.Fatalf("the stream begins with %q", got)
	}
	return l
}

// block reads up to the next empty line; "" is the end of the stream.
func (l *listener) block(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := l.body.ReadString('\n')
		switch {
		case err == io.EOF && line == "" && b.Len() == 0:
			return ""
		case err != nil:
			t.Fatalf("read the stream: %v after %q", err, b.String()+line)
		case line == "\n":
			return b.String()
		}
		b.WriteString(line)
	}
}

// ids reads n events and returns their ids.
func (l *listener) ids(t *testing.T, n int) string {
	t.Helper()
	var ids []string
	for range n {
		id, _, _ := strings.Cut(strings.TrimPrefix(l.block(t), "id: "), "\n")
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestStreamOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		b.events, b.feed = lived()[:2], make(chan api.Event)
		stop := b.serve(t, network)
		l := listen(t, network, "/v1/events")
		if got := l.ids(t, 1); got != "01" {
			t.Errorf("first event %s, want 01", got)
		}
		want := "id: 02\nevent: traffic.weights\ndata: {\"id\":\"02\",\"at\":\"2026-01-02T15:02:00Z\",\"service\":\"web\",\"type\":\"traffic.weights\"," +
			"\"by\":\"\",\"from\":\"\",\"reason\":\"\",\"sentence\":\"\",\"before\":null,\"after\":null}\n"
		if got := l.block(t); got != want {
			t.Errorf("event\n%s\nwant\n%s", got, want)
		}
		b.feed <- api.Event{ID: "07", Service: "shop", Type: "x", Sentence: "one\ntwo"}
		if got := l.block(t); !strings.HasPrefix(got, "id: 07\nevent: x\ndata: {") || strings.Count(got, "\n") != 3 {
			t.Errorf("event %q, want three lines", got)
		}
		// Nothing happens for an hour, but the line stays alive.
		start := time.Now()
		for range 240 {
			if got := l.block(t); got != ":\n" {
				t.Fatalf("%q, want a heartbeat", got)
			}
		}
		if took := time.Since(start); took > time.Hour {
			t.Errorf("240 heartbeats took %v, want 15s each", took)
		}
		_ = l.conn.Close()
		stop()
	})
}

func TestStreamGoesOn(t *testing.T) {
	tests := []struct {
		name, target, header, want string
	}{
		{"header", "/v1/events", "Last-Event-ID: 04", "05 06"},
		{"query", "/v1/events?after=03", "", "04 05 06"},
		{"header over query", "/v1/events?after=01", "Last-Event-ID: 05", "06"},
		{"of a service", "/v1/events?service=shop&after=01", "", "03 04 05 06"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, b := memnet.New(), newBench(t)
				b.events = lived()
				stop := b.serve(t, network)
				var headers []string
				if tt.header != "" {
					headers = append(headers, tt.header)
				}
				l := listen(t, network, tt.target, headers...)
				if got := l.ids(t, len(strings.Fields(tt.want))); got != tt.want {
					t.Errorf("events %s, want %s", got, tt.want)
				}
				if got := l.block(t); got != ":\n" {
					t.Errorf("then %q, want a heartbeat", got)
				}
				_ = l.conn.Close()
				stop()
			})
		})
	}
}

// The end of the server must not wait for streams, which have no end of their own.
func TestStreamsEndWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		stop := b.serve(t, network)
		l := listen(t, network, "/v1/events")
		time.Sleep(2 * writeStream)
		if got := l.block(t); got != ":\n" {
			t.Fatalf("%q, want a heartbeat", got)
		}
		start := time.Now()
		stop()
		if took := time.Since(start); took > time.Second {
			t.Errorf("Serve ended after %v, want at once", took)
		}
		if got := l.block(t); got != "" {
			t.Errorf("after the end came %q", got)
		}
		_ = l.conn.Close()
	})
}

// streamCounts are what a Server counts of its streams.
type streamCounts struct{ opened, ended, cut int }

func (c *streamCounts) StreamOpened() { c.opened++ }

func (c *streamCounts) StreamClosed(cut bool) {
	if cut {
		c.cut++
	} else {
		c.ended++
	}
}

// A controller that gives a slow reader up ends its stream; so does a reader that takes nothing.
func TestSlowReadersAreDropped(t *testing.T) {
	t.Run("by the controller", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			counts := &streamCounts{}
			network, b := memnet.New(), newBench(t, func(d *Deps) { d.Streams = counts })
			b.feed = make(chan api.Event)
			stop := b.serve(t, network)
			l := listen(t, network, "/v1/events")
			close(b.feed)
			if got := l.block(t); got != "" {
				t.Errorf("after the end came %q", got)
			}
			_ = l.conn.Close()
			stop()
			if *counts != (streamCounts{opened: 1, cut: 1}) {
				t.Errorf("counted %+v", *counts)
			}
		})
	})
	t.Run("by the connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			counts := &streamCounts{}
			network, b := memnet.New(), newBench(t, func(d *Deps) { d.Streams = counts })
			b.feed = make(chan api.Event)
			stop := b.serve(t, network)
			l := listen(t, network, "/v1/events") // and never reads again
			big := api.Event{ID: "1", Service: "shop", Sentence: strings.Repeat("x", 8<<10)}
			start := time.Now()
			for len(b.server.streams) > 0 {
				select {
				case b.feed <- big:
				case <-time.After(time.Second):
				}
				if time.Since(start) > time.Minute {
					t.Fatal("the stream of a stalled reader is open after a minute")
				}
			}
			if took := time.Since(start); took < writeStream {
				t.Errorf("dropped after %v, want %v of patience", took, writeStream)
			}
			_ = l.conn.Close()
			stop()
			if *counts != (streamCounts{opened: 1, cut: 1}) {
				t.Errorf("counted %+v", *counts)
			}
		})
	})
}

func TestStreamsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		stop := b.serve(t, network)
		open := make([]*listener, maxStreams)
		for i := range open {
			open[i] = listen(t, network, "/v1/events")
		}
		w := b.ask(t, "GET", "/v1/events", "", "Accept: text/event-stream")
		wantProblem(t, w, http.StatusServiceUnavailable, "2000 streams")
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if w := b.ask(t, "GET", "/v1/events", ""); w.Code != http.StatusOK {
			t.Errorf("status of a page = %d while the streams are all taken, want 200", w.Code)
		}
		_ = open[0].conn.Close()
		synctest.Wait()
		open[0] = listen(t, network, "/v1/events")
		for _, l := range open {
			_ = l.conn.Close()
		}
		stop()
	})
}

// A viewer may listen, as long as its token lives.
func TestStreamEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, tokens := withTokens(t)
		network, b := memnet.New(), newBench(t, tokens)
		stop := b.serve(t, network)
		l := listen(t, network, "/v1/events", "Authorization: Bearer "+viewerSecret)
		if got := l.block(t); got != ":\n" {
			t.Fatalf("%q, want a heartbeat", got)
		}
		if err := os.Remove(filepath.Join(dir, "eye")); err != nil {
			t.Fatal(err)
		}
		if got := l.block(t); got != "" {
			t.Errorf("%q after the token's end", got)
		}
		_ = l.conn.Close()
		stop()
	})
}

func TestHeadOfAStream(t *testing.T) {
	w := newBench(t).ask(t, "HEAD", "/v1/events", "", "Accept: text/event-stream")
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "text/event-stream" || w.Body.Len() > 0 {
		t.Errorf("status %d, Content-Type %q, body %q", w.Code, got, w.Body)
	}
}
