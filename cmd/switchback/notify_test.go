package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestNodeTellsTheManager lives a node from start to end and listens to what it says of itself.
func TestNodeTellsTheManager(t *testing.T) {
	dir := t.TempDir()
	m := listenAsManager(t)
	file := notStarting(t, dir, "", "")
	n, err := openNode(t.Context(), file, nodeOptions{Log: zap.NewNop(), Level: zap.NewAtomicLevel(), Manager: manager{m.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(run) }()
	expect(t, m, "READY=1")

	n.reload(run)
	at := expect(t, m, "RELOADING=1")["MONOTONIC_USEC"]
	if usec, err := strconv.ParseInt(at, 10, 64); err != nil || usec <= 0 {
		t.Errorf("reloads at %q, want microseconds", at)
	}
	if said := expect(t, m, "READY=1")["STATUS"]; said != statusServing {
		t.Errorf("status %q after a good file", said)
	}

	// A wrong file is read as well: what was in force goes on.
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.reload(run)
	expect(t, m, "RELOADING=1")
	if said := expect(t, m, "READY=1")["STATUS"]; !strings.Contains(said, "wrong") {
		t.Errorf("status %q after a wrong file", said)
	}

	stop()
	expect(t, m, "STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	n.reload(run) // too late: not a word
	silent(t, m)
}

// silent fails when there is a message left.
func silent(t *testing.T, m *net.UnixConn) {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	if n, err := m.Read(b); err == nil {
		t.Errorf("the manager was told %q", b[:n])
	}
}

func listenAsManager(t *testing.T) *net.UnixConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "sb") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// expect reads one message that begins with a line, and returns all its lines by name.
func expect(t *testing.T, m *net.UnixConn, first string) map[string]string {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := m.Read(b)
	if err != nil {
		t.Fatalf("waited for %s: %v", first, err)
	}
	lines := strings.Split(string(b[:n]), "\n")
	if lines[0] != first {
		t.Fatalf("the manager was told %q, want %s", lines, first)
	}
	said := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		said[name] = value
	}
	return said
}

// TestManagerIsNotNeeded: nobody listens, or nobody asked to be told.
func TestManagerIsNotNeeded(t *testing.T) {
	for _, m := range []manager{{}, {filepath.Join(t.TempDir(), "nobody")}, {"/" + strings.Repeat("long", 100)}} {
		m.ready(statusServing)
		m.reloading()
		m.stopping()
	}
}
