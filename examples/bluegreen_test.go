package examples

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

const (
	shopLive    = "curl -s -H 'Host: shop.example.com' http://127.0.0.1:8080/"
	shopPreview = "curl -s -H 'Host: shop.example.com' http://127.0.0.1:8090/"
	shopCutover = `switchback cutover shop --to green --reason "release 2.5.0"`
	shopServe   = "switchback serve -c examples/bluegreen/switchback.yaml"
)

func TestBlueGreen(t *testing.T) {
	e := open(t, "bluegreen", "", "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083",
		"127.0.0.1:8084", "127.0.0.1:8090", "127.0.0.1:9900")
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.4.0")
	e.up(t, "127.0.0.1:8081", "127.0.0.1:8082")
	proxy := e.start(t, shopServe)
	e.served(t)
	e.expect(t, shopLive, 0, "2.4.0")

	// Too early: refused, and nothing moved.
	e.expect(t, shopCutover, 3, "http://127.0.0.1:8083", "http://127.0.0.1:8084")
	e.always(t, shopLive, "2.4.0")

	e.start(t, "upstream --addr 127.0.0.1:8083 --version 2.5.0")
	e.start(t, "upstream --addr 127.0.0.1:8084 --version 2.5.0")
	binary.Until(t, "status shows every target up", func() bool {
		out, _ := e.run(t, "switchback status shop")
		return strings.Count(out, "2/2") == 2
	})
	e.always(t, shopLive, "2.4.0")
	e.always(t, shopPreview, "2.5.0")

	e.expect(t, shopCutover, 0)
	e.always(t, shopLive, "2.5.0")
	e.always(t, shopPreview, "2.4.0")
	e.expect(t, `switchback rollback shop --reason "checkout is slow"`, 0)
	e.always(t, shopLive, "2.4.0")

	e.expect(t, post("cutover", `{"to":"green","from":"blue","reason":"release 2.5.0"}`), 0, `"revision":`, `"in_flight":`, `"undo":`)
	e.always(t, shopLive, "2.5.0")
	e.expect(t, post("rollback", `{"reason":"checkout is slow"}`), 0, `"changed":true`)
	e.always(t, shopLive, "2.4.0")

	e.expect(t, shopCutover, 0)
	proxy.Signal(t, syscall.SIGINT)
	if code := proxy.Wait(t, 40*time.Second); code != 0 {
		t.Fatalf("serve ended with %d", code)
	}
	e.start(t, shopServe)
	e.served(t)
	e.always(t, shopLive, "2.5.0")
}

func post(verb, body string) string {
	return "curl -s -X POST -H 'Content-Type: application/json' -d '" + body + "' http://127.0.0.1:9900/v1/services/shop/" + verb
}

// always asks a hundred times and wants the same version in every answer.
func (e *example) always(t *testing.T, get, version string) {
	t.Helper()
	for range 100 {
		e.expect(t, get, 0, `"version":"`+version+`"`)
		if t.Failed() {
			return
		}
	}
}
