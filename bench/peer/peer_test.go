package peer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var setup = Setup{
	Listen: "127.0.0.1:1", Admin: "127.0.0.1:2", Threads: 3, Clients: 100,
	Blue: []string{"127.0.0.1:3", "127.0.0.1:4"}, Green: []string{"127.0.0.1:5", "127.0.0.1:6"},
}

// TestFiles looks for what every proxy must have been told.
func TestFiles(t *testing.T) {
	for _, p := range []Peer{
		Nginx("n"), HAProxy("h"), Caddy("c"), Traefik("t"), Envoy("e"), ReverseProxy("r"), Relay("r"), Switchback("s", "switchback", "", ""),
		Switchback("s", "variant", ", fast: false", "    sticky: {key: [{cookie: user}]}\n"),
	} {
		t.Run(p.Name, func(t *testing.T) {
			var text string
			for name, content := range p.Files(setup) {
				text += content
				if !strings.HasSuffix(content, "\n") || strings.ContainsAny(name, "/ ") {
					t.Errorf("file %q does not end with a line or has no plain name", name)
				}
			}
			told := strings.Join(append(p.Args(setup), text), " ")
			if p.Env != nil {
				told += strings.Join(p.Env(setup), " ")
			}
			for _, port := range []string{"1", "3", "4", "5", "6"} {
				if p.Name != "Envoy" && p.Name != "Caddy" && !strings.Contains(told, "127.0.0.1:"+port) || !strings.Contains(told, port) {
					t.Errorf("nothing of port %s", port)
				}
			}
			if !strings.Contains(told, "3") || strings.Contains(told, "%!") {
				t.Errorf("it is told\n%s", told)
			}
		})
	}
}

// TestShares adds up to a round of 200, whatever the number of targets.
func TestShares(t *testing.T) {
	got := make(map[string]int)
	each(setup, func(addr string, weight int) { got[addr] = weight })
	if len(got) != 4 || got["127.0.0.1:3"] != 95 || got["127.0.0.1:4"] != 95 || got["127.0.0.1:5"] != 5 || got["127.0.0.1:6"] != 5 {
		t.Errorf("weights %v", got)
	}
}

// script is a peer that runs a line of shell.
func script(text string) Peer {
	return Peer{Name: "script", Program: "/bin/sh", Args: always("-c", text), Files: func(Setup) map[string]string { return nil }}
}

// TestStartFails says what the program wrote, at once.
func TestStartFails(t *testing.T) {
	_, err := script("echo no such directive >&2; exit 3").Start(t.Context(), t.TempDir(), setup)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such directive") {
		t.Errorf("error %v", err)
	}
	if _, err := (Peer{Name: "none", Program: "/nowhere", Args: always(), Files: script("").Files}).Start(t.Context(), t.TempDir(), setup); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestEndsWithContext kills the children of a program, too.
func TestEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := script("sleep 1000 & wait").run(ctx, t.TempDir(), setup)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Running(); err != nil {
		t.Errorf("it runs, but %v", err)
	}
	cancel()
	<-p.done
	if err := p.Running(); err == nil || !strings.Contains(err.Error(), "sh ended") {
		t.Errorf("error %v of a program that was killed", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stop after its end: %v", err)
	}
}

func TestTell(t *testing.T) {
	p := Peer{Name: "a", Program: "/bin/sh", Version: []string{"-c", "echo hello; echo version 1.2 >&2; echo built 2026"}}
	if got, err := p.Tell(t.Context()); err != nil || got != "version 1.2" {
		t.Errorf("version %q, %v", got, err)
	}
	p.Version = []string{"-c", "exit 1"}
	var exit *exec.ExitError
	if _, err := p.Tell(t.Context()); !errors.As(err, &exit) {
		t.Errorf("error %v", err)
	}
}

// TestStop asks first.
func TestStop(t *testing.T) {
	dir := t.TempDir()
	p, err := script("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done").run(t.Context(), dir, setup)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.tail() != "ready\n" {
		<-tick.C
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := p.tail(); got != "ready\nasked\n" {
		t.Errorf("it wrote %q", got)
	}
}
