package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/notify"
	"github.com/switchback-proxy/switchback/outbound"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const at = "203.0.113.1:80"

// outside is a network with one server that somebody else runs, and a client of it. Everything is in
// virtual time.
type outside struct {
	*notify.Client
	net  *memnet.Network
	logs *observer.ObservedLogs

	mu       sync.Mutex
	requests []request
}

type request struct {
	at                time.Time
	path, auth, media string
	body              string
}

func bubble(t *testing.T, handle http.HandlerFunc, f func(t *testing.T, o *outside)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		o := &outside{net: memnet.New(), logs: logs}
		out := outbound.New(outbound.Options{
			Dial: o.net.DialContext,
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("203.0.113.1")}, nil
			},
		})
		o.Client = notify.New(out, zap.New(core))
		stop := o.serve(t, handle)
		f(t, o)
		out.Close()
		stop()
	})
}

// serve answers until the returned function is called.
func (o *outside) serve(t *testing.T, handle http.HandlerFunc) func() {
	t.Helper()
	if handle == nil {
		return func() {}
	}
	ln, err := o.net.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		o.requests = append(o.requests, request{time.Now(), r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)})
		o.mu.Unlock()
		handle(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	return func() { s.Close(); <-done }
}

func (o *outside) seen() []request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]request(nil), o.requests...)
}

func gate(timeout time.Duration) config.Gate {
	return config.Gate{At: config.GatePromote, Post: "http://ci.example.com/verify/hunter2", Timeout: timeout}
}

func status(codes ...int) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, _ *http.Request) {
		code := codes[min(n, len(codes)-1)]
		n++
		if code == http.StatusFound {
			w.Header().Set("Location", "http://ci.example.com/elsewhere")
		}
		w.WriteHeader(code)
	}
}

func TestAsk(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name    string
		handle  http.HandlerFunc
		timeout time.Duration
		open    bool
		tries   int
		took    time.Duration
		said    string
	}{
		{"opens", status(204), 3 * time.Minute, true, 1, 0, "answered 204, 1 try in 0s"},
		{"opens at last", status(500, 503, 200), 3 * time.Minute, true, 3, 3 * time.Second, "answered 200, 3 tries in 3s"},
		{"500", status(500), time.Minute, false, 0, time.Minute, "answered 500 Internal Server Error"},
		{"302", status(302), 10 * time.Second, false, 0, 10 * time.Second, "answered 302, and redirects are not followed"},
		{"404", status(404), 10 * time.Second, false, 0, 10 * time.Second, "answered 404 Not Found"},
		{"never answers", hang, 3 * time.Minute, false, 1, 3 * time.Minute, "no complete answer within 3m0s: context deadline exceeded, 1 try in 3m"},
		{"takes its time", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(100 * time.Second) }, 3 * time.Minute, true, 1, 100 * time.Second, "answered 200, 1 try in 1m40s"},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, "HTTP/9 yes hunter2\r\n\r\n")
			conn.Close()
		}, 5 * time.Second, false, 0, 5 * time.Second, "the answer is not HTTP that can be read"},
		{"endless head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, 5 * time.Second, false, 0, 5 * time.Second, "tries in 5s"},
		{"large body", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }, 5 * time.Second, false, 0, 5 * time.Second, "the answer is too large"},
		{"nobody there", nil, 5 * time.Second, false, 0, 5 * time.Second, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.handle, func(t *testing.T, o *outside) {
				began := time.Now()
				got := o.Ask(t.Context(), gate(tt.timeout), notify.Question{ID: "shop/1/1"})
				if took := time.Since(began); got.Open != tt.open || !strings.Contains(got.Said, tt.said) || took != tt.took {
					t.Errorf("open %v after %v, said %q; want %v after %v, %q", got.Open, took, got.Said, tt.open, tt.took, tt.said)
				}
				if strings.Contains(got.Said, "hunter2") {
					t.Errorf("what makes the address a secret is told: %s", got.Said)
				}
				if n := len(o.seen()); tt.tries > 0 && n != tt.tries {
					t.Errorf("asked %d times, want %d", n, tt.tries)
				}
				for _, r := range o.seen() {
					if r.path != "/verify/hunter2" {
						t.Errorf("asked %s", r.path)
					}
				}
			})
		})
	}
}

// TestAskPauses expects tries that become rarer, and one near the end.
func TestAskPauses(t *testing.T) {
	bubble(t, status(500), func(t *testing.T, o *outside) {
		began := time.Now()
		o.Ask(t.Context(), gate(time.Minute), notify.Question{})
		var got []string
		for _, r := range o.seen() {
			got = append(got, r.at.Sub(began).String())
		}
		if want := "0s 1s 3s 7s 15s 30s 45s 59s"; strings.Join(got, " ") != want {
			t.Errorf("asked at %v, want %s", got, want)
		}
	})
}

func TestAskEnds(t *testing.T) {
	bubble(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, o *outside) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if got := o.Ask(ctx, gate(time.Hour), notify.Question{}); got.Open || time.Since(began) != 10*time.Second {
			t.Errorf("open %v after %v, want no answer as soon as nobody asks any more", got.Open, time.Since(began))
		}
	})
}

func TestQuestion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ci.token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bubble(t, status(200), func(t *testing.T, o *outside) {
		g := gate(time.Minute)
		g.TokenFile = file
		q := notify.Question{
			ID: "shop/3/1", Gate: config.GatePromote, Service: "shop", Rollout: "3",
			Candidate: notify.Pool{Name: "green", Version: "2.5.0"}, Baseline: notify.Pool{Name: "blue", Version: "2.4.0"},
			Step: 2, Steps: 4, Weight: 25, Next: 50, Sentence: "every check is proven", Link: "http://127.0.0.1:9900/v1/services/shop/rollout",
		}
		o.Ask(t.Context(), g, q)
		want := `{"id":"shop/3/1","gate":"promote","service":"shop","rollout":"3","candidate":{"pool":"green","version":"2.5.0"},` +
			`"baseline":{"pool":"blue","version":"2.4.0"},"step":2,"steps":4,"weight":25,"next":50,"sentence":"every check is proven",` +
			`"link":"http://127.0.0.1:9900/v1/services/shop/rollout"}`
		if got := o.seen(); len(got) != 1 || got[0].body != want || got[0].auth != "Bearer s3cret" || got[0].media != "application/json" {
			t.Errorf("the gate was asked %+v, want\n%s", got, want)
		}
		g.TokenFile = file + ".gone"
		if got := o.Ask(t.Context(), g, q); got.Open || !strings.Contains(got.Said, "ci.token.gone") || len(o.seen()) != 1 {
			t.Errorf("without its token: %+v after %d questions", got, len(o.seen()))
		}
	})
}

func announcement() notify.Announcement {
	return notify.Announcement{
		Event: api.Event{
			ID: "shop/7", Service: "shop", Type: api.EventRolledBack, By: "switchback",
			Sentence: "rolled back: green failed 8 of 325 requests & <more>",
			Checks:   []api.Check{{Name: "errors", Verdict: "fail", Candidate: api.Counts{Requests: 325, Bad: 8}, Baseline: api.Counts{Requests: 6175, Bad: 6}}},
		},
		Undo: "switchback rollback shop", Link: "https://switchback.internal/v1/services/shop/rollout",
	}
}

// TestAnnounceOutage has a receiver that is down for an hour: it is told when it is back, within a minute.
func TestAnnounceOutage(t *testing.T) {
	bubble(t, nil, func(t *testing.T, o *outside) {
		began, done := time.Now(), make(chan error, 1)
		go func() {
			done <- o.Announce(t.Context(), config.Announce{Post: "http://hooks.example.com/hunter2"}, announcement())
		}()
		time.Sleep(time.Hour)
		stop := o.serve(t, status(200))
		defer stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if late := time.Since(began) - time.Hour; late > time.Minute {
			t.Errorf("told %v after it was back", late)
		}
		got := o.seen()
		var a notify.Announcement
		if len(got) != 1 || json.Unmarshal([]byte(got[0].body), &a) != nil || a.ID != "shop/7" || a.Undo == "" || a.Link == "" || a.Checks[0].Candidate.Bad != 8 {
			t.Errorf("told %+v", got)
		}
		if n := o.logs.FilterMessage("announcement not delivered yet").Len(); n != 1 {
			t.Errorf("the outage was logged %d times, want once", n)
		}
		for _, line := range o.logs.All() {
			if b, _ := json.Marshal(line.ContextMap()); strings.Contains(string(b), "hunter2") {
				t.Errorf("what makes the address a secret is logged: %s", b)
			}
		}
	})
}

func TestAnnounceEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, o *outside) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := o.Announce(ctx, config.Announce{Post: "http://hooks.example.com/"}, announcement()); err == nil {
			t.Error("told nobody and returned nil")
		}
	})
}

func TestSlack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slack.url")
	if err := os.WriteFile(file, []byte("http://hooks.example.com/services/hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bubble(t, status(403, 200), func(t *testing.T, o *outside) {
		if err := o.Announce(t.Context(), config.Announce{SlackFile: file}, announcement()); err != nil {
			t.Fatal(err)
		}
		got := o.seen()
		var m struct{ Text string }
		if len(got) != 2 || got[1].path != "/services/hunter2" || json.Unmarshal([]byte(got[1].body), &m) != nil {
			t.Fatalf("told %+v", got)
		}
		want := "*shop*: rolled back: green failed 8 of 325 requests &amp; &lt;more&gt;\n• errors: fail, candidate 8 of 325, baseline 6 of 6175\n" +
			"undo: `switchback rollback shop`\n<https://switchback.internal/v1/services/shop/rollout>"
		if m.Text != want {
			t.Errorf("said\n%s\nwant\n%s", m.Text, want)
		}
		for _, line := range o.logs.All() {
			if b, _ := json.Marshal(line.ContextMap()); strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), "slack.url") {
				t.Errorf("logged %s, want the file and not what it holds", b)
			}
		}
	})
}
