package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/store/bolt"
)

// TestServeDoesNotStart: what a node needs and does not find ends it with a sentence that names it.
func TestServeDoesNotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	tests := []struct {
		name string
		keys string // in front of the services; ADDRESS is taken, DIR a folder of the test
		code int
		says string
	}{
		{"a wrong file", "listenerz: {}", exitUsage, `did you mean "listeners"?`},
		{"a listener's address is taken", `listeners: {web: {address: "ADDRESS"}}`, exitError, "listener web: listen tcp"},
		{"the admin address is taken", `admin: {address: "ADDRESS"}`, exitError, "admin: "},
		{"state.dir is a file", "state: {dir: DIR/file}", exitError, "open state.dir "},
		{"state.dir is another process's", "state: {dir: DIR/used}", exitError, bolt.ErrInUse.Error()},
		{"no token file", "admin: {address: \"127.0.0.1:0\", tokens: [{name: ci, role: operator, file: DIR/none}]}", exitError, "none"},
		{"no certificate", `listeners: {web: {address: "127.0.0.1:0", tls: {certificates: [{cert: DIR/none, key: DIR/none}]}}}`, exitError, "listener web: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			used, _, err := bolt.Open(filepath.Join(dir, "used"), bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = used.Close() })
			var stderr bytes.Buffer
			code := run(t.Context(), []string{"serve", "-c", notStarting(t, dir, tt.keys, taken.Addr().String())}, nil, &stderr, &stderr,
				func(string) string { return "" })
			if code != tt.code || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.says, stderr.String())
			}
		})
	}
}

// notStarting writes a file with keys over what a node needs to start in dir.
func notStarting(t *testing.T, dir, keys, taken string) string {
	t.Helper()
	keys = strings.NewReplacer("ADDRESS", taken, "DIR", dir).Replace(keys)
	lines := []string{keys, "services: {web: {pools: {blue: [http://127.0.0.1:1]}}}"}
	for key, line := range map[string]string{
		"listeners:": `listeners: {web: {address: "127.0.0.1:0"}}`, "admin:": `admin: {address: "127.0.0.1:0"}`, "state:": "state: {dir: " + dir + "/state}",
	} {
		if !strings.HasPrefix(keys, key) {
			lines = append(lines, line)
		}
	}
	path := filepath.Join(dir, "switchback.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
