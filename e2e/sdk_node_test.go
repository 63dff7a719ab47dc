//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
)

// nodeProcess is a process of Node with the server SDK.
type nodeProcess struct {
	questions *json.Encoder
	answers   *bufio.Scanner
}

// nodeSDK starts Node; make e2e installs it and the packages.
func nodeSDK(t *testing.T) (*flagSite, sdk) {
	t.Helper()
	site := newFlagSite(t)
	cmd := exec.CommandContext(t.Context(), "node", "server.mjs")
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), "FLAGS_URL="+site.flags, "FLAGS_TOKEN="+flagToken)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("node is needed, make e2e installs it: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the process ends with its questions
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	return site, &nodeProcess{json.NewEncoder(in), bufio.NewScanner(out)}
}

func (p *nodeProcess) ask(t *testing.T, q question) (d details) {
	t.Helper()
	if err := p.questions.Encode(q); err != nil {
		t.Fatal(err)
	}
	if !p.answers.Scan() {
		t.Fatalf("node ended: %v", p.answers.Err())
	}
	if err := json.Unmarshal(p.answers.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}
