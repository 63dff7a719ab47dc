package proxy_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// After a mixed run the counters add up, and say what they said before.
func TestMetricsAddUp(t *testing.T) {
	t.Parallel()
	answers := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(500)
		case "/404":
			w.WriteHeader(404)
		case "/302":
			w.WriteHeader(302)
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	}
	garbage := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		_, _ = io.WriteString(c, "garbage\r\n\r\n")
	})
	const file = `services:
  shop:
    hosts: [shop.example]
    pools: {blue: ["{{blue}}"], green: ["{{dead}}"]}
    weights: {blue: 100, green: 0}
    rules: [{when: {header: {X-Green: "yes"}}, to: green}]
  odd:
    hosts: [odd.example]
    pools: {red: ["{{garbage}}"]}
    weights: {red: 100}
`
	r := start(t, file, map[string]string{"blue": upstream(t, answers), "dead": closed(t), "garbage": garbage})
	const each = 10
	requests := []string{
		"GET / HTTP/1.1\r\nHost: shop.example\r\n",
		"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n",
		"GET /500 HTTP/1.1\r\nHost: shop.example\r\n",
		"GET /404 HTTP/1.1\r\nHost: shop.example\r\n",
		"GET /302 HTTP/1.1\r\nHost: shop.example\r\n",
		"GET /cut HTTP/1.1\r\nHost: shop.example\r\n",
		"GET /fallback HTTP/1.1\r\nHost: shop.example\r\nX-Green: yes\r\n",
		"GET / HTTP/1.1\r\nHost: odd.example\r\n",
		"GET / HTTP/1.1\r\nHost: nobody.example\r\n",
		"GET / HTTP/1.1\r\nHost: shop.example\r\nHost: shop.example\r\n",
		"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n",
	}
	var clients sync.WaitGroup
	for _, request := range requests {
		clients.Go(func() {
			for range each {
				if all := r.raw(request + "Connection: close\r\n\r\n"); !strings.HasPrefix(all, "HTTP/1.1 ") {
					t.Errorf("%q was answered with %q", request, all)
				}
			}
		})
	}
	clients.Wait()
	inFlightZero(t, r)
	eventually(t, "connections close", func() bool { return r.scrape("switchback_connections{") == "" })
	got := r.scrape("switchback_requests_total", "switchback_attempts_total", "switchback_retries_total", "switchback_fallbacks_total",
		"switchback_refused_requests_total", "switchback_request_duration_seconds_count", "switchback_attempt_duration_seconds_count") + "\n"
	const golden = "testdata/mixed.metrics"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics are\n%swant\n%s", got, want)
	}
	if n := sumOf(got, "switchback_requests_total"); n != each*len(requests) {
		t.Errorf("%d requests are counted, want %d", n, each*len(requests))
	}
	if a, b := sumOf(got, "switchback_requests_total"), sumOf(got, "switchback_request_duration_seconds_count"); a != b {
		t.Errorf("%d requests, %d durations", a, b)
	}
	if a, b := sumOf(got, "switchback_attempts_total"), sumOf(got, "switchback_attempt_duration_seconds_count"); a != b {
		t.Errorf("%d attempts, %d durations", a, b)
	}
}

// sumOf adds up the samples of a metric.
func sumOf(lines, metric string) (sum int) {
	for line := range strings.SplitSeq(lines, "\n") {
		if rest, ok := strings.CutPrefix(line, metric+"{"); ok {
			var n int
			_, _ = fmt.Sscan(rest[strings.LastIndex(rest, " "):], &n)
			sum += n
		}
	}
	return sum
}

func TestConnectionsGauge(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		name := "web"
		r := start(t, one, map[string]string{"blue": socket(t, echoSocket)})
		if secure {
			name = "secure"
			r = startTLS(t, one, map[string]string{"blue": socket(t, echoSocket)})
		}
		gauge := func() string { return r.scrapeAll("switchback_connections{") }
		want := func(n int) string { return fmt.Sprintf(`switchback_connections{listener="%s"} %d`, name, n) }
		silent := r.dial()
		eventually(t, "the silent one counts", func() bool { return gauge() == want(1) })
		c := r.websocket(secure)
		if got := gauge(); got != want(2) {
			t.Errorf("gauge is %s, want a WebSocket more", got)
		}
		_ = silent.Close()
		_ = c.CloseNow()
		eventually(t, "gone", func() bool { return gauge() == want(0) })
	}
}
