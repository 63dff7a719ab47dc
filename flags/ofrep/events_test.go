package ofrep

import (
	"bufio"
	"context"
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

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/secret"
	"go.uber.org/zap"
)

const address = "10.0.0.1:8016"

// site is a listener that serves, in a bubble of virtual time.
type site struct {
	server *Server
	net    *memnet.Network
	client *http.Client
	stop   func() error // ends Serve and returns what it returned
}

// serve runs the server; tokens are files, so a test can take them away.
func serve(t *testing.T, set *flags.Set, tokens []config.Secret) *site {
	t.Helper()
	b := &site{server: newServer(t, set), net: memnet.New()}
	ln, err := b.net.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	l := Listener{Listener: ln, Config: config.Listener{Name: "flags"}}
	l.Config.Timeouts.Header, l.Config.Timeouts.Idle = 10*time.Second, time.Minute
	if l.Tokens, err = secret.Open(tokens, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.server.Serve(ctx, l) }()
	transport := &http.Transport{DialContext: b.net.DialContext}
	b.client = &http.Client{Transport: transport}
	var result error
	stopped := false
	b.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
			transport.CloseIdleConnections()
		}
		return result
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return b
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; each header is "Name: value".
func (b *site) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	resp := b.send(t, method, path, body, headers...)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (b *site) send(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range headers {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// streamOf is the path of the stream that a bulk answer names.
func (b *site) streamOf(t *testing.T, headers ...string) string {
	t.Helper()
	var m struct {
		EventStreams []struct {
			Type, URL          string
			InactivityDelaySec int
			Endpoint           struct{ Origin, RequestURI string }
		}
	}
	if err := json.Unmarshal([]byte(b.do(t, "POST", bulk, ``, headers...).body), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.EventStreams) != 1 || m.EventStreams[0].Type != "sse" || m.EventStreams[0].InactivityDelaySec != 120 {
		t.Fatalf("eventStreams = %+v", m.EventStreams)
	}
	return m.EventStreams[0].Endpoint.RequestURI
}

// reader reads a stream line by line, as the lines come; those that only keep it alive are left out.
type reader struct {
	resp  *http.Response
	lines chan string
}

func (b *site) open(t *testing.T, path string, headers ...string) *reader {
	t.Helper()
	resp := b.send(t, "GET", path, ``, headers...)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%d %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	r := &reader{resp, make(chan string, 100)}
	go func() {
		defer close(r.lines)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if line := lines.Text(); line != "" && line != ":" && !strings.HasPrefix(line, "retry:") {
				r.lines <- line
			}
		}
	}()
	return r
}

// next is what came up to now.
func (r *reader) next() (lines []string, ended bool) {
	synctest.Wait()
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return lines, true
			}
			lines = append(lines, line)
		default:
			return lines, false
		}
	}
}

// event is an id and a message that asks for a new evaluation.
func (r *reader) event(t *testing.T, when string) (id string) {
	t.Helper()
	lines, ended := r.next()
	if ended || len(lines) != 2 {
		t.Fatalf("%s: lines %q, ended %v, want one event", when, lines, ended)
	}
	id, isID := strings.CutPrefix(lines[0], "id: ")
	data, isData := strings.CutPrefix(lines[1], "data: ")
	var m map[string]any
	if err := json.Unmarshal([]byte(data), &m); err != nil || !isID || !isData || m["type"] != "refetchEvaluation" {
		t.Fatalf("%s: %q", when, lines)
	}
	return id
}

func (r *reader) silent(t *testing.T, when string) {
	t.Helper()
	if lines, ended := r.next(); ended || len(lines) > 0 {
		t.Errorf("%s: lines %q, ended %v, want silence", when, lines, ended)
	}
}

func TestChangesReachStreamsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		r := b.open(t, b.streamOf(t))
		r.silent(t, "nothing changed")
		began := time.Now()
		b.server.Swap(compile(t, definitions, "checkout"))
		id := r.event(t, "killed")
		if took := time.Since(began); took != 0 {
			t.Errorf("the event took %v of virtual time", took)
		}
		b.server.Swap(compile(t, definitions, "checkout"))
		r.silent(t, "the same set")
		time.Sleep(time.Hour)
		r.silent(t, "an hour later")
		b.server.Swap(compile(t, definitions))
		if again := r.event(t, "restored"); again == id {
			t.Error("two sets have one id")
		}
	})
}

// What changes while a client is away, or before it opened the stream that an answer named, reaches it as
// soon as it is there.
func TestNoChangeIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		path := b.streamOf(t)
		b.server.Swap(compile(t, definitions, "checkout"))
		r := b.open(t, path)
		id := r.event(t, "changed between answer and stream")
		_ = r.resp.Body.Close()
		b.open(t, path, "Last-Event-ID: "+id).silent(t, "back with nothing missed")
		b.server.Swap(compile(t, definitions, "title"))
		b.open(t, path, "Last-Event-ID: "+id).event(t, "back with a change missed")
		b.open(t, "/ofrep/v1/events").silent(t, "a client that says nothing of what it knows")
	})
}

// A browser cannot send a token with a stream, so the answer carries a ticket: it opens a stream for one to
// two hours and nothing else, and stops with the token.
func TestTicketsOpenStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "web")
		if err := os.WriteFile(file, []byte("s3cret"), 0o600); err != nil {
			t.Fatal(err)
		}
		b := serve(t, compile(t, definitions), []config.Secret{{Name: "web", File: file}})
		auth := "Authorization: Bearer s3cret"
		path := b.streamOf(t, auth)
		if strings.Contains(path, "s3cret") || !strings.Contains(path, "ticket=") {
			t.Fatalf("the stream is %s", path)
		}
		status := func(method, path string, headers ...string) int {
			t.Helper()
			return b.do(t, method, path, ``, headers...).status
		}
		query := path[strings.Index(path, "?"):]
		for _, tt := range []struct{ method, path string }{
			{"GET", "/ofrep/v1/events"}, {"GET", "/ofrep/v1/events?ticket="}, {"GET", path + "x"}, {"POST", bulk + query}, {"POST", single + "boolean" + query},
		} {
			if got := status(tt.method, tt.path); got != 401 {
				t.Errorf("%s %s: %d, want 401", tt.method, tt.path, got)
			}
		}
		r := b.open(t, path)
		time.Sleep(time.Hour)
		tag := b.do(t, "POST", bulk, ``, auth).header.Get("ETag")
		if got := status("POST", bulk, auth, "If-None-Match: "+tag); got != 304 {
			t.Errorf("with the tag of now: %d, want 304", got)
		}
		b.open(t, path).silent(t, "the hour after")
		other := serve(t, compile(t, definitions), []config.Secret{{Name: "same", File: file}})
		other.open(t, path).silent(t, "on another node")
		time.Sleep(time.Hour)
		if got := status("GET", path); got != 401 {
			t.Errorf("two hours later: %d, want 401", got)
		}
		// Else a client whose flags never change would never get to know the new ticket.
		if got := status("POST", bulk, auth, "If-None-Match: "+tag); got != 200 {
			t.Errorf("with the tag of an hour ago: %d, want 200", got)
		}
		r.silent(t, "an open stream goes on")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(heartbeat + secret.Reread)
		if _, ended := r.next(); !ended {
			t.Error("the stream outlived its token")
		}
	})
}

func TestStreamsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		for range maxStreams - 1 {
			b.server.streams <- struct{}{}
		}
		last := b.open(t, "/ofrep/v1/events")
		refused := b.do(t, "GET", "/ofrep/v1/events", ``)
		if refused.status != 429 || refused.header.Get("Retry-After") == "" {
			t.Errorf("one more: %d, Retry-After %q", refused.status, refused.header.Get("Retry-After"))
		}
		_ = last.resp.Body.Close()
		synctest.Wait()
		b.open(t, "/ofrep/v1/events").silent(t, "after one left")
	})
}

// A client that does not read is let go, and holds up nobody.
func TestSlowReadersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		conn, err := b.net.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /ofrep/v1/events HTTP/1.1\r\nHost: flags\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(b.server.streams); n != 1 {
			t.Fatalf("%d streams are open, want 1", n)
		}
		r := b.open(t, "/ofrep/v1/events")
		sets := []*flags.Set{compile(t, definitions), compile(t, definitions, "title")}
		for i := 1; i < 20_000 && len(b.server.streams) == 2; i++ {
			b.server.Swap(sets[i%2])
			if lines, _ := r.next(); len(lines) != 2 {
				t.Fatalf("change %d: the other stream got %q", i, lines)
			}
			if i%1000 == 0 {
				time.Sleep(writeStream + time.Second)
				synctest.Wait()
			}
		}
		if n := len(b.server.streams); n != 1 {
			t.Errorf("%d streams are open, want 1", n)
		}
	})
}

// When the listener ends, streams end at once while a request that is being sent may finish.
func TestEndOfAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		r := b.open(t, "/ofrep/v1/events")
		body, sent := io.Pipe()
		done := make(chan int, 1)
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+single+"boolean", body)
			resp, err := b.client.Do(req)
			if err != nil {
				t.Error(err)
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
		_, _ = io.WriteString(sent, `{"context":`)
		synctest.Wait()
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- b.stop() }()
		time.Sleep(time.Second)
		if _, ended := r.next(); !ended {
			t.Error("the stream goes on")
		}
		_, _ = io.WriteString(sent, `{}}`)
		_ = sent.Close()
		if status := <-done; status != 200 {
			t.Errorf("the request in progress: %d", status)
		}
		if err := <-stopped; err != nil || time.Since(began) > endTimeout {
			t.Errorf("Serve = %v after %v", err, time.Since(began))
		}
	})
}

// A connection that has just nothing to say when its listener ends is told with its next answer, and is lost to
// no request.
func TestNoRequestIsLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		b.do(t, "POST", single+"boolean", `{}`)
		stopped := make(chan error, 1)
		go func() { stopped <- b.stop() }()
		time.Sleep(closeLinger / 2)
		if got := b.do(t, "POST", single+"boolean", `{}`); got.status != 200 || b.net.Dials(address) != 1 {
			t.Errorf("%+v over %d connections", got, b.net.Dials(address))
		}
		began := time.Now()
		if err := <-stopped; err != nil || time.Since(began) > closeLinger/4 {
			t.Errorf("Serve = %v, %v after the last connection closed", err, time.Since(began))
		}
	})
}

func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, compile(t, definitions), nil)
		r := b.open(t, "/ofrep/v1/events")
		b.server.Close()
		b.server.Close()
		if _, ended := r.next(); !ended {
			t.Error("the stream goes on")
		}
		if got := b.do(t, "POST", bulk, ``); got.status != 200 {
			t.Errorf("bulk: %d", got.status)
		}
	})
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	err = newServer(t, nil).Serve(t.Context(), Listener{Listener: ln, Config: config.Listener{Name: "flags"}})
	if err == nil || !strings.Contains(err.Error(), "listener flags") {
		t.Errorf("Serve = %v", err)
	}
}
