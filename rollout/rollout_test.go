package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

func shop() *config.Service {
	return &config.Service{
		Name:    "shop",
		Pools:   []config.Pool{{Name: "blue"}, {Name: "green"}},
		Weights: config.All("blue"),
	}
}

func started(t *testing.T, svc *config.Service) State {
	t.Helper()
	s, _, err := Step(svc, State{}, File{At: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecodeRefuses(t *testing.T) {
	s := started(t, shop())
	good, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, from, to string }{
		{"half a value", `"baseline"`, `"base`},
		{"another format", `"format":1`, `"format":2`},
		{"no format", `"format":1,`, ``},
		{"weights that are no whole", `"basis":{"blue":100}`, `"basis":{"blue":99}`},
		{"no weights", `"basis":{"blue":100}`, `"basis":null`},
		{"a negative weight", `"basis":{"blue":100}`, `"basis":{"blue":110,"green":-10}`},
		{"no baseline", `"baseline":"blue"`, `"baseline":""`},
		{"an intent that is no whole", `"format":1,`, `"format":1,"intent":{"weights":{"green":1}},`},
		{"a previous that is no whole", `"format":1,`, `"format":1,"previous":{"weights":{"green":1}},`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(string(good), tt.from, tt.to, 1)
			if bad == string(good) {
				t.Fatalf("%s is not in %s", tt.from, good)
			}
			if got, err := Decode([]byte(bad)); err == nil {
				t.Errorf("Decode(%s) = %+v, want an error", bad, got)
			}
		})
	}
}

func TestRecordIsBounded(t *testing.T) {
	svc := shop()
	s := started(t, svc)
	for i := range 2 * keep {
		verb := VerbPause
		if i%2 == 1 {
			verb = VerbResume
		}
		var err error
		if s, _, err = Step(svc, s, Commanded{Verb: verb, By: "ann", Reason: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.Recent) != keep {
		t.Fatalf("got %d decisions, want %d", len(s.Recent), keep)
	}
	if got, want := s.Recent[keep-1].Reason, fmt.Sprint(2*keep-1); got != want {
		t.Errorf("the newest is %q, want %q", got, want)
	}
}

// TestSince: replacing an intent by another one does not make file and intent agree in between.
func TestSince(t *testing.T) {
	svc, at := shop(), time.Unix(1e9, 0).UTC()
	s := started(t, svc)
	for i, blue := range []config.Weight{7000, 5000} {
		var err error
		s, _, err = Step(svc, s, Commanded{
			Verb: VerbWeights, At: at.Add(time.Duration(i) * time.Hour), By: "ann",
			Weights: config.Weights{"blue": blue, "green": config.Full - blue},
			Facts:   Facts{"blue": {Up: 1}, "green": {Up: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !s.Intent.Since.Equal(at) || !s.Intent.At.Equal(at.Add(time.Hour)) {
		t.Errorf("got since %v at %v, want since %v", s.Intent.Since, s.Intent.At, at)
	}
}

func TestCommandsNeedAState(t *testing.T) {
	if _, _, err := Step(shop(), State{}, Commanded{Verb: VerbPause}); err == nil {
		t.Error("a command on a service never seen was accepted")
	}
	if _, _, err := Step(shop(), started(t, shop()), Commanded{Verb: "dance"}); err == nil {
		t.Error("an unknown verb was accepted")
	}
}

func TestCauseString(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	tests := []struct {
		cause Cause
		want  string
	}{
		{Cause{VerbCutover, "ci", at, "release 2.5.0"}, "cutover by ci at 2026-01-02T15:04:05Z: release 2.5.0"},
		{Cause{VerbWeights, "ann", at, ""}, "weights set by ann at 2026-01-02T15:04:05Z"},
		{Cause{VerbRollback, "ann", at, ""}, "rollback by ann at 2026-01-02T15:04:05Z"},
		{Cause{VerbFile, "file", at, ""}, "the file's weights since 2026-01-02T15:04:05Z"},
		{Cause{VerbStart, "switchback", at, "new version"}, "rollout started by switchback at 2026-01-02T15:04:05Z: new version"},
		{Cause{VerbJudge, "switchback", at, "errors failed"}, "decided by switchback at 2026-01-02T15:04:05Z: errors failed"},
		{Cause{VerbStepBack, "ann", at, ""}, "stepped back by ann at 2026-01-02T15:04:05Z"},
	}
	for _, tt := range tests {
		if got := tt.cause.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
