package admin

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/internal/memnet"
)

const testAddress = "127.0.0.1:9900"

// serve runs b in the network until stop is called, which waits for the end.
func (b *bench) serve(t *testing.T, network *memnet.Network) (stop func()) {
	t.Helper()
	ln, err := network.Listen(testAddress)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.server.Serve(ctx, ln) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func dial(t *testing.T, network *memnet.Network) net.Conn {
	t.Helper()
	conn, err := network.DialContext(t.Context(), "tcp", testAddress)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// send writes raw bytes; receive reads one response and its body.
func send(t *testing.T, conn net.Conn, raw string) {
	t.Helper()
	if _, err := io.WriteString(conn, strings.ReplaceAll(raw, "\n", "\r\n")); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func receive(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return res.StatusCode, string(b)
}

func TestRawRequests(t *testing.T) {
	tests := []struct {
		name, raw string
		status    int
	}{
		{"OPTIONS * passes the guards", "OPTIONS * HTTP/1.1\nHost: evil.example\n\n", 421},
		{"OPTIONS * has no route", "OPTIONS * HTTP/1.1\nHost: localhost\n\n", 404},
		{"absolute form names the host", "GET http://evil.example/v1/services HTTP/1.1\nHost: localhost\n\n", 421},
		{"no host field", "GET /v1/services HTTP/1.0\n\n", 421},
		{"two hosts", "GET /v1/services HTTP/1.1\nHost: localhost\nHost: localhost\n\n", 400},
		{"CONNECT", "CONNECT localhost:9900 HTTP/1.1\nHost: localhost:9900\n\n", 404},
		{"huge head", "GET / HTTP/1.1\nHost: localhost\nX: " + strings.Repeat("x", 80<<10) + "\n\n", 431},
		{"chunked without a length, oversized", "POST /v1/services/shop/rollback HTTP/1.1\nHost: localhost\nContent-Type: application/json\n" +
			"Transfer-Encoding: chunked\n\n12000\n" + strings.Repeat(" ", 0x12000) + "\n0\n\n", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, b := memnet.New(), newBench(t)
				stop := b.serve(t, network)
				conn := dial(t, network)
				go func() { // the server may answer and close before it has read all
					_, _ = io.WriteString(conn, strings.ReplaceAll(tt.raw, "\n", "\r\n"))
				}()
				if status, body := receive(t, conn); status != tt.status {
					t.Errorf("status = %d, want %d; body %s", status, tt.status, body)
				}
				if got := b.seen(); len(got) > 0 {
					t.Errorf("the controller saw %q, want nothing", got)
				}
				_ = conn.Close()
				stop()
			})
		})
	}
}

// A client that never ends its head or body is cut off, also when nobody reads the body.
func TestSlowClientsAreCutOff(t *testing.T) {
	tests := map[string]string{
		"head":           "GET /livez HTTP/1.1\nHost: loc",
		"body":           "POST /v1/services/shop/rollback HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 10\n\n{",
		"body of a read": "GET /livez HTTP/1.1\nHost: localhost\nContent-Length: 10\n\n{",
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, b := memnet.New(), newBench(t)
				stop := b.serve(t, network)
				conn := dial(t, network)
				start := time.Now()
				send(t, conn, raw)
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Fatalf("read to the end: %v", err)
				}
				if took := time.Since(start); took > 15*time.Second {
					t.Errorf("cut off after %v, want at most 15s", took)
				}
				if got := b.seen(); len(got) > 0 {
					t.Errorf("the controller saw %q, want nothing", got)
				}
				_ = conn.Close()
				stop()
			})
		})
	}
}

const rawCutover = "POST /v1/services/shop/cutover HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 15\n\n{\"to\": \"green\"}"

// No timeout of the server may end a cutover that waits for its pool to drain.
func TestLongCutoverIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		b.hold = make(chan struct{})
		stop := b.serve(t, network)
		conn := dial(t, network)
		send(t, conn, rawCutover)
		time.Sleep(59 * time.Minute)
		close(b.hold)
		if status, body := receive(t, conn); status != http.StatusOK {
			t.Errorf("status = %d, body %s", status, body)
		}
		_ = conn.Close()
		stop()
	})
}

func TestClientThatLeavesEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		b.hold = make(chan struct{})
		stop := b.serve(t, network)
		conn := dial(t, network)
		send(t, conn, rawCutover)
		synctest.Wait()
		_ = conn.Close()
		synctest.Wait()
		logged := b.logs.FilterMessage("admin request abandoned").All()
		if len(logged) != 1 || logged[0].ContextMap()["error"] != context.Canceled.Error() {
			t.Errorf("log = %v, want one line about the cancelled wait", logged)
		}
		stop()
	})
}

func TestServeLetsCommandsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		b.hold = make(chan struct{})
		stop := b.serve(t, network)
		conn := dial(t, network)
		send(t, conn, rawCutover)
		synctest.Wait()
		time.AfterFunc(endTimeout/2, func() { close(b.hold) })
		stop()
		if status, body := receive(t, conn); status != http.StatusOK {
			t.Errorf("status = %d, want 200: the command ended in time; body %s", status, body)
		}
		_ = conn.Close()
	})
}

func TestServeCutsLongWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, b := memnet.New(), newBench(t)
		b.hold = make(chan struct{})
		stop := b.serve(t, network)
		conn := dial(t, network)
		send(t, conn, rawCutover)
		synctest.Wait()
		start := time.Now()
		stop()
		if took := time.Since(start); took > endTimeout+cutTimeout {
			t.Errorf("Serve ended after %v, want at most %v", took, endTimeout+cutTimeout)
		}
		if status, _ := receive(t, conn); status != http.StatusInternalServerError {
			t.Errorf("status = %d, want 500", status)
		}
		_ = conn.Close()
	})
}

func TestServeReportsABrokenListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, err := memnet.New().Listen(testAddress)
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		if err := newBench(t).server.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v, want net.ErrClosed", err)
		}
	})
}
