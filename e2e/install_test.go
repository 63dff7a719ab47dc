//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// tool runs a program that judges something. It has to agree.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed, make e2e installs it: %v", name, err)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write puts what the program says into a file.
func write(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	if err != nil {
		t.Fatalf("switchback %s: %v", strings.Join(args, " "), err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCompletionScripts(t *testing.T) {
	tool(t, "bash", "-n", write(t, "switchback", "completion", "bash"))
	tool(t, "zsh", "-n", write(t, "_switchback", "completion", "zsh"))
	tool(t, "fish", "--no-execute", write(t, "switchback.fish", "completion", "fish"))
}

// completing is what a person does with a tab, for a shell without a terminal: the words so far, and then
// what the shell offers for the last one.
const completing = `
source /usr/share/bash-completion/bash_completion
source "$1"
shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
compopt() { :; }
__start_switchback
printf '%s\n' "${COMPREPLY[@]}"`

// TestCompletionInBash asks a real bash with a real server behind it, and then without.
func TestCompletionInBash(t *testing.T) {
	s := newSite(t)
	s.start(t)
	script := write(t, "switchback", "completion", "bash")
	t.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
	t.Setenv("SWITCHBACK_ADMIN", "http://"+s.admin)
	offers := func(words ...string) string {
		t.Helper()
		args := append([]string{"-c", completing, "bash", script, "switchback"}, words...)
		return strings.Join(strings.Fields(tool(t, "bash", args...)), " ")
	}
	tests := []struct {
		words []string
		want  string
	}{
		{[]string{"cutover", "w"}, "web"},
		{[]string{"cutover", "web", "--to", ""}, "blue green"},
		{[]string{"cutover", "web", "--to", "g"}, "green"},
		{[]string{"weights", "web", "gr"}, "green="},
		{[]string{"wait", "web", "--for", "p"}, "paused promoted"},
	}
	for _, tt := range tests {
		if got := offers(tt.words...); got != tt.want {
			t.Errorf("switchback %s<tab> offers %q, want %q", strings.Join(tt.words, " "), got, tt.want)
		}
	}
	s.proc.Kill()
	if got := offers("cutover", "web", "--to", ""); got != "" {
		t.Errorf("without a server it offers %q", got)
	}
}

func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), program, "man", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("switchback man: %v\n%s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	tool(t, "mandoc", append([]string{"-Tlint", "-Wwarning"}, pages...)...)
	text := tool(t, "mandoc", "-Tascii", "-Owidth=200", filepath.Join(dir, "switchback-cutover.1"))
	if !strings.Contains(text, "It is refused unless every target of the pool is up") {
		t.Errorf("the page does not say when a cutover is refused:\n%s", text)
	}
}

// TestSystemdUnit lets systemd judge the unit: that it is one, and how much is left open.
func TestSystemdUnit(t *testing.T) {
	unit, err := os.ReadFile("../examples/systemd/switchback.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "switchback.service")
	// The program has to be there, and the manual page is not installed.
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/switchback", program)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "systemd-analyze", "verify", "--man=no", file); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	const most = "20" // tenths of 10, where 96 is a unit without any protection
	tool(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold="+most, file)
}

// TestHealthWithoutAnything runs the health check as a scratch image has it: no environment, no PATH.
func TestHealthWithoutAnything(t *testing.T) {
	s := newSite(t)
	check := func(want int, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"health", "--admin", "http://" + s.admin}, args...)...)
		cmd.Env = []string{}
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("health %v: exit code %d, want %d\n%s", args, got, want, out)
		}
	}
	check(7)
	s.extra = "shutdown: {delay: 60s}"
	s.save(t, s.yaml(100))
	s.start(t)
	check(0)
	s.proc.Signal(t, os.Interrupt)
	binary.Until(t, "the proxy is not ready any more", func() bool { return status("http://"+s.admin+"/readyz") == 503 })
	check(1)
	check(0, "--live")
}
