//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// damage is what may happen to a file while nobody looks.
var damage = []struct {
	name string
	do   func(t *testing.T, file string)
}{
	{"truncated", func(t *testing.T, file string) {
		// Half of a small file, the first pages of a large one, whose end may hold nothing.
		rewrite(t, file, func(b []byte) []byte { return b[:min(len(b)/2, 6000)] })
	}},
	{"emptied", func(t *testing.T, file string) { rewrite(t, file, func([]byte) []byte { return nil }) }},
	{"zeroed", func(t *testing.T, file string) { rewrite(t, file, func(b []byte) []byte { clear(b); return b }) }},
	{"bits flipped", func(t *testing.T, file string) {
		rewrite(t, file, func(b []byte) []byte {
			for i := range b {
				b[i] ^= 1 << (i % 8)
			}
			return b
		})
	}},
	{"unreadable", func(t *testing.T, file string) {
		// Root reads whatever its mode, so a folder takes the file's place.
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
	}},
	{"gone", func(t *testing.T, file string) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}},
}

func rewrite(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCorruptState damages the state between stop and start. One damaged file costs nothing; both are a
// loss that is said aloud, and the file's weights are in force.
func TestCorruptState(t *testing.T) {
	for _, d := range damage {
		t.Run(d.name, func(t *testing.T) {
			s := newSite(t)
			s.start(t)
			s.up(t)
			s.cutover(t, "green")
			s.stop(t)

			d.do(t, filepath.Join(s.state, "state.db"))
			s.start(t)
			s.found(t, "recovered", 0)
			s.always(t, "green", 20)
			s.up(t)
			s.cutover(t, "blue") // the rebuilt database takes writes
			s.cutover(t, "green")
			s.stop(t)

			d.do(t, filepath.Join(s.state, "last-good.json"))
			s.start(t)
			s.found(t, "intact", 0)
			s.always(t, "green", 20)
			s.stop(t)

			d.do(t, filepath.Join(s.state, "state.db"))
			d.do(t, filepath.Join(s.state, "last-good.json"))
			s.start(t)
			s.found(t, "lost", 100)
			s.always(t, "blue", 20)
			if !strings.Contains(s.proc.Output(), `"warn"`) {
				t.Errorf("nothing was logged as a warning:\n%s", s.proc.Output())
			}
			s.up(t)
			s.cutover(t, "green") // and life goes on
			s.always(t, "green", 20)
		})
	}
}

// found checks where the state came from, in status and as a metric, and the weight of blue.
func (s *site) found(t *testing.T, origin string, blue float64) {
	t.Helper()
	o, err := s.api.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.Node.State.Origin != origin {
		t.Errorf("the state is %q, want %q", o.Node.State.Origin, origin)
	}
	if got := s.metric(t, `switchback_state_origin{origin="`+origin+`"}`); got != "1" {
		t.Errorf("switchback_state_origin of %s is %q, want 1", origin, got)
	}
	if got := s.view(t).Weights.InForce["blue"]; got != blue {
		t.Errorf("blue has %v %%, want %v", got, blue)
	}
}

// stop ends the proxy as an operator does.
func (s *site) stop(t *testing.T) {
	t.Helper()
	s.proc.Signal(t, syscall.SIGTERM)
	if code := s.proc.Wait(t, 20*time.Second); code != 0 {
		t.Fatalf("the proxy ended with %d:\n%s", code, s.proc.Output())
	}
}
