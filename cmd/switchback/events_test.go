package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// chunks is an output that hands over what is written as it is written.
type chunks chan string

func (c chunks) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

func (c chunks) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was written for 20s")
		return ""
	}
}

// start runs a command until its context ends; exit yields its code.
func start(ctx context.Context, address string, args ...string) (stdout, stderr chunks, exit chan int) {
	stdout, stderr, exit = make(chunks, 100), make(chunks, 100), make(chan int, 1)
	env := func(name string) string { return map[string]string{"SWITCHBACK_ADMIN": address}[name] }
	go func() { exit <- run(ctx, args, strings.NewReader(""), stdout, stderr, env) }()
	return stdout, stderr, exit
}

func happened(id, service, sentence string) api.Event {
	return api.Event{ID: id, Service: service, Type: "x", Sentence: sentence}
}

// What happened comes first, then each event once, also after the stream broke off; the end is a good one.
func TestEventsAreFollowed(t *testing.T) {
	f, address, err := serveFake()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	f.overview.Services = []api.Service{{Name: "shop"}}
	f.happen(happened("1", "shop", "one"), happened("2", "web", "two"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	text, stderr, exit := start(ctx, address, "events", "-f")
	lines, _, other := start(ctx, address, "events", "-f", "shop", "-o", "json")
	if got := text.next(t) + text.next(t); got != "0001-01-01T00:00:00Z  shop  x\n    one\n0001-01-01T00:00:00Z  web  x\n    two\n" {
		t.Errorf("first came %q", got)
	}
	f.happen(happened("3", "shop", "three"))
	if got := text.next(t); !strings.Contains(got, "three") {
		t.Errorf("then came %q, want three", got)
	}
	f.interrupt()
	if got := stderr.next(t); !strings.Contains(got, "the stream of events ended; trying again") {
		t.Errorf("stderr of a broken stream: %q", got)
	}
	f.happen(happened("4", "shop", "four"))
	if got := text.next(t); !strings.Contains(got, "four") {
		t.Errorf("after the break came %q, want four", got)
	}
	for _, want := range []string{"1", "3", "4"} {
		line := lines.next(t)
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID != want || strings.Count(line, "\n") != 1 {
			t.Errorf("line %q, want event %s; error %v", line, want, err)
		}
	}
	cancel()
	if code := <-exit; code != exitDone {
		t.Errorf("exit code %d, want 0", code)
	}
	if code := <-other; code != exitDone {
		t.Errorf("exit code with JSON %d, want 0", code)
	}
}

// A refusal is not waited out.
func TestFollowingNothing(t *testing.T) {
	f, address, err := serveFake()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	_, stderr, exit := start(t.Context(), address, "events", "-f", "shap")
	if code := <-exit; code != exitError {
		t.Errorf("exit code %d, want 1", code)
	}
	if got := stderr.next(t); !strings.Contains(got, `no service "shap"`) {
		t.Errorf("stderr: %q", got)
	}
}
