package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// A watch looks when something happens, though its figures are not due for an hour; and when it cannot listen, it
// looks by itself.
func TestWatchLivesFromEvents(t *testing.T) {
	f, address, err := serveFake()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	show := func(why string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.overview.Services = []api.Service{{Name: "shop", Why: why}}
	}
	show("first")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &app{env: func(string) string { return "" }, now: time.Now, figures: time.Hour}
	root, out := a.root(), make(chunks, 100)
	root.SetArgs([]string{"status", "--watch", "--admin", address})
	root.SetOut(out)
	root.SetErr(out)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	until := func(what string) {
		t.Helper()
		for !strings.Contains(out.next(t), what) {
		}
	}
	until("first")
	show("second")
	f.happen(happened("1", "shop", "cutover"))
	until("second")
	f.interrupt()
	show("third") // without an event
	until("third")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the watch ended with %v", err)
	}
}
