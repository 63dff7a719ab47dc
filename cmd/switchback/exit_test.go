package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"anything", errors.New("x"), 1},
		{"usage", fmt.Errorf("x: %w", usage{errors.New("y")}), 2},
		{"configuration", fmt.Errorf("x: %w", config.Problems{{Msg: "y"}}), 2},
		{"invalid", api.Problem(api.TypeInvalid, "x"), 2},
		{"unauthorized", api.Problem(api.TypeUnauthorized, "x"), 1},
		{"forbidden", api.Problem(api.TypeForbidden, "x"), 1},
		{"not found", api.Problem(api.TypeNotFound, "x"), 1},
		{"conflict", api.Problem(api.TypeUnexpectedLivePool, "x"), 3},
		{"stale", api.Problem(api.TypeStaleRevision, "x"), 3},
		{"not ready", fmt.Errorf("x: %w", api.Problem(api.TypePoolNotReady, "x")), 3},
		{"store", api.Problem(api.TypeStoreUnavailable, "x"), 1},
		{"internal", api.Problem(api.TypeInternal, "x"), 1},
		{"too many tries", &api.Error{Status: http.StatusTooManyRequests, Detail: "x"}, 1},
		{"timeout", fmt.Errorf("x: %w", context.DeadlineExceeded), 6},
		{"unreachable", fmt.Errorf("x: %w", api.ErrUnreachable), 7},
		{"dial that took too long", fmt.Errorf("%w: %w", api.ErrUnreachable, context.DeadlineExceeded), 7},
		{"rolled back", coded{errors.New("x"), exitRolledBack}, 4},
		{"paused", coded{errors.New("x"), exitPaused}, 5},
		{"no data", coded{errors.New("x"), exitNoData}, 8},
		{"rollout in progress", api.Problem(api.TypeRolloutInProgress, "x"), 3},
		{"its own", fmt.Errorf("x: %w", coded{errors.New("y"), exitTimeout}), 6},
	}
	for _, tt := range tests {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

// An answer that does not come, or breaks off, leaves open what became of a command; the text says so.
func TestCommandsWithoutAnswer(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the end of the client goes unnoticed
			<-r.Context().Done()
		}))
		defer server.Close()
		wantUnanswered(t, 20*time.Millisecond, server.URL, exitTimeout)
	})
	t.Run("connection lost", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		defer server.Close()
		wantUnanswered(t, time.Minute, server.URL, exitUnreachable)
	})
}

func wantUnanswered(t *testing.T, limit time.Duration, admin string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	env := func(name string) string { return map[string]string{"SWITCHBACK_ADMIN": admin}[name] }
	var stdout, stderr strings.Builder
	got := run(ctx, []string{"rollback", "shop"}, strings.NewReader(""), &stdout, &stderr, env)
	if got != want || stdout.Len() > 0 || !strings.Contains(stderr.String(), "may have been carried out") {
		t.Errorf("exit code %d, want %d; stdout %q; stderr %q", got, want, &stdout, &stderr)
	}
}

func TestSpan(t *testing.T) {
	tests := map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 12*time.Second + 999*time.Millisecond: "12 s", time.Minute: "1 min",
		59*time.Minute + 59*time.Second: "59 min", time.Hour: "1 h", 47 * time.Hour: "47 h", 75 * time.Hour: "3 d",
	}
	for d, want := range tests {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}
