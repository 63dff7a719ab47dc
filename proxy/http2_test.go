package proxy_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

func TestALPN(t *testing.T) {
	t.Parallel()
	blue, heads := answering(t, okResponse)
	r := startTLS(t, one, map[string]string{"blue": blue})
	for _, tt := range []struct {
		http2      bool
		proto, via string
	}{{true, "HTTP/2.0", "2.0 switchback"}, {false, "HTTP/1.1", "1.1 switchback"}} {
		res, body := r.getTLS(tt.http2, "/a%2Fb?x=%zz")
		if res.Proto != tt.proto || body != "ok" {
			t.Errorf("answer is %s %d %q, want %s", res.Proto, res.StatusCode, body, tt.proto)
		}
		got := <-heads
		if !strings.HasPrefix(got, "GET /a%2Fb?x=%zz HTTP/1.1\r\n") || lineOf(t, got, "Via") != tt.via ||
			lineOf(t, got, "X-Forwarded-Proto") != "https" || lineOf(t, got, "Host") != r.addr {
			t.Errorf("upstream got %q", got)
		}
	}
}

func TestHTTP2Semantics(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/304":
			w.Header().Set("Etag", "x")
			w.WriteHeader(304)
		case "/length":
			w.Header().Set("Content-Length", "7")
			_, _ = io.WriteString(w, "1234567")
		case "/trailers":
			b, _ := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "X-Back")
			_, _ = fmt.Fprintf(w, "%s %s %d", b, r.Trailer.Get("X-Sum"), r.ContentLength)
			w.Header().Set("X-Back", "tail")
		case "/hints":
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "x")
		}
	})
	r := startTLS(t, one, map[string]string{"blue": blue})
	client := tlsClient(t, true)
	ask := func(method, path string, body io.Reader, trailer http.Header) (*reply, string) {
		req, _ := http.NewRequestWithContext(t.Context(), method, "https://"+r.addr+path, body)
		req.Trailer = trailer
		return doWith(t, client, req)
	}
	if res, _ := ask("HEAD", "/length", nil, nil); res.Header.Get("Content-Length") != "7" {
		t.Errorf("HEAD: %v", res.Header)
	}
	if res, _ := ask("GET", "/304", nil, nil); res.StatusCode != 304 || res.Header.Get("Etag") != "x" {
		t.Errorf("304: %d %v", res.StatusCode, res.Header)
	}
	res, body := ask("POST", "/trailers", io.MultiReader(strings.NewReader("ab"), strings.NewReader("c")), http.Header{"X-Sum": {"42"}})
	if body != "abc 42 -1" || res.Trailer.Get("X-Back") != "tail" {
		t.Errorf("trailers: %q %v", body, res.Trailer)
	}
	if res, body := ask("GET", "/hints", nil, nil); body != "x" || res.Header.Get("Link") != "" {
		t.Errorf("hints: %q %v", body, res.Header)
	}
	expect, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.addr+"/trailers", strings.NewReader("abc"))
	expect.Header.Set("Expect", "100-continue")
	if res, body := doWith(t, client, expect); body != "abc  3" {
		t.Errorf("continue: %d %q", res.StatusCode, body)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodConnect, "https://"+r.addr, strings.NewReader("GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"))
	if res, _ := doWith(t, client, req); res.StatusCode != 501 || res.Header.Get("Switchback-Reason") != "connect-not-allowed" {
		t.Errorf("CONNECT: %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	if got := r.scrape(`switchback_refused_requests_total{reason="connect`); !strings.HasSuffix(got, " 1") {
		t.Errorf("counted as %q", got)
	}
}

func TestRefusesHTTP2(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	overTLS := startTLS(t, one, map[string]string{"blue": blue})
	clear := startH2C(t, one, map[string]string{"blue": blue})
	base := func(change ...string) [][2]string {
		fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/"}}
		for i := 0; i < len(change); i += 2 {
			found := false
			for j := range fields {
				if fields[j][0] == change[i] {
					fields[j][1], found = change[i+1], true
				}
			}
			if !found {
				fields = append(fields, [2]string{change[i], change[i+1]})
			}
		}
		return fields
	}
	for _, tt := range []struct {
		name   string
		fields [][2]string
		want   string // "bad": 400, or the stream or connection ends
	}{
		{"fine", base(), "200"},
		{"path without slash", base(":path", "a"), "bad"},
		{"empty path", base(":path", ""), "bad"},
		{"asterisk without OPTIONS", base(":path", "*"), "bad"},
		{"absolute path", base(":path", "http://b.example/"), "bad"},
		{"space in the path", base(":path", "/ HTTP/1.1"), "bad"},
		{"line end in the path", base(":path", "/\r\nX: y"), "bad"},
		{"fragment", base(":path", "/a#b"), "bad"},
		{"non-ASCII path", base(":path", "/\xc3\xa4"), "bad"},
		{"escaped NUL", base(":path", "/a%00b"), "bad"},
		{"invalid escape", base(":path", "/a%zz"), "bad"},
		{"space in the authority", base(":authority", "a b"), "bad"},
		{"path in the authority", base(":authority", "a/b"), "bad"},
		{"user in the authority", base(":authority", "u@a.example"), "bad"},
		{"no authority", base(":authority", ""), "bad"},
		{"another host", base("host", "b.example"), "bad"},
		{"the same host", base("host", "a.example"), "200"},
		{"space in the method", base(":method", "GET /x"), "bad"},
		{"line end in the method", base(":method", "GET\r\n"), "bad"},
		{"empty method", base(":method", ""), "bad"},
		{"upper-case name", base("X-Upper", "1"), "bad"},
		{"space in a name", base("x y", "1"), "bad"},
		{"colon in a name", base("x:y", "1"), "bad"},
		{"empty name", base("", "1"), "bad"},
		{"line end in a value", base("x", "a\r\nb: c"), "bad"},
		{"LF in a value", base("x", "a\nb"), "bad"},
		{"NUL in a value", base("x", "a\x00b"), "bad"},
		{"connection", base("connection", "close"), "bad"},
		{"keep-alive", base("keep-alive", "1"), "bad"},
		{"proxy-connection", base("proxy-connection", "close"), "bad"},
		{"transfer-encoding", base("transfer-encoding", "chunked"), "bad"},
		{"upgrade", base("upgrade", "websocket"), "bad"},
		{"te", base("te", "gzip"), "bad"},
		{"te trailers", base("te", "trailers"), "200"},
		{"bad length", base("content-length", "+1"), "bad"},
		{"length without data", base("content-length", "5"), "bad"},
		{"twin of a framing field", base("content_length", "5"), "bad"},
		{"twin of an identity field", base("x_forwarded_for", "1.1.1.1"), "bad"},
		{"unknown expectation", base("expect", "more"), "417"},
		{"extended CONNECT", base(":method", "CONNECT", ":protocol", "websocket"), "bad"},
		{"pseudo field behind", append(base("x", "1"), [2]string{":path", "/b"}), "bad"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range []*stream{overTLS.stream(), clear.clearStream()} {
				before := served.Load()
				s.t = t
				s.headers(endStream, 1, tt.fields)
				got := s.outcome()
				if got == "400" || got == "reset" || got == "closed" {
					got = "bad"
				}
				if got != tt.want {
					t.Errorf("outcome is %s, want %s", got, tt.want)
				}
				if n := served.Load() - before; (n == 1) != (tt.want == "200") {
					t.Errorf("upstream served %d requests", n)
				}
			}
		})
	}
}

// A body that is shorter or longer than its Content-Length says never looks whole.
func TestHTTP2LengthAgainstData(t *testing.T) {
	t.Parallel()
	whole := make(chan bool, 1)
	blue := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole <- err == nil
	})
	overTLS := startTLS(t, one, map[string]string{"blue": blue})
	clear := startH2C(t, one, map[string]string{"blue": blue})
	for _, data := range []string{"abc", "abcdefgh"} {
		for _, s := range []*stream{overTLS.stream(), clear.clearStream()} {
			s.headers(0, 1, [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/"}, {"content-length", "5"}})
			s.frame(frameData, endStream, 1, []byte(data))
			if got := s.outcome(); got == "200" {
				t.Errorf("%d of 5 bytes were answered", len(data))
			}
			select {
			case w := <-whole:
				if w {
					t.Errorf("%d of 5 bytes looked whole", len(data))
				}
			case <-time.After(50 * time.Millisecond): // it never got there
			}
		}
	}
	for _, r := range []*rig{overTLS, clear} {
		eventually(t, "booked as the client's", func() bool {
			return !strings.Contains(r.scrape("switchback_attempts_total"), "reset") && r.inflight() == 0
		})
	}
}

func TestHTTP2GoAway(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		arrived, release := make(chan struct{}), make(chan struct{})
		blue := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "late")
		})
		r := startH2C(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
		open := r.clearStream
		if secure {
			r = startTLS(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
			open = r.stream
		}
		idle := open()
		busy := open()
		busy.headers(endStream, 1, [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/"}})
		<-arrived
		r.stop()
		for _, s := range []*stream{idle, busy} {
			if _, p, err := s.next(frameGoAway); err != nil || binary.BigEndian.Uint32(p[4:]) != 0 {
				t.Errorf("no graceful GOAWAY: %v %x", err, p)
			}
		}
		close(release)
		if got := busy.outcome(); got != "200" {
			t.Errorf("the request under way ended with %s", got)
		}
	}
}

// serverName is the first name of the certificate that a client meets.
func (r *rig) serverName(ask string) string {
	r.t.Helper()
	c, err := tls.Dial("tcp", r.addr, &tls.Config{ServerName: ask, InsecureSkipVerify: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pairs := ""
	for _, name := range []string{"a.example", "b.example", "*.c.example"} {
		cert, key := ca.issue(t, name)
		base := strings.TrimLeft(name, "*.")
		pairs += fmt.Sprintf("{cert: %q, key: %q},", writeFile(t, dir, base+".crt", cert), writeFile(t, dir, base+".key", key))
	}
	r := start(t, `listeners: {secure: {address: ":443", tls: {certificates: [`+pairs+"]}}}\n"+one, map[string]string{"blue": named(t, "blue")})
	for ask, want := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "B.EXAMPLE": "b.example", "x.c.example": "*.c.example",
		"unknown.example": "a.example", "": "a.example",
	} {
		if got := r.serverName(ask); got != want {
			t.Errorf("%q meets %s, want %s", ask, got, want)
		}
	}

	held, err := tls.Dial("tcp", r.addr, &tls.Config{ServerName: "b.example", RootCAs: ca.pool, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cert, key := ca.issue(t, "new.example", "b.example")
	writeFile(t, dir, "b.example.crt", cert)
	r.certs.Check()
	if got := r.serverName("b.example"); got != "b.example" {
		t.Errorf("half a pair is used: %s", got)
	}
	errs := func() int { return r.logs.FilterLevelExact(zapcore.ErrorLevel).Len() }
	r.certs.Check()
	if n := errs(); n != 1 {
		t.Errorf("a bad pair is logged %d times, want once", n)
	}
	writeFile(t, dir, "b.example.key", key)
	r.certs.Check()
	if got := r.serverName("b.example"); got != "new.example" {
		t.Errorf("the new pair is not used: %s", got)
	}
	if err := os.Remove(dir + "/b.example.key"); err != nil {
		t.Fatal(err)
	}
	r.certs.Check()
	r.certs.Check()
	if got := r.serverName("b.example"); got != "new.example" || errs() != 2 {
		t.Errorf("with a file gone %s is used, %d errors logged", got, errs())
	}
	_, _ = io.WriteString(held, "GET / HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
	if all, _ := io.ReadAll(held); !strings.HasSuffix(string(all), "blue") {
		t.Errorf("a connection from before is gone: %q", all)
	}
}

// Clients that connect and say nothing do not keep others from their handshake.
func TestSilentHandshakes(t *testing.T) {
	t.Parallel()
	r := startTLS(t, one, map[string]string{"blue": named(t, "blue")})
	for range 50 {
		defer r.dial().Close()
	}
	var done atomic.Bool
	time.AfterFunc(5*time.Second, func() {
		if !done.Load() {
			t.Error("waits behind silent clients")
		}
	})
	if _, body := r.getTLS(true, "/"); body != "blue" {
		t.Errorf("answer is %q", body)
	}
	done.Store(true)
}
