package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"go.uber.org/zap"
)

// livesite is a node with real sockets in front of two servers, blue and green, and its file.
type livesite struct {
	file  string
	web   string // http://host:port
	admin string
	*api.Client
}

// liveNode starts a node with a file, in which BLUE and GREEN are the servers, and waits for both to be up. The file
// says nothing of listeners, admin and state.
func liveNode(t *testing.T, yaml string) *livesite {
	t.Helper()
	server := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	dir := t.TempDir()
	l := &livesite{file: filepath.Join(dir, "switchback.yaml")}
	l.write(t, `listeners: {web: {address: "127.0.0.1:0"}}
admin: {address: "127.0.0.1:0"}
state: {dir: `+dir+`/state}
`+strings.NewReplacer("BLUE", server("blue"), "GREEN", server("green")).Replace(yaml))
	n, err := openNode(t.Context(), l.file, nodeOptions{Log: zap.NewNop(), Level: zap.NewAtomicLevel(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	l.web, l.admin = "http://"+n.listeners[0].Addr().String(), "http://"+n.adminListener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	if l.Client, err = api.NewClient(l.admin, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		liveClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	l.until(t, "targets are up", func(s api.Service) bool {
		for _, p := range s.Pools {
			if p.Up < len(p.Targets) {
				return false
			}
		}
		return true
	})
	return l
}

func (l *livesite) write(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(l.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (l *livesite) read(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// until waits for shop to be as wanted.
func (l *livesite) until(t *testing.T, what string, so func(api.Service) bool) {
	t.Helper()
	for range 2000 {
		s, err := l.Service(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if so(s) {
			return
		}
		pause(t.Context(), 5*time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}

// run runs a command against the node.
func (l *livesite) run(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(args, "--admin", l.admin), strings.NewReader(stdin), &stdout, &stderr, func(string) string { return "" })
	return stdout.String(), stderr.String(), code
}
