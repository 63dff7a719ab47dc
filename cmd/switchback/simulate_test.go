package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/simulate"
)

const simulatedFile = `
services:
  shop:
    pools: {blue: [http://10.0.0.1:8080], green: [http://10.0.1.1:8080]}
    weights: {blue: 100, green: 0}
    rollout: {}
`

// TestSimulateInterrupted: ctrl-C is a good end that shows what is known.
func TestSimulateInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "switchback.yaml")
	if err := os.WriteFile(file, []byte(simulatedFile), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, problems bytes.Buffer
	code := run(ctx, []string{"simulate", "-c", file, "--runs", "100000"}, nil, &out, &problems, func(string) string { return "" })
	if code != exitDone || problems.Len() > 0 {
		t.Errorf("exit code %d: %s", code, problems.String())
	}
	for _, want := range []string{"the baseline fails 0.10 %", "interrupted: 0 of 100,000 rollouts, seed 1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	b := progress{out: &out, total: 80}
	for done := range 81 {
		b.draw(done)
	}
	b.wipe()
	got := strings.Split(out.String(), "\r")
	if len(got) != 1+41+1 {
		t.Errorf("drawn %d times, want once for each of 41 widths", len(got)-2)
	}
	if want := "playing [" + strings.Repeat("#", 20) + strings.Repeat(".", 20) + "] 40 of 80\x1b[K"; got[21] != want {
		t.Errorf("half way: %q, want %q", got[21], want)
	}
	if last := got[len(got)-1]; last != "\x1b[K" {
		t.Errorf("%q is left behind", last)
	}
	silent := progress{total: 80}
	silent.draw(40)
	silent.wipe()
}

func TestBlamed(t *testing.T) {
	for want, row := range map[string]simulate.Row{
		"":                {Runs: 3},
		"errors":          {Runs: 3, Checks: map[string]int{"errors": 3}},
		"errors 2":        {Runs: 3, Checks: map[string]int{"errors": 2}},
		"p99 4, errors 2": {Runs: 6, Checks: map[string]int{"errors": 2, "p99": 4}},
		"p50 2, p95 2":    {Runs: 4, Checks: map[string]int{"p95": 2, "p50": 2}},
	} {
		if got := blamed(row); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
