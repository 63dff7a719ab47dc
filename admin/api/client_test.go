package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client speaks to a server that answers with handle.
func client(t *testing.T, token string, handle http.HandlerFunc) *api.Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := api.NewClient(server.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// drop forgets the answer of a method, for a table of them.
func drop[T any](_ T, err error) error { return err }

func TestMethodsAskTheirEndpoints(t *testing.T) {
	var got string
	c := client(t, "", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		if r.ContentLength > 0 && r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: Content-Type = %q", got, r.Header.Get("Content-Type"))
		}
		_, _ = io.WriteString(w, "{}")
	})
	ctx, q := t.Context(), api.CommandRequest{Reason: "r"}
	tests := []struct {
		want string
		ask  func() error
	}{
		{"GET /v1/services", func() error { return drop(c.Overview(ctx)) }},
		{"GET /v1/services/a%2Fb%3F", func() error { return drop(c.Service(ctx, "a/b?")) }},
		{`PUT /v1/services/s/weights {"weights":{"blue":100},"reason":"r"}`, func() error {
			return drop(c.SetWeights(ctx, "s", api.WeightsRequest{Weights: api.Weights{"blue": 100}, Reason: "r"}))
		}},
		{`DELETE /v1/services/s/weights {"reason":"r"}`, func() error { return drop(c.DropIntent(ctx, "s", q)) }},
		{`POST /v1/services/s/cutover {"to":"green","reason":"r"}`, func() error {
			return drop(c.Cutover(ctx, "s", api.CutoverRequest{To: "green", Reason: "r"}))
		}},
		{`POST /v1/services/s/rollback {"reason":"r"}`, func() error { return drop(c.Rollback(ctx, "s", q)) }},
		{`POST /v1/services/s/rollout/pause {"reason":"r"}`, func() error { return drop(c.Pause(ctx, "s", q)) }},
		{`POST /v1/services/s/rollout/resume {"reason":"r"}`, func() error { return drop(c.Resume(ctx, "s", q)) }},
		{`POST /v1/services/s/rollout {"to":"green","reason":"r"}`, func() error {
			return drop(c.StartRollout(ctx, "s", api.StartRequest{To: "green", Reason: "r"}))
		}},
		{`POST /v1/services/s/rollout/promote {"reason":"r"}`, func() error {
			return drop(c.Promote(ctx, "s", api.PromoteRequest{Reason: "r"}))
		}},
		{`POST /v1/services/s/rollout/promote {"full":true,"reason":"r"}`, func() error {
			return drop(c.Promote(ctx, "s", api.PromoteRequest{Full: true, Reason: "r"}))
		}},
		{`POST /v1/services/s/rollout/approve {"reason":"r"}`, func() error { return drop(c.Approve(ctx, "s", q)) }},
		{`POST /v1/services/s/rollout/step-back {"reason":"r"}`, func() error { return drop(c.StepBack(ctx, "s", q)) }},
		{`POST /v1/services/s/rollout/open-gate {"gate":"promote","reason":"r"}`, func() error {
			return drop(c.OpenGate(ctx, "s", api.OpenGateRequest{Gate: "promote", Reason: "r"}))
		}},
		{"GET /v1/services/s/rollout", func() error { return drop(c.Rollout(ctx, "s")) }},
		{"GET /v1/services/s/rollouts", func() error { return drop(c.Rollouts(ctx, "s")) }},
		{"GET /v1/services/s/plan", func() error { return drop(c.Plan(ctx, "s")) }},
		{"GET /v1/events", func() error { return drop(c.Events(ctx, api.EventsQuery{})) }},
		{"GET /v1/events?after=a%26b&limit=5&service=s", func() error {
			return drop(c.Events(ctx, api.EventsQuery{Service: "s", After: "a&b", Limit: 5}))
		}},
		{`POST /v1/config/reload {"reason":"r"}`, func() error { return drop(c.Reload(ctx, q)) }},
	}
	for _, tt := range tests {
		if err := tt.ask(); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
		if got != tt.want {
			t.Errorf("asked %s, want %s", got, tt.want)
		}
	}
}

func TestTokenAndRevisionAreSent(t *testing.T) {
	var auth, match string
	c := client(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		auth, match = r.Header.Get("Authorization"), r.Header.Get("If-Match")
		_, _ = io.WriteString(w, "{}")
	})
	if _, err := c.Matching(42).Rollback(t.Context(), "s", api.CommandRequest{}); err != nil {
		t.Fatal(err)
	}
	if auth != "Bearer secret" || match != `"42"` {
		t.Errorf("Authorization %q, If-Match %q", auth, match)
	}
	if _, err := c.Rollback(t.Context(), "s", api.CommandRequest{}); err != nil || match != "" {
		t.Errorf("If-Match = %q without Matching, error %v", match, err)
	}
}

func TestProblemsAreErrors(t *testing.T) {
	want := api.Problem(api.TypePoolNotReady, "green has 1 of 2 targets up")
	want.Targets = []api.Target{{URL: "http://10.0.0.1:80", Status: "down"}}
	c := client(t, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(want.Status)
		_ = json.NewEncoder(w).Encode(want)
	})
	_, err := c.Overview(t.Context())
	got, ok := errors.AsType[*api.Error](err)
	if !ok || got.Type != want.Type || got.Status != 422 || got.Detail != want.Detail || len(got.Targets) != 1 {
		t.Errorf("error = %#v, want %#v", err, want)
	}
}

func TestStrangeAnswersAreErrors(t *testing.T) {
	tests := map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>hello")
		}, "does not answer like a switchback"},
		"an error page": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "bad gateway", http.StatusBadGateway)
		}, "does not answer like a switchback: 502"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/services" {
				t.Errorf("the redirect to %s was followed", r.URL.Path)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "does not answer like a switchback: 307"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			block := strings.Repeat(" ", 1<<20)
			for range 17 {
				_, _ = io.WriteString(w, block)
			}
		}, "more than 16777216 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, "secret", tt.handle).Overview(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
			if errors.Is(err, api.ErrUnreachable) {
				t.Errorf("error = %v: something did answer", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	bases := []string{server.URL, "unix:" + t.TempDir() + "/none.sock"}
	for _, base := range bases {
		c, err := api.NewClient(base, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Overview(t.Context()); !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), base) {
			t.Errorf("error = %v, want ErrUnreachable and the address", err)
		}
	}
	c := client(t, "", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := c.Rollback(t.Context(), "s", api.CommandRequest{}); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("error of a broken connection = %v, want ErrUnreachable", err)
	}
}

func TestEndOfTheContextIsNoAnswer(t *testing.T) {
	c := client(t, "", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Overview(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, api.ErrUnreachable) {
		t.Errorf("error = %v, want the deadline and not ErrUnreachable", err)
	}
}

func TestNewClientRefuses(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:9900", "localhost:9900", "ftp://localhost", "http://", "unix:", "http://u:p@localhost", "http://localhost?x=1", "http://[::1"} {
		if _, err := api.NewClient(base, ""); err == nil {
			t.Errorf("NewClient(%q): no error", base)
		}
	}
	if _, err := api.NewClient("http://localhost", "a\nb"); err == nil {
		t.Error("a token with a line break: no error")
	}
}
