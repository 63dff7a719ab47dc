//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// webPage is a page with the web SDK in a browser of its own. The page asks the test for questions.
type webPage struct {
	questions chan any
	replies   chan details

	mu     sync.Mutex // guards events
	events []webEvent
}

// webEvent is an event of the SDK, or an answer that its provider got.
type webEvent struct {
	Type    string   `json:"type"`
	Message string   `json:"message"`
	Changed []string `json:"changed"`
	Status  int      `json:"status"`
	Known   string   `json:"known"` // If-None-Match
	ETag    string   `json:"etag"`
	at      time.Time
}

// webSDK opens a page in Chromium; make e2e installs it and the packages. The origin of the page is not that
// of the flags.
func webSDK(t *testing.T, cache string) (*flagSite, *webPage) {
	t.Helper()
	p := &webPage{questions: make(chan any), replies: make(chan details)}
	server := httptest.NewServer(p.handler(bundle(t)))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // a page that waits for a question
	site := newFlagSite(t, server.URL)
	query := url.Values{"flags": {site.flags}, "token": {flagToken}, "cache": {cache}}
	browse(t, server.URL+"/?"+query.Encode())
	p.until(t, "the provider is ready", func(e webEvent) bool { return e.Type == "PROVIDER_READY" })
	return site, p
}

// bundle makes one script of the page and the SDK.
func bundle(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "page.js")
	cmd := exec.CommandContext(t.Context(), "node_modules/.bin/esbuild", "web.mjs", "--bundle", "--format=iife", "--log-level=warning", "--outfile="+out)
	cmd.Dir = "js"
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("bundle the page, make e2e installs what is needed: %v\n%s", err, text)
	}
	return out
}

// browse opens the page in a browser without a window and with a profile of its own.
func browse(t *testing.T, page string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		path, err = exec.LookPath("google-chrome")
	}
	if err != nil {
		t.Fatalf("chromium is needed, make e2e installs it: %v", err)
	}
	profile, err := os.MkdirTemp("", "switchback-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	// The browser's helpers write into the profile a moment longer than it lives.
	t.Cleanup(func() {
		binary.Until(t, "the profile is gone", func() bool { return os.RemoveAll(profile) == nil })
	})
	binary.Start(t, profile, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--disable-features=OptimizationHints,MediaRouter", "--user-data-dir="+profile, page)
}

func (p *webPage) handler(script string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>flags</title><script src="/page.js"></script>`))
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, script) })
	mux.HandleFunc("GET /question", func(w http.ResponseWriter, r *http.Request) {
		select {
		case q := <-p.questions:
			_ = json.NewEncoder(w).Encode(q)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /reply", func(_ http.ResponseWriter, r *http.Request) {
		var d details
		if json.NewDecoder(r.Body).Decode(&d) == nil {
			p.replies <- d
		}
	})
	mux.HandleFunc("POST /event", func(_ http.ResponseWriter, r *http.Request) {
		e := webEvent{at: time.Now()}
		if json.NewDecoder(r.Body).Decode(&e) == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events = append(p.events, e)
		}
	})
	return mux
}

// patience is how long a page may take for anything.
const patience = 30 * time.Second

func (p *webPage) ask(t *testing.T, q question) (d details) {
	t.Helper()
	p.send(t, q)
	select {
	case d = <-p.replies:
	case <-time.After(patience):
		t.Fatalf("the page does not answer; events: %+v", p.since(0))
	}
	return d
}

func (p *webPage) send(t *testing.T, q any) {
	t.Helper()
	select {
	case p.questions <- q:
	case <-time.After(patience):
		t.Fatalf("the page asks no more; events: %+v", p.since(0))
	}
}

// since are the events from the nth on.
func (p *webPage) since(n int) []webEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]webEvent(nil), p.events[n:]...)
}

// until waits for an event from now on, or one that came already when none was awaited before.
func (p *webPage) until(t *testing.T, what string, is func(webEvent) bool) webEvent {
	t.Helper()
	return p.after(t, 0, what, is)
}

// after waits for an event from the nth on.
func (p *webPage) after(t *testing.T, n int, what string, is func(webEvent) bool) (found webEvent) {
	t.Helper()
	binary.Within(t, patience, what, func() bool {
		for _, e := range p.since(n) {
			if e.Type == "failed" {
				t.Fatalf("the page failed: %s", e.Message)
			}
			if is(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func changed(e webEvent) bool { return e.Type == "PROVIDER_CONFIGURATION_CHANGED" }

// TestWebPageFollows has no polling: what a page learns, it learns from the stream.
func TestWebPageFollows(t *testing.T) {
	t.Parallel()
	site, page := webSDK(t, "local-cache-first")
	first := page.until(t, "the first answer", func(e webEvent) bool { return e.Type == "answer" })
	if first.Status != 200 || first.ETag == "" {
		t.Fatalf("first answer %+v", first)
	}
	title := question{"string", "title", "default", user("first")}
	for _, killed := range []bool{true, false} {
		n := len(page.since(0))
		if killed {
			site.kill(t, "title")
		} else {
			site.restore(t, "title")
		}
		acknowledged := time.Now()
		e := page.after(t, n, "the page hears of the change", changed)
		t.Logf("killed %v: the page knew %v after the answer", killed, e.at.Sub(acknowledged))
		if len(e.Changed) != 1 || e.Changed[0] != "title" {
			t.Errorf("changed flags %q, want title", e.Changed)
		}
		if d := page.ask(t, title); (d.Value == "Shop") != killed {
			t.Errorf("killed %v: %+v", killed, d)
		}
	}

	// An edit of the file is a change like any other.
	n := len(page.since(0))
	site.extra = strings.Replace(flagsOfEveryType, "high: 100", "high: 200", 1)
	site.save(t, site.yaml(100))
	page.after(t, n, "the page hears of the edit", changed)
	if d := page.ask(t, question{"integer", "limit", 1.0, user("first")}); d.Value != 200.0 {
		t.Errorf("after the edit: %+v", d)
	}
	var last webEvent
	for _, e := range page.since(n) {
		if e.Type == "answer" && e.Status == 200 {
			last = e
		}
	}

	// A change that does not concern this user costs a question and no answer: 304.
	n = len(page.since(0))
	site.put(t, "pro", `{"strategy":"users","targeting":[{"when":{"attribute":"plan","in":["pro","team"]}}]}`)
	e := page.after(t, n, "the page asks again", func(e webEvent) bool { return e.Type == "answer" })
	if e.Status != 304 || e.Known != last.ETag {
		t.Errorf("answer %+v, want 304 for %s", e, last.ETag)
	}

	// A page that is opened anew has its flags at once, and its stream from what it remembered.
	n = len(page.since(0))
	page.send(t, map[string]any{"reload": true})
	page.after(t, n, "the page is back", func(e webEvent) bool { return e.Type == "PROVIDER_READY" })
	page.after(t, n, "it asked whether it is up to date", func(e webEvent) bool { return e.Type == "answer" && e.Status == 304 })
	n = len(page.since(0))
	site.kill(t, "title")
	page.after(t, n, "the page hears of the kill", changed)
	if d := page.ask(t, title); d.Value != "Shop" || d.Reason != "STATIC" {
		t.Errorf("after the kill: %+v", d)
	}
}

// TestWebPageSurvivesARestart: the stream breaks and flags change before it is back. The page hears of it, and
// its stream goes on.
func TestWebPageSurvivesARestart(t *testing.T) {
	t.Parallel()
	site, page := webSDK(t, "local-cache-first")
	n := len(page.since(0))
	site.kill(t, "title")
	page.after(t, n, "the page hears of the kill", changed)
	site.proc.Kill()
	page.after(t, n, "the page notices", func(e webEvent) bool { return e.Type == "PROVIDER_STALE" })
	n = len(page.since(0))
	site.start(t)
	site.restore(t, "title")
	page.after(t, n, "the page is up to date", changed)
	if d := page.ask(t, question{"string", "title", "default", user("first")}); d.Value == "Shop" || d.Value == "default" {
		t.Errorf("after the restart: %+v", d)
	}
	n = len(page.since(0))
	site.kill(t, "title")
	page.after(t, n, "the page hears of the next kill", changed)
}
