package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

var update = flag.Bool("update", false, "rewrite the golden screens in testdata/demo")

// sceneOf is a scene with so much of the traffic on green, of which some requests fail.
func sceneOf(green, failed int) scene {
	s := scene{front: "http://127.0.0.1:40001", admin: "http://127.0.0.1:40002", age: 72 * time.Second}
	s.lately.Elapsed = 2 * time.Second
	for i := range 1000 {
		took := time.Duration(1+i%9) * time.Millisecond
		if i < green*10 {
			s.lately.Record("green", i < failed, took)
		} else {
			s.lately.Record("blue", false, took/2)
		}
	}
	s.total = demo.Count{Requests: 35_120, Failed: int64(failed)}
	up := []api.Target{{Status: "up"}, {Status: "up"}}
	s.shop = api.Service{
		Name: "shop", Order: demoPools, Roles: api.Roles{Baseline: "blue", Candidate: "green", Live: "blue", Idle: "green"},
		Weights: api.Layers{InForce: share(float64(100-green), float64(green))},
		Pools:   map[string]api.Pool{"blue": {Version: "1.0", Up: 2, Targets: up}, "green": {Version: "2.0", Up: 2, Targets: up}},
	}
	return s
}

func (s scene) rolling(checks ...api.Check) scene {
	s.shop.Rollout = &api.Rollout{
		Phase: api.PhaseStepping, Step: 2, Steps: 4, Weight: 25, Candidate: "green", Baseline: "blue", Version: "2.0",
		Observed: "3s", Least: "5s", Deadline: "30m0s", Waiting: "212 of about 300 requests on green (2s at the present rate)", Checks: checks,
	}
	return s
}

func (s scene) deciding(sentence string) scene {
	s.decided = api.Event{At: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), Sentence: sentence}
	return s
}

func (s scene) typing(all ...typed) scene {
	s.typed = all
	return s
}

func scenes() map[string]scene {
	start := sceneOf(0, 0)
	start.soon = 4 * time.Second
	rolling := sceneOf(25, 12).rolling(
		api.Check{Name: "errors", Verdict: "undecided", Against: 38, Candidate: api.Counts{Requests: 212, Bad: 9}, Baseline: api.Counts{Requests: 640, Bad: 1}, Waiting: "212 of about 300 requests"},
		api.Check{Name: "p50", Verdict: "pass", For: 390, Candidate: api.Counts{Requests: 212, Bad: 100}, Baseline: api.Counts{Requests: 640, Bad: 320}},
	).deciding("promoted to 25 %: in 1,370 requests green failed none and blue none of 13,384, so more than the tolerated 0.5 points of extra failures over all users at 25 % is ruled out at 95 %; p50 passed too").
		typing(typed{line: "switchback rollout start shop", answer: []string{"shop rollout started: blue 100 % → blue 90 %, green 10 % (revision 4)", "undo: switchback rollback shop"}})
	rolling.fault = demo.Fault{Errors: 0.05, Latency: 300 * time.Millisecond}
	back := sceneOf(0, 0).rolling().deciding("rolled back: since 15:03 green failed 7 of 156 requests (4.5 %) while blue failed none of 1,491 (0 %)")
	back.shop.Rollout.Phase, back.shop.Failed = api.PhaseRolledBack, "2.0"
	back = back.typing(
		typed{answer: []string{"green now answers 5 % of its requests with status 500"}},
		typed{line: "switchback cutover shop --to green", failed: true, answer: []string{"switchback: green is not ready: 1 of 2 targets is up. It was refused so that nobody meets an error.", "To go with the targets that are up: --force, with a --reason."}},
	)
	paused := sceneOf(50, 0)
	paused.shop.Paused, paused.busy = &api.Pause{By: "anonymous"}, true
	paused = paused.typing(typed{line: "switchback pause shop"})
	lost := sceneOf(50, 0)
	lost.lost = "the server does not answer: \x1b[2Jwait for http://127.0.0.1:40002"
	return map[string]scene{"start": start, "rolling": rolling, "back": back, "paused": paused, "lost": lost, "empty": {}}
}

// TestView compares screens of the usual size with golden ones, which testdata/demo holds for looking at.
func TestView(t *testing.T) {
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) { golden(t, name, s.view(80, 24, paint{})) })
	}
	t.Run("wide", func(t *testing.T) { golden(t, "wide", scenes()["rolling"].view(132, 30, paint{})) })
	t.Run("low", func(t *testing.T) { golden(t, "low", scenes()["rolling"].view(60, 18, paint{})) })
	t.Run("small", func(t *testing.T) { golden(t, "small", scenes()["rolling"].view(40, 10, paint{})) })
	t.Run("colour", func(t *testing.T) {
		golden(t, "colour", strings.ReplaceAll(scenes()["rolling"].view(80, 24, paint{colour: true}), "\x1b", "␛"))
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "demo", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestViewFits: whatever the size of a terminal and whatever was said, nothing goes beyond its edge, and
// the keys stay where they are.
func TestViewFits(t *testing.T) {
	loud := scenes()["rolling"]
	loud.decided.Sentence = strings.Repeat("many words ", 200)
	loud.typed[0].answer = []string{strings.Repeat("x", 1000), "more"}
	for name, s := range map[string]scene{"loud": loud, "back": scenes()["back"], "empty": {}} {
		for width := 1; width < 200; width += 7 {
			for height := 1; height < 60; height += 3 {
				lines := strings.Split(s.view(width, height, paint{colour: true}), "\n")
				if width < leastWidth || height < leastHeight {
					continue // a sentence that says so
				}
				if len(lines) != height {
					t.Fatalf("%s: %d lines in %d by %d", name, len(lines), width, height)
				}
				for _, line := range lines {
					if w := lipgloss.Width(line); w > width {
						t.Fatalf("%s: a line of %d cells in %d by %d: %q", name, w, width, height, line)
					}
				}
				if last := ansi.Strip(lines[height-1]); !strings.Contains(last, "q quit") {
					t.Fatalf("%s: in %d by %d the last line is %q", name, width, height, last)
				}
			}
		}
	}
}

// TestViewWithoutColour has no escape at all, and says the same.
func TestViewWithoutColour(t *testing.T) {
	for name, s := range scenes() {
		plain, colour := s.view(80, 24, paint{}), s.view(80, 24, paint{colour: true})
		if strings.Contains(plain, "\x1b") {
			t.Errorf("%s: an escape without colour", name)
		}
		if ansi.Strip(colour) != plain {
			t.Errorf("%s: colour says\n%s\nand without it\n%s", name, ansi.Strip(colour), plain)
		}
	}
}
