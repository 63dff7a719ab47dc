package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCompletionGivesUp asks a server that takes the connection and says nothing: the prompt comes back by
// itself, without a word.
func TestCompletionGivesUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	args := []string{"__complete", "cutover", "--admin", "http://" + ln.Addr().String(), "--to", ""}
	if code := run(ctx, args, nil, &out, &errs, func(string) string { return "" }); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if ctx.Err() != nil {
		t.Error("it was waited for until the end")
	}
	if out.String() != ":4\n" || strings.Contains(errs.String(), "switchback:") {
		t.Errorf("said %q and %q", out.String(), errs.String())
	}
}

// TestEveryServiceIsCompleted: a verb that takes a service offers those there are, whoever adds it.
func TestEveryServiceIsCompleted(t *testing.T) {
	root := (&app{env: func(string) string { return "" }, now: time.Now}).root()
	for _, name := range []string{"status", "plan", "events", "history", "cutover", "rollback", "pause", "resume", "wait", "weights"} {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		if cmd.ValidArgsFunction == nil {
			t.Errorf("%s completes no service", name)
		}
	}
	for _, verb := range []string{"start", "promote", "approve", "step-back"} {
		cmd, _, err := root.Find([]string{"rollout", verb})
		if err != nil || cmd.ValidArgsFunction == nil {
			t.Errorf("rollout %s completes no service (%v)", verb, err)
		}
	}
}
