package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestStatusOfConnections: the status counts who is connected by path, and who was handed over.
func TestStatusOfConnections(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("one path only")
	}
	l := liveNode(t, stickyShop)
	if out, _, _ := l.run(t, "", "status"); strings.Contains(out, "connections") {
		t.Errorf("nobody is connected, but\n%s", out)
	}
	l.ask(t, "HTTP/1.1")
	old := l.ask(t, "HTTP/1.0\r\nConnection: keep-alive")
	c := l.connected(t, 1, 1)
	if c.Handovers["version"] != 1 || len(c.Handovers) != 1 {
		t.Errorf("hand-overs %v, want one of a version", c.Handovers)
	}
	if out, _, _ := l.run(t, "", "status"); !strings.HasSuffix(out, "\n\nconnections: 1 on the fast path, 1 on the general one\n") {
		t.Errorf("status shows\n%s", out)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if c := l.connected(t, 1, 0); c.Handovers["version"] != 1 {
		t.Errorf("hand-overs %v after the end of the connection", c.Handovers)
	}
}

// ask sends a request on a connection of its own, which stays open until the test ends.
func (l *livesite) ask(t *testing.T, version string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(l.web, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // once more, perhaps
	if _, err := io.WriteString(conn, "GET / "+version+"\r\nHost: shop.test\r\nX-User-ID: u\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return conn
}

// connected waits until so many are connected on each path.
func (l *livesite) connected(t *testing.T, fast, general int64) (c api.Connections) {
	t.Helper()
	for range 2000 {
		o, err := l.Overview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c = o.Node.Connections; c.Fast == fast && c.General == general {
			return c
		}
		pause(t.Context(), 5*time.Millisecond)
	}
	t.Fatalf("connections are %+v, want %d and %d", c, fast, general)
	return c
}
