package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// writes are one request for every write, with a body that is valid.
var writes = []struct{ method, path, body string }{
	{"PUT", "/v1/services/shop/weights", `{"weights": {"blue": 100}}`},
	{"DELETE", "/v1/services/shop/weights", `{"reason": "r"}`},
	{"POST", "/v1/services/shop/cutover", `{"to": "green"}`},
	{"POST", "/v1/services/shop/rollback", `{}`},
	{"POST", "/v1/services/shop/rollout", `{"to": "green"}`},
	{"POST", "/v1/services/shop/rollout/promote", `{}`},
	{"POST", "/v1/services/shop/rollout/approve", `{}`},
	{"POST", "/v1/services/shop/rollout/step-back", `{}`},
	{"POST", "/v1/services/shop/rollout/open-gate", `{"reason": "r"}`},
	{"POST", "/v1/services/shop/rollout/rollback", `{}`},
	{"POST", "/v1/services/shop/rollout/pause", `{}`},
	{"POST", "/v1/services/shop/rollout/resume", `{}`},
	{"POST", "/v1/config/reload", `{}`},
	{"PUT", "/v1/flags/checkout", `{"strategy": "none"}`},
	{"DELETE", "/v1/flags/checkout", `{}`},
	{"POST", "/v1/flags/checkout/kill", `{}`},
	{"POST", "/v1/flags/checkout/restore", `{}`},
	{"POST", "/api/flags/checkout", `{"strategy": "none"}`},
}

// Every write hands on its key, what identifies it, and whether it is only tried; and says when an answer is one
// that was given before.
func TestTermsOfWrites(t *testing.T) {
	requests := map[string]string{}
	for _, q := range writes {
		what := q.method + " " + q.path
		b := newBench(t)
		b.replayed = true
		w := b.ask(t, q.method, q.path, q.body, jsonBody, "Idempotency-Key: 4f3b-1")
		got := b.last()
		if w.Code != http.StatusOK && w.Code != http.StatusCreated || got.Key != "4f3b-1" || got.DryRun || got.Request == "" {
			t.Errorf("%s: status %d, call %+v", what, w.Code, got)
		}
		if w.Header().Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: nothing says that the answer is an old one", what)
		}
		if other, known := requests[got.Request]; known {
			t.Errorf("%s and %s are taken for the same", what, other)
		}
		requests[got.Request] = what

		b = newBench(t)
		w = b.ask(t, q.method, q.path+"?dry_run=true", q.body, jsonBody)
		if got := b.last(); w.Code != http.StatusOK || !got.DryRun || got.Key != "" {
			t.Errorf("%s as a dry run: status %d, call %+v", what, w.Code, got)
		}
		if w.Header().Get("Idempotency-Replayed") != "" || w.Header().Get("Location") != "" {
			t.Errorf("%s as a dry run: %v", what, w.Header())
		}
		w = b.ask(t, q.method, q.path+"?dry_run=false", q.body, jsonBody)
		if got := b.last(); got.DryRun || w.Code >= 300 {
			t.Errorf("%s with dry_run=false: status %d, %+v", what, w.Code, got)
		}
		again := b.last().Request
		if w = b.ask(t, q.method, q.path, q.body+" ", jsonBody); w.Code >= 300 || b.last().Request == again {
			t.Errorf("%s: another body is taken for the same", what)
		}
	}
}

func TestWrongTerms(t *testing.T) {
	tests := []struct{ query, header, detail string }{
		{"?dry_run=1", "", "dry_run=true or dry_run=false"},
		{"?dry_run", "", "dry_run=true"},
		{"?dry_run=true&dry_run=true", "", "dry_run=true"},
		{"?dry_run=true&force=true", "", "not understood"},
		{"?dryrun=true", "", "not understood"},
		{"?%zz", "", "not understood"},
		{"", "Idempotency-Key: ", "Idempotency-Key is"},
		{"", "Idempotency-Key: a b", "one word"},
		{"", "Idempotency-Key: ä", "one word"},
		{"", "Idempotency-Key: " + strings.Repeat("x", maxKey+1), "at most 128"},
	}
	for _, tt := range tests {
		for _, q := range writes {
			headers := []string{jsonBody}
			if tt.header != "" {
				headers = append(headers, tt.header)
			}
			b := newBench(t)
			w := b.ask(t, q.method, q.path+tt.query, q.body, headers...)
			wantProblem(t, w, http.StatusBadRequest, tt.detail)
			if len(b.seen()) > 0 {
				t.Errorf("%s %s%s was carried out: %q", q.method, q.path, tt.query, b.seen())
			}
		}
	}
	w := newBench(t).ask(t, "POST", "/v1/services/shop/rollback", "{}", jsonBody, "Idempotency-Key: a", "Idempotency-Key: b")
	wantProblem(t, w, http.StatusBadRequest, "one word")
}

// last is the call of the last command.
func (c *recorder) last() api.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.call
}
