package examples

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// get asks the service.
const get = "curl -s http://127.0.0.1:8080/"

func TestQuickstart(t *testing.T) {
	// The file leaves both addresses and the state folder to their defaults, which a test cannot use.
	const head = "listeners: {web: {address: 127.0.0.1:8080}}\nadmin: {address: 127.0.0.1:9900}\n"
	e := open(t, "quickstart", head, "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:9900")
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.5.0")
	e.up(t, "127.0.0.1:8081", "127.0.0.1:8082")
	e.expect(t, "switchback check -c examples/quickstart/switchback.yaml", 0)
	proxy := e.start(t, "switchback serve -c examples/quickstart/switchback.yaml")
	e.served(t)

	answer := `{"pool":"blue","target":"127.0.0.1:8081","version":"2.4.0"}`
	e.says(t, answer)
	e.expect(t, get, 0, answer)
	if got := e.share(t); got != 0 {
		t.Errorf("green answers %v of the requests, want none", got)
	}

	quarter := "weights: {blue: 75, green: 25}"
	e.says(t, quarter)
	e.edit(t, "weights: {blue: 100, green: 0}", quarter)
	e.moves(t, "75 %", "25 %")
	if got := e.share(t); got < 0.15 || got > 0.35 {
		t.Errorf("green answers %v of the requests, want about a quarter", got)
	}

	nonsense := "weights: {blue: 75, green: 30}"
	e.says(t, nonsense)
	e.edit(t, quarter, nonsense)
	e.expect(t, "switchback check -c examples/quickstart/switchback.yaml", 2, "weights")
	binary.Until(t, "status shows what is wrong", func() bool {
		out, _ := e.run(t, "switchback status")
		return strings.Contains(out, "switchback.yaml:")
	})
	e.moves(t, "75 %", "25 %")
	e.edit(t, nonsense, quarter)

	e.expect(t, `switchback cutover web --to green --reason "2.5.0 looks good"`, 0)
	if got := e.share(t); got != 1 {
		t.Errorf("green answers %v of the requests after the cutover, want all", got)
	}
	e.expect(t, `switchback rollback web --reason "second thoughts"`, 0)
	e.moves(t, "75 %", "25 %")

	proxy.Signal(t, syscall.SIGTERM)
	if code := proxy.Wait(t, 40*time.Second); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
}

// moves waits until status shows the shares in this order.
func (e *example) moves(t *testing.T, shares ...string) {
	t.Helper()
	binary.Until(t, fmt.Sprintf("status shows %v", shares), func() bool {
		out, code := e.run(t, "switchback status web")
		for _, s := range shares {
			_, rest, found := strings.Cut(out, s)
			if !found {
				return false
			}
			out = rest
		}
		return code == 0
	})
}

// share is the part of 400 requests that 2.5.0 answers.
func (e *example) share(t *testing.T) float64 {
	t.Helper()
	green := 0
	for range 400 {
		out, code := e.run(t, get)
		if code != 0 {
			t.Fatalf("a request failed: %s", out)
		}
		if strings.Contains(out, "2.5.0") {
			green++
		}
	}
	return float64(green) / 400
}
