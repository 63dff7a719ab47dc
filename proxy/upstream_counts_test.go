package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// connections is what became of connections to targets, in short.
func (r *rig) connections() string {
	var out []string
	for line := range strings.SplitSeq(r.scrape("switchback_upstream_connections_total"), "\n") {
		if _, rest, ok := strings.Cut(line, `event="`); ok {
			event, rest, _ := strings.Cut(rest, `"`)
			out = append(out, rest[strings.LastIndex(rest, " ")+1:]+" "+event)
		}
	}
	return strings.Join(out, ", ")
}

// A connection opens once and serves all that come one after the other, also across a table that keeps the pool.
func TestCountsOpenedAndReused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{named(t, "blue"), tlsUpstream(t, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "blue") })} {
		blue := map[string]string{"blue": url}
		r := start(t, one, blue)
		c := r.dial() // of one event loop, whose connections are its own
		defer c.Close()
		br := bufio.NewReader(c)
		for i := range 6 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
			if _, body := answer(t, br, "GET"); body != "blue" {
				t.Fatalf("answer is %q", body)
			}
			if i == 2 {
				r.swap(one, blue)
			}
		}
		if got := r.connections(); got != "1 opened, 5 reused" {
			t.Errorf("%s: counted %s", url, got)
		}
	}
}

// Streams share a connection, which counts as opened.
func TestCountsOpenedByHTTP2(t *testing.T) {
	t.Parallel()
	answers := func(http.ResponseWriter, *http.Request) {}
	for _, blue := range []string{h2cUpstream(t, answers), tlsHTTP2Upstream(t, answers)} {
		r := start(t, strings.Replace(one, "pools:", "http2: true, pools:", 1), map[string]string{"blue": blue})
		for range 3 {
			if res, _ := r.get("/"); res.StatusCode != 200 {
				t.Fatalf("answer is %s", res.Status)
			}
		}
		if got := r.connections(); got != "1 opened" {
			t.Errorf("%s: counted %s", blue, got)
		}
	}
}

// A kept connection that ended unnoticed, as it can on the general path. The end of TLS comes in bytes, too, and is no
// poison.
func TestCountsStale(t *testing.T) {
	t.Parallel()
	served, closed := make(chan struct{}), make(chan struct{})
	once := func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		_, _ = io.WriteString(c, okResponse)
		<-served
		_ = c.Close()
		closed <- struct{}{}
	}
	for name, blue := range map[string]string{"plain": rawUpstream(t, once), "TLS": tlsUpstream(t, "127.0.0.1", hijacked(once))} {
		r := startListener(t, one, map[string]string{"blue": blue}, func(l *config.Listener) { l.Fast = false })
		for range 3 {
			if res, _ := r.get("/"); res.StatusCode != 200 {
				t.Fatalf("%s: answer is %s", name, res.Status)
			}
			served <- struct{}{}
			<-closed
		}
		if got := r.connections(); got != "3 opened, 2 stale" {
			t.Errorf("%s: counted %s", name, got)
		}
	}
}

// One that ends over the request is stale where the request may be sent again.
func TestCountsStaleOverARequest(t *testing.T) {
	t.Parallel()
	r := start(t, one, map[string]string{"blue": rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		_, _ = io.WriteString(c, okResponse)
		_ = head(br)
	})})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for range 3 {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
		if res, _ := answer(t, br, "GET"); res.StatusCode != 200 {
			t.Fatalf("answer is %s", res.Status)
		}
	}
	if got := r.connections(); got != "3 opened, 2 stale" {
		t.Errorf("counted %s", got)
	}
}

// hijacked hands a connection over with its first request unread.
func hijacked(serve func(c net.Conn, br *bufio.Reader)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c, bufio.NewReader(io.MultiReader(strings.NewReader("\r\n"), both)))
	}
}

// late answers one request, says more a little later, and tells when it has.
func late(said chan<- struct{}) func(c net.Conn, br *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		_, _ = io.WriteString(c, okResponse)
		_, _ = io.WriteString(c, poison)
		said <- struct{}{}
		_ = head(br)
	}
}

func TestCountsPoisoned(t *testing.T) {
	t.Parallel()
	said := make(chan struct{}, 10)
	for name, blue := range map[string]string{
		"plain": rawUpstream(t, late(said)),
		"TLS":   tlsUpstream(t, "127.0.0.1", hijacked(late(said))), // which may have read both at once
	} {
		r := start(t, one, map[string]string{"blue": blue})
		for range 3 {
			if res, body := r.get("/"); res.StatusCode != 200 || body != "ok" {
				t.Fatalf("%s: answer is %s %q", name, res.Status, body)
			}
			<-said
		}
		// What the last one said is noticed with its answer, or by the request that comes next.
		if got := r.connections(); got != "3 opened, 2 poisoned" && got != "3 opened, 3 poisoned" {
			t.Errorf("%s: counted %s", name, got)
		}
	}
}

func TestCountsBrokenFraming(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ answer, want string }{
		"surplus":  {okResponse + "x", "1 opened, 1 poisoned"},
		"last":     {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nokx", "1 opened, 1 poisoned"},
		"head":     {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "1 opened, 1 poisoned"},
		"chunks":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokx", "1 opened, 1 poisoned"},
		"trailers": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n", "1 opened, 1 poisoned"},
		"cut":      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "1 opened"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, one, map[string]string{"blue": rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				if head(br) != "" {
					_, _ = io.WriteString(c, tt.answer)
				}
			})})
			c := r.dial()
			defer c.Close()
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
			eventually(t, tt.want, func() bool { return r.connections() == tt.want })
		})
	}
}

func TestCountsRetriesByCause(t *testing.T) {
	t.Parallel()
	for cause, a := range map[string]string{"refused": closed(t), "timeout": full(t)} {
		r := start(t, strings.Replace(pair, "balance:", "timeouts: {connect: 100ms}, balance:", 1), map[string]string{"a": a, "b": named(t, "b")})
		for range 2 {
			_, _ = r.get("/")
		}
		retries, attempts := r.scrape("switchback_retries_total"), sumOf(r.scrape(`switchback_attempts_total{outcome="`+cause+`"`), "switchback_attempts_total")
		want := fmt.Sprintf(`switchback_retries_total{cause="%s",pool="blue",service="web"} %d`, cause, attempts)
		if attempts == 0 || retries != want {
			t.Errorf("counted %s, want %s", retries, want)
		}
	}
}
