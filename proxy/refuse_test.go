package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const host = "Host: a.example\r\n"

var refusals = []struct {
	name    string
	request string
	status  int
	reason  string
}{
	{"length and coding", "POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "length-with-transfer-encoding"},
	{"coding and length", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400, "length-with-transfer-encoding"},
	{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400, "repeated-content-length"},
	{"the same length twice", "POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400, "repeated-content-length"},
	{"listed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 4, 4\r\n\r\nabcd", 400, "bad-content-length"},
	{"signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +4\r\n\r\nabcd", 400, "bad-content-length"},
	{"hexadecimal length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x4\r\n\r\nabcd", 400, "bad-content-length"},
	{"overflowing length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551620\r\n\r\nabcd", 400, "bad-content-length"},
	{"gzip coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad-transfer-encoding"},
	{"identity coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400, "bad-transfer-encoding"},
	{"hidden coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "bad-transfer-encoding"},
	{"chunked twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "repeated-transfer-encoding"},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "transfer-encoding-in-http-1-0"},
	{"bare LF", "GET / HTTP/1.1\n" + host + "\r\n", 400, "bare-lf"},
	{"bare LF after a field", "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n", 400, "bare-lf"},
	{"bare CR", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400, "bare-cr"},
	{"NUL in a value", "GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400, "bad-field-value"},
	{"space before colon", "GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n", 400, "space-before-colon"},
	{"space before the colon of a framing field", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "space-before-colon"},
	{"empty field name", "GET / HTTP/1.1\r\n" + host + ": y\r\n\r\n", 400, "bad-field-name"},
	{"folded field", "GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400, "obs-fold"},
	{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "missing-host"},
	{"two hosts", "GET / HTTP/1.1\r\n" + host + "Host: b.example\r\n\r\n", 400, "repeated-host"},
	{"bad host", "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n", 400, "bad-host"},
	{"user in the host", "GET http://u@a.example/ HTTP/1.1\r\n" + host + "\r\n", 400, "bad-host"},
	{"CONNECT", "CONNECT a.example:443 HTTP/1.1\r\n" + host + "\r\n", 501, "connect-not-allowed"},
	{"CONNECT to a path", "CONNECT /x HTTP/1.1\r\n" + host + "\r\n", 501, "connect-not-allowed"},
	{"h2c", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", 501, "upgrade-not-allowed"},
	{"h2c beside websocket", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", 501, "upgrade-not-allowed"},
	{"another upgrade", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", 501, "upgrade-not-allowed"},
	{"websocket by POST", "POST / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 501, "upgrade-not-allowed"},
	{"websocket with a body", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", 501, "upgrade-not-allowed"},
	{"settings alone", "GET / HTTP/1.1\r\n" + host + "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", 501, "upgrade-not-allowed"},
	{"escaped NUL", "GET /a%00b HTTP/1.1\r\n" + host + "\r\n", 400, "bad-escape"},
	{"invalid escape", "GET /a%zz HTTP/1.1\r\n" + host + "\r\n", 400, "bad-escape"},
	{"cut escape", "GET /a% HTTP/1.1\r\n" + host + "\r\n", 400, "bad-escape"},
	{"fragment", "GET /a#b HTTP/1.1\r\n" + host + "\r\n", 400, "bad-target"},
	{"non-ASCII target", "GET /\xc3\xa4 HTTP/1.1\r\n" + host + "\r\n", 400, "bad-target"},
	{"asterisk without OPTIONS", "GET * HTTP/1.1\r\n" + host + "\r\n", 400, "bad-target"},
	{"target without slash", "GET a.example HTTP/1.1\r\n" + host + "\r\n", 400, "bad-target"},
	{"other scheme", "GET ftp://a.example/ HTTP/1.1\r\n" + host + "\r\n", 400, "bad-target"},
	{"two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", 400, "bad-version"},
	{"head too large", "GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", 431, "head-too-large"},
	{"too many fields", "GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 300) + "\r\n", 431, "too-many-fields"},
	{"target too long", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n" + host + "\r\n", 414, "target-too-long"},
	{"endless target", "GET /" + strings.Repeat("a", 70<<10), 414, "target-too-long"},
	{"HTTP/2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", 505, "version-not-supported"},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version-not-supported"},
	{"HTTP/1.2", "GET / HTTP/1.2\r\n" + host + "\r\n", 505, "version-not-supported"},
	{"HTTP/0.9", "GET /\r\n\r\n", 400, "bad-request-line"},
	{"lower-case version", "GET / http/1.1\r\n" + host + "\r\n", 400, "bad-version"},
	{"unknown expectation", "POST / HTTP/1.1\r\n" + host + "Expect: 200-maybe\r\nContent-Length: 1\r\n\r\nx", 417, "unknown-expectation"},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad-method"},
	{"forbidden trailer announced", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", 400, "bad-trailer"},
	{"twin of a framing field", "POST / HTTP/1.1\r\n" + host + "Content_Length: 3\r\n\r\n", 400, "shadow-field"},
	{"twin of an identity field", "GET / HTTP/1.1\r\n" + host + "X_Forwarded_For: 10.0.0.1\r\n\r\n", 400, "shadow-field"},
	{"twin of ours", "GET / HTTP/1.1\r\n" + host + "Switchback_Pool: green\r\n\r\n", 400, "shadow-field"},
}

// counting answers ok and counts what reaches it.
func counting(t testing.TB) (url string, n *atomic.Int64) {
	n = new(atomic.Int64)
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}), n
}

// expectRefusal checks the only answer in what came back.
func expectRefusal(t *testing.T, all string, status int, reason string) {
	t.Helper()
	br := bufio.NewReader(strings.NewReader(all))
	res, body := answer(t, br, http.MethodGet)
	if res.StatusCode != status || res.Header.Get("Switchback-Reason") != reason {
		t.Errorf("answer is %d %q, want %d %q", res.StatusCode, res.Header.Get("Switchback-Reason"), status, reason)
	}
	if !res.Close || body == "" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("answer must close and say why: %v %q", res.Header, body)
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("more behind the refusal: %q", rest)
	}
}

func TestRefusesAtTheConnection(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	r := start(t, one, map[string]string{"blue": blue})
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			expectRefusal(t, r.raw(tt.request), tt.status, tt.reason)
		})
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d refused requests reached the upstream", n)
	}
	if got := r.scrape("switchback_attempts_total"); got != "" {
		t.Errorf("refusals are booked against a pool: %s", got)
	}
	if got := r.scrape(`switchback_refused_requests_total{reason="bare-lf"}`); !strings.HasSuffix(got, " 2") {
		t.Errorf("bare-lf is counted as %q, want 2", got)
	}
}

// A request in front of the one that is refused is served; one behind it never is.
func TestRefusesInThePipeline(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	r := start(t, one, map[string]string{"blue": blue})
	good := "POST /good HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc"
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			before := served.Load()
			all := r.raw(good + tt.request + good)
			first, rest, ok := strings.Cut(all, "ok")
			if !ok || !strings.HasPrefix(first, "HTTP/1.1 200 OK\r\n") {
				t.Fatalf("no first answer in %q", all)
			}
			expectRefusal(t, rest, tt.status, tt.reason)
			if n := served.Load() - before; n != 1 {
				t.Errorf("upstream served %d requests, want 1", n)
			}
		})
	}
}

// The method by which refusals travel inside the proxy means nothing outside.
func TestOurMethodIsNoSecret(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	r := start(t, one, map[string]string{"blue": blue})
	all := r.raw("SWITCHBACK-REFUSED /200/ok HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
	if served.Load() != 1 || !strings.HasPrefix(all, "HTTP/1.1 200 OK") || strings.Contains(all, "Switchback-Reason") {
		t.Errorf("answered by ourselves: %q", all)
	}
}

// The answer must not be lost to a reset because the client is still sending.
func TestRefusalReachesAClientThatSends(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	r := start(t, one, map[string]string{"blue": blue})
	for _, tt := range refusals[:3] {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			defer c.Close()
			stopped := make(chan error, 1)
			go func() {
				_, err := io.WriteString(c, tt.request)
				junk := make([]byte, 1024)
				for range 600 {
					if err == nil {
						_, err = c.Write(junk)
					}
				}
				stopped <- err
			}()
			if err := <-stopped; err != nil && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("client's writes: %v", err)
			}
			all, err := io.ReadAll(c)
			if err != nil {
				t.Fatalf("the answer was lost: %v after %q", err, all)
			}
			expectRefusal(t, string(all), tt.status, tt.reason)
		})
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d refused requests reached the upstream", n)
	}
}

// Bytes that arrive one by one mean the same.
func TestRefusesByteByByte(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	r := start(t, one, map[string]string{"blue": blue})
	for _, tt := range []int{0, 13, 25} {
		tt := refusals[tt]
		c := r.dial()
		for i := range len(tt.request) {
			if _, err := c.Write([]byte(tt.request[i : i+1])); err != nil {
				break // refused already
			}
		}
		all, err := io.ReadAll(c)
		_ = c.Close()
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		expectRefusal(t, string(all), tt.status, tt.reason)
	}
	if n := served.Load(); n != 0 {
		t.Errorf("%d refused requests reached the upstream", n)
	}
}

func TestBadChunkIsTheClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, chunk, reason string }{
		{"size", "zz\r\n", "bad-chunk-size"},
		{"overflow", "ffffffffffffffff\r\n", "chunk-size-overflow"},
		{"end", "3\r\nabcX\r\n", "bad-chunk-end"},
		{"trailer", "0\r\nHost: b.example\r\n\r\n", "bad-trailer"},
		{"bare LF", "3\nabc\r\n", "bare-lf"},
		{"leading zeros", strings.Repeat("0", 17) + "1\r\nx\r\n", "bad-chunk-size"},
		{"endless zeros", strings.Repeat("0", 100<<10), "bad-chunk-size"},
		{"long extension", "1;" + strings.Repeat("x", 300) + "\r\nx\r\n", "chunk-extension-too-long"},
		{"endless extension", "1;" + strings.Repeat("x", 100<<10), "chunk-extension-too-long"},
		{"no line end", "3\r\nabc0\r\n\r\n", "bad-chunk-end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broke := make(chan error, 1)
			blue := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				broke <- err
			})
			r := start(t, one, map[string]string{"blue": blue})
			all := r.raw("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + tt.chunk)
			expectRefusal(t, all, 400, tt.reason)
			if err := <-broke; err == nil {
				t.Error("the upstream took the body for whole")
			}
			want := `switchback_attempts_total{outcome="client_gone",pool="blue",service="web"} 1`
			if got := r.scrape("switchback_attempts_total"); got != want {
				t.Errorf("booked as %s", got)
			}
		})
	}
}

// A body that nobody reads is not the next request.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	var paths atomic.Value
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		paths.Store(strings.SplitN(head(br), " ", 3)[1])
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
		_, _ = io.Copy(io.Discard, br)
	})
	r := start(t, one, map[string]string{"blue": blue})
	hidden := "GET /hidden HTTP/1.1\r\n" + host + "\r\n"
	for _, framing := range []string{
		"Content-Length: " + strconv.Itoa(len(hidden)+10) + "\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(len(hidden)+10), 16) + "\r\n",
	} {
		c := r.dial()
		if _, err := io.WriteString(c, "POST /seen HTTP/1.1\r\n"+host+framing); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(c)
		res, body := answer(t, br, http.MethodPost)
		if body != "early" || !res.Close {
			t.Errorf("answer is %q, close %v", body, res.Close)
		}
		_, _ = io.WriteString(c, hidden+hidden)
		if rest, _ := io.ReadAll(br); len(rest) > 0 {
			t.Errorf("a body was answered: %q", rest)
		}
		_ = c.Close()
		if p := paths.Load(); p != "/seen" {
			t.Errorf("upstream got %v", p)
		}
	}
}

// A refused request for no service with a body that never comes is answered all the same.
func TestAnswersWithoutWaitingForTheBody(t *testing.T) {
	t.Parallel()
	blue, _ := counting(t)
	r := start(t, `services: {web: {hosts: [a.example], pools: {blue: ["{{blue}}"]}, weights: {blue: 100}}}`, map[string]string{"blue": blue})
	for _, framing := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 1000\r\nExpect: 100-continue"} {
		all := r.raw("POST / HTTP/1.1\r\nHost: b.example\r\n" + framing + "\r\n\r\n")
		expectRefusal(t, all, 404, "no-service")
	}
}

// A slow head ends at the listener's limit, also behind another request; a request under way does not.
func TestHeaderTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		_, _ = io.WriteString(w, "ok")
	})
	r := start(t, `listeners: {web: {address: ":8080", timeouts: {header: 150ms, idle: 30s}}}`+"\n"+one, map[string]string{"blue": blue})
	if all := r.raw("GET / HT"); all != "" {
		t.Errorf("half a head was answered with %q", all)
	}
	if all := r.raw("GET / HTTP/1.1\r\n" + host + "\r\nGET / HT"); strings.Count(all, "200 OK") != 1 {
		t.Errorf("half a head behind another was answered with %q", all)
	}
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\n"+host+"\r\nGET / HT")
	time.AfterFunc(400*time.Millisecond, func() { close(release) })
	all, err := io.ReadAll(c)
	if err != nil || strings.Count(string(all), "200 OK") != 1 {
		t.Errorf("half a head cut the request before it: %q %v", all, err)
	}
}

func TestPlainHTTPOnTLS(t *testing.T) {
	t.Parallel()
	r := startTLS(t, one, map[string]string{"blue": named(t, "blue")})
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
	all, _ := io.ReadAll(c)
	if strings.Contains(string(all), "200 OK") {
		t.Errorf("served without TLS: %q", all)
	}
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}
	if c, err := tls.Dial("tcp", r.addr, old); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 was accepted")
	}
}
