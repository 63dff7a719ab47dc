package main

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

func TestCommandOf(t *testing.T) {
	still, rolling := sceneOf(10, 0).shop, sceneOf(25, 0).rolling().shop
	paused, over := still, rolling
	paused.Paused = &api.Pause{}
	over.Rollout = &api.Rollout{Phase: api.PhasePromoted}
	tests := []struct {
		key  string
		shop api.Service
		want string
	}{
		{"right", still, "switchback weights shop blue=85 green=15"},
		{"left", still, "switchback weights shop blue=95 green=5"},
		{"left", sceneOf(0, 0).shop, "switchback weights shop blue=100 green=0"},
		{"right", sceneOf(98, 0).shop, "switchback weights shop blue=0 green=100"},
		{"right", rolling, `switchback weights shop blue=70 green=30 --force --reason "by hand"`},
		{"right", over, "switchback weights shop blue=70 green=30"},
		{"s", still, "switchback rollout start shop"},
		{"c", still, "switchback cutover shop --to green"},
		{"c", api.Service{Roles: api.Roles{Idle: "blue"}}, "switchback cutover shop --to blue"},
		{"c", api.Service{}, "switchback cutover shop --to green"},
		{"r", still, "switchback rollback shop"},
		{"p", still, "switchback pause shop"},
		{"p", paused, "switchback resume shop"},
		{"x", still, "switchback"},
	}
	for _, tt := range tests {
		args := commandOf(tt.key, tt.shop)
		if got := typedLine(args); got != tt.want {
			t.Errorf("key %s types %s, want %s", tt.key, got, tt.want)
		}
		if args != nil {
			accepted(t, "key "+tt.key, append([]string{"switchback"}, args...))
		}
	}
}

func TestBreaking(t *testing.T) {
	var f demo.Fault
	for _, step := range []struct {
		key  string
		want demo.Fault
		say  string
	}{
		{"b", demo.Fault{Errors: 0.05}, "5 % of its requests"},
		{"l", demo.Fault{Errors: 0.05, Latency: 300 * time.Millisecond}, "300 ms longer"},
		{"h", demo.Fault{Errors: 0.05, Latency: 300 * time.Millisecond, Hang: 0.1}, "without an answer"},
		{"b", demo.Fault{Latency: 300 * time.Millisecond, Hang: 0.1}, "fails no more"},
		{"l", demo.Fault{Hang: 0.1}, "at once again"},
		{"h", demo.Fault{}, "every request again"},
	} {
		next, said, ok := breaking(step.key, f)
		if !ok || next != step.want || !strings.Contains(said, step.say) {
			t.Errorf("%s makes of %v: %v, %q, %v; want %v and %q", step.key, f, next, said, ok, step.want, step.say)
		}
		f = next
	}
	if _, _, ok := breaking("c", f); ok {
		t.Error("c breaks something")
	}
	// What --fault brought is switched off by its key, however much it was.
	if f, _, _ := breaking("b", demo.Fault{Errors: 0.5}); f.Errors != 0 {
		t.Errorf("b leaves %v", f)
	}
}

// TestRunTyped: a key is the command line, with the answer a person would read.
func TestRunTyped(t *testing.T) {
	f, admin, err := serveFake()
	if err != nil {
		t.Fatal(err)
	}
	defer f.end()
	f.overview.Services = []api.Service{{Name: "shop"}}
	f.change = api.Change{
		Service: "shop", Changed: true, Previous: share(100, 0), Weights: share(0, 100), Revision: 6, Undo: "switchback rollback shop", Durable: true,
	}
	answer, failed := runTyped(t.Context(), commandOf("c", api.Service{}), admin)
	if want := "shop cut over: blue 100 % → green 100 % (revision 6)\nundo: switchback rollback shop"; failed || strings.Join(answer, "\n") != want {
		t.Errorf("answer %q, failed %v, want %q", answer, failed, want)
	}
	if len(f.seen) != 1 || f.seen[0] != `cutover shop {"to":"green","reason":""} by anonymous` {
		t.Errorf("the server saw %q", f.seen)
	}
	f.problem = api.Problem(api.TypeRolloutInProgress, "A rollout of green 2.0 runs.")
	answer, failed = runTyped(t.Context(), commandOf("s", api.Service{}), admin)
	if !failed || !strings.Contains(strings.Join(answer, "\n"), "switchback: A rollout of green 2.0 runs.") {
		t.Errorf("answer %q, failed %v", answer, failed)
	}
	f.end()
	if answer, failed = runTyped(t.Context(), commandOf("r", api.Service{}), admin); !failed || !strings.Contains(answer[0], "no answer") {
		t.Errorf("without a server: %q, failed %v", answer, failed)
	}
}
