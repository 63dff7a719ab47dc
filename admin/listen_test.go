package admin

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

func TestListenTCP(t *testing.T) {
	ln, err := Listen(config.Admin{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := Listen(config.Admin{Address: ln.Addr().String()}); err == nil {
		t.Error("the same address twice: no error")
	}
}

func TestListenSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	cfg := config.Admin{Address: "unix:" + path}
	ln, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket = %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := Listen(cfg); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("a socket in use: %v", err)
	}

	ln.(*net.UnixListener).SetUnlinkOnClose(false) // as a killed process leaves it
	_ = ln.Close()
	ln, err = Listen(cfg)
	if err != nil {
		t.Fatalf("a socket left behind: %v", err)
	}
	_ = ln.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there after Close: %v", err)
	}

	write(t, path, "precious")
	if _, err := Listen(cfg); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the place of the socket: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
}

// Over the socket the client names itself, no address; foreign names are refused there too.
func TestSocketWithTheClient(t *testing.T) {
	cfg := config.Admin{Address: "unix:" + filepath.Join(t.TempDir(), "s.sock")}
	ln, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(d *Deps) { d.Config = cfg })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.server.Serve(ctx, ln) }()

	c, err := api.NewClient(cfg.Address, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Rollback(t.Context(), "shop", api.CommandRequest{Reason: "r"}); err != nil {
		t.Errorf("Rollback: %v", err)
	}
	if got := strings.Join(b.seen(), ""); !strings.Contains(got, "From:unix") {
		t.Errorf("the controller saw %q, want it to come from unix", got)
	}
	for _, host := range []string{"", "localhost", "switchback"} {
		if w := b.ask(t, "GET", "/v1/services", "", "Host: "+host); w.Code != http.StatusOK {
			t.Errorf("host %q: status %d, want 200", host, w.Code)
		}
	}
	wantProblem(t, b.ask(t, "GET", "/v1/services", "", "Host: evil.example"), http.StatusMisdirectedRequest, "")

	c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
