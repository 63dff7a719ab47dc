package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A target that ends a new connection without a byte of an answer has its sibling serve what may be repeated, and
// nothing else.
func TestFastRepeatsWhatMayBe(t *testing.T) {
	t.Parallel()
	var posts atomic.Int64
	drop := func() string {
		return rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
			if strings.HasPrefix(head(br), "POST") {
				posts.Add(1)
			}
		})
	}
	r := start(t, pair, map[string]string{"a": drop(), "b": named(t, "b")})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for range 20 {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
		if res, body := answer(t, br, http.MethodGet); res.StatusCode != http.StatusOK || body != "b" {
			t.Fatalf("answer is %d %q", res.StatusCode, body)
		}
	}
	var failed int64
	for range 20 {
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+"Content-Length: 0\r\n\r\n")
		if res, _ := answer(t, br, http.MethodPost); res.StatusCode != http.StatusOK {
			failed++
		}
	}
	if n := posts.Load(); n == 0 || failed != n {
		t.Errorf("%d of 20 POSTs failed, %d met the target that drops them", failed, n)
	}

	alone := start(t, pair, map[string]string{"a": drop(), "b": drop()})
	if res, _ := alone.get("/"); res.StatusCode != http.StatusBadGateway {
		t.Errorf("answer is %d where nobody answers", res.StatusCode)
	}
	if got := alone.scrape("switchback_attempts_total"); !strings.HasSuffix(got, " 2") {
		t.Errorf("booked as %s", got)
	}
}
