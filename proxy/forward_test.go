package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestForwards(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	r := start(t, one, map[string]string{"blue": blue})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/a%2Fb//c?x=1&y=%zz", strings.NewReader("hello"))
	req.Header.Set("Accept-Encoding", "br")
	res, answer := do(t, req)
	if res.StatusCode != http.StatusTeapot || answer != "short and stout" || res.Header.Get("X-Answer") != "yes" {
		t.Errorf("answer is %d %q %v", res.StatusCode, answer, res.Header)
	}
	if got.RequestURI != "/a%2Fb//c?x=1&y=%zz" || body != "hello" || got.Host != r.addr {
		t.Errorf("upstream got %s %q for %s", got.RequestURI, body, got.Host)
	}
	want := map[string]string{
		"Accept-Encoding": "br", "Switchback-Pool": "blue", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": r.addr, "Via": "1.1 switchback", "Forwarded": `for=127.0.0.1;host="` + r.addr + `";proto=http`,
	}
	for name, value := range want {
		if v := got.Header.Get(name); v != value {
			t.Errorf("upstream got %s: %q, want %q", name, v, value)
		}
	}
}

func TestForwardsTargets(t *testing.T) {
	t.Parallel()
	blue, heads := answering(t, okResponse)
	r := start(t, one, map[string]string{"blue": blue})
	for sent, want := range map[string]string{
		"GET /":                             "GET /",
		"GET //x":                           "GET //x",
		"GET //x//y/?q=//":                  "GET //x//y/?q=//",
		"GET //%2f..%2F/x":                  "GET //%2f..%2F/x",
		"GET ///":                           "GET ///",
		"GET /a|b^c`d{e}\"f<g>\\h":          "GET /a|b^c`d{e}\"f<g>\\h",
		"GET /a[b]":                         "GET /a[b]",
		"GET /?":                            "GET /?",
		"GET /a?":                           "GET /a?",
		"GET /a??b?":                        "GET /a??b?",
		"GET /a?x=%zz&y=%00&z=|\"":          "GET /a?x=%zz&y=%00&z=|\"",
		"GET /a%2Fb%2fc%41%7e":              "GET /a%2Fb%2fc%41%7e",
		"GET /a;v=1/b;c":                    "GET /a;v=1/b;c",
		"GET /a/../b/./c":                   "GET /a/../b/./c",
		"GET /..":                           "GET /..",
		"GET /a+b%20c&d=e:f@g":              "GET /a+b%20c&d=e:f@g",
		"GET /http://x/":                    "GET /http://x/",
		"GET http://b.example/abs?q=1":      "GET /abs?q=1",
		"GET HTTP://b.example:81//x?":       "GET //x?",
		"GET http://b.example":              "GET /",
		"GET http://b.example?x=1":          "GET /?x=1",
		"GET https://b.example/s":           "GET /s",
		"OPTIONS *":                         "OPTIONS *",
		"OPTIONS http://b.example":          "OPTIONS *",
		"OPTIONS http://b.example/":         "OPTIONS /",
		"DELETE /d":                         "DELETE /d",
		"PROPFIND /dav":                     "PROPFIND /dav",
		"get /case":                         "get /case",
		"X!#$%&'*+-.^_`|~9 /token":          "X!#$%&'*+-.^_`|~9 /token",
		"TRACE /t":                          "TRACE /t",
		"GET /" + strings.Repeat("l", 8000): "GET /" + strings.Repeat("l", 8000),
	} {
		c := r.dial()
		_, _ = io.WriteString(c, sent+" HTTP/1.1\r\n"+host+"\r\n")
		method, _, _ := strings.Cut(sent, " ")
		res, _ := answer(t, bufio.NewReader(c), method)
		_ = c.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: answer is %d %s", sent, res.StatusCode, res.Header.Get("Switchback-Reason"))
			continue
		}
		got := <-heads
		if line, _, _ := strings.Cut(got, "\r\n"); line != want+" HTTP/1.1" {
			t.Errorf("%s: upstream got %q, want %q", sent, line, want)
		}
		if strings.Contains(sent, "://b.example") && !strings.HasPrefix(lineOf(t, got, "Host"), "b.example") {
			t.Errorf("%s: upstream got Host %q", sent, lineOf(t, got, "Host"))
		}
	}
}

// trusted believes the address the tests come from.
const trusted = `trust: {proxies: [127.0.0.0/8, 10.0.0.0/8, "fd00::/8"], override: {header: X-Pool, from: [192.0.2.0/24]}}` + "\n"

func TestForwardsFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		file string
		sent string
		want map[string]string // "" must not be there
	}{
		{"nothing is invented", one, "", map[string]string{
			"User-Agent": "", "Accept-Encoding": "", "Content-Type": "", "Content-Length": "", "Transfer-Encoding": "",
			"Connection": "", "Host": "a.example", "X-Real-Ip": "", "Accept": "", "Te": "", "Expect": "",
		}},
		{"an empty agent stays", one, "User-Agent:\r\n", map[string]string{"User-Agent": ""}},
		{"end to end", one, "User-Agent: x/1\r\nAuthorization: Basic eA==\r\nRange: bytes=0-1\r\nX-A: 1\r\n", map[string]string{
			"User-Agent": "x/1", "Authorization": "Basic eA==", "Range": "bytes=0-1", "X-A": "1",
		}},
		{"hop by hop", one, "Connection: keep-alive, X-Drop ,, x-other\r\nX-Drop: 1\r\nX-Other: 2\r\nX-Keep: 3\r\nKeep-Alive: timeout=5\r\n" +
			"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTe: trailers, gzip\r\nProxy: http://evil\r\n", map[string]string{
			"Connection": "", "X-Drop": "", "X-Other": "", "X-Keep": "3", "Keep-Alive": "", "Proxy-Connection": "",
			"Proxy-Authorization": "", "Te": "trailers", "Proxy": "",
		}},
		{"Connection cannot strip what we say", one, "Connection: X-Forwarded-For, Via, Switchback-Pool, Host, Forwarded\r\n", map[string]string{
			"X-Forwarded-For": "127.0.0.1", "Via": "1.1 switchback", "Switchback-Pool": "blue", "Host": "a.example",
			"Forwarded": `for=127.0.0.1;host="a.example";proto=http`,
		}},
		{"strangers are not believed", one, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n" +
			"X-Forwarded-Port: 1\r\nX-Forwarded-Anything: 1\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nVia: 1.0 fred\r\n", map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a.example", "X-Forwarded-Port": "",
			"X-Forwarded-Anything": "", "X-Real-Ip": "", "Forwarded": `for=127.0.0.1;host="a.example";proto=http`,
			"Via": "1.0 fred, 1.1 switchback",
		}},
		{"trusted proxies are", trusted + one, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 2001:db8::1, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n" +
			"X-Forwarded-Host: first.example\r\nX-Forwarded-Port: 444\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nForwarded: for=\"[2001:db8::1]\"\r\n", map[string]string{
			"X-Forwarded-For": "1.2.3.4, 2001:db8::1, 10.0.0.9, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "first.example",
			"X-Forwarded-Port": "444", "X-Real-Ip": "1.2.3.4",
			"Forwarded": `for=1.2.3.4, for="[2001:db8::1]", for=127.0.0.1;host="a.example";proto=http`,
		}},
		{"a trusted proxy that says nothing", trusted + one, "", map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a.example",
		}},
		{"ours are ours", one, "Switchback-Pool: green\r\nSwitchback-Flags: x=1\r\nSwitchback-Whatever: 1\r\nX-Pool: green\r\n", map[string]string{
			"Switchback-Pool": "blue", "Switchback-Flags": "", "Switchback-Whatever": "", "X-Pool": "green",
		}},
		{"the override's name is not for strangers", trusted + one, "X-Pool: blue\r\n", map[string]string{"X-Pool": ""}},
		{"host of the target", strings.Replace(one, "pools:", "host: target, pools:", 1), "", map[string]string{"Host": "UPSTREAM", "X-Forwarded-Host": "a.example"}},
		{"host by name", strings.Replace(one, "pools:", "host: api.internal, pools:", 1), "", map[string]string{"Host": "api.internal", "X-Forwarded-Host": "a.example"}},
		{"harmless underscores", one, "X_Y: 1\r\n", map[string]string{"X_Y": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue, heads := answering(t, okResponse)
			r := start(t, tt.file, map[string]string{"blue": blue})
			if all := r.raw("GET / HTTP/1.1\r\n" + host + "Connection: close\r\n" + tt.sent + "\r\n"); !strings.HasPrefix(all, "HTTP/1.1 200 OK\r\n") {
				t.Fatalf("answer is %q", all)
			}
			got := <-heads
			for name, want := range tt.want {
				if want == "UPSTREAM" {
					want = hostOf(t, blue)
				}
				if v := lineOf(t, got, name); v != want {
					t.Errorf("upstream got %s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

// Fields by which a trusted peer tells of the client decide who may override.
func TestOverrideByClientAddress(t *testing.T) {
	t.Parallel()
	r := start(t, trusted+split(100), map[string]string{"blue": named(t, "blue"), "green": named(t, "green")})
	for forwarded, want := range map[string]string{
		"":                                "blue", // the peer itself may not
		"192.0.2.7":                       "green",
		"192.0.2.7, 10.0.0.1, 127.0.0.5":  "green", // through several trusted proxies
		"192.0.2.7, 198.51.100.1":         "blue",  // said by a stranger
		"192.0.2.7, garbage":              "blue",
		"192.0.2.7:1234, [fd00::1]:80":    "green",
		"::ffff:192.0.2.7, fd00::1":       "green",
		"192.0.2.7, 198.51.100.1, fd00::": "blue",
	} {
		fields := []string{"X-Pool", "green"}
		if forwarded != "" {
			fields = append(fields, "X-Forwarded-For", forwarded)
		}
		if _, body := r.get("/", fields...); body != want {
			t.Errorf("X-Forwarded-For %q reaches %s, want %s", forwarded, body, want)
		}
	}
	if res, _ := r.get("/", "X-Pool", "red", "X-Forwarded-For", "192.0.2.7"); res.StatusCode != 503 || res.Header.Get("Switchback-Reason") != "no-pool" {
		t.Errorf("a pool that is not there answers %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
}

func TestForwardsResponses(t *testing.T) {
	t.Parallel()
	date := "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	tests := []struct {
		name, method, proto, response string
		want                          string // prefix of what the client gets, up to the empty line
		fields                        map[string]string
		body                          string
	}{
		{"nothing is invented", "GET", "1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 15\r\n\r\n<html>hi</html>", "HTTP/1.1 200 OK", map[string]string{
			"Content-Type": "", "Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Server": "", "Via": "", "Content-Length": "15",
		}, "<html>hi</html>"},
		{
			"nothing is decoded", "GET", "1.1", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", "HTTP/1.1 200 OK",
			map[string]string{"Content-Encoding": "gzip", "Content-Length": "4"},
			"\x1f\x8b\x08\x00",
		},
		{"hop by hop", "GET", "1.1", "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Drop, Set-Cookie\r\nX-Drop: 1\r\nSet-Cookie: a=b\r\nKeep-Alive: timeout=5\r\n" +
			"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Keep: 1\r\nSwitchback-Reason: theirs\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK", map[string]string{
			"X-Drop": "", "Keep-Alive": "", "Proxy-Authenticate": "", "Upgrade": "", "X-Keep": "1", "Set-Cookie": "", "Switchback-Reason": "theirs",
		}, ""},
		{
			"HEAD", "HEAD", "1.1", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: text/x\r\n\r\n", "HTTP/1.1 200 OK",
			map[string]string{"Content-Length": "1234", "Content-Type": "text/x"},
			"",
		},
		{"HEAD without length", "HEAD", "1.1", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK", map[string]string{"Content-Length": "", "Transfer-Encoding": ""}, ""},
		{
			"304", "GET", "1.1", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nContent-Type: text/x\r\nEtag: \"x\"\r\n\r\n", "HTTP/1.1 304 Not Modified",
			map[string]string{"Content-Length": "1234", "Content-Type": "text/x", "Etag": `"x"`, "Transfer-Encoding": ""},
			"",
		},
		{"304 without length", "GET", "1.1", "HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 304 Not Modified", map[string]string{"Content-Length": "", "Transfer-Encoding": ""}, ""},
		{"204", "GET", "1.1", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content", map[string]string{"Content-Length": "", "Transfer-Encoding": ""}, ""},
		{"204 with length", "GET", "1.1", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content", map[string]string{"Content-Length": ""}, ""},
		{"205", "GET", "1.1", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 205", map[string]string{"Content-Length": "0"}, ""},
		{"unknown status", "GET", "1.1", "HTTP/1.1 599 Odd\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 599", nil, "x"},
		{"chunked", "GET", "1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", "HTTP/1.1 200 OK", nil, "abcdefg"},
		{"empty chunked", "GET", "1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK", nil, ""},
		{"until close", "GET", "1.1", "HTTP/1.1 200 OK\r\n\r\nall of it", "HTTP/1.1 200 OK", map[string]string{"Transfer-Encoding": "chunked"}, "all of it"},
		{"HTTP/1.0 upstream", "GET", "1.1", "HTTP/1.0 200 OK\r\n\r\nold", "HTTP/1.1 200 OK", nil, "old"},
		{"HTTP/1.0 client, chunked", "GET", "1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.0 200 OK", map[string]string{"Transfer-Encoding": ""}, "abc"},
		{"HTTP/1.0 client, length", "GET", "1.0", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 200 OK", map[string]string{"Content-Length": "3"}, "abc"},
		{"HTTP/1.0 client, 1xx", "GET", "1.0", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.0 200 OK", map[string]string{"Link": ""}, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				_ = head(br)
				_, _ = io.WriteString(c, tt.response) // and close
			})
			r := start(t, one, map[string]string{"blue": blue})
			all := r.raw(tt.method + " / HTTP/" + tt.proto + "\r\n" + host + "Connection: close\r\n\r\n")
			if !strings.HasPrefix(all, tt.want) {
				t.Fatalf("client got %q, want %q", all, tt.want)
			}
			head, _, _ := strings.Cut(all, "\r\n\r\n")
			for name, want := range tt.fields {
				if v := lineOf(t, head, name); v != want {
					t.Errorf("client got %s: %q, want %q", name, v, want)
				}
			}
			if lineOf(t, head, "Date") == "" {
				t.Error("no date")
			}
			br := bufio.NewReader(strings.NewReader(all))
			if _, body := answer(t, br, tt.method); body != tt.body {
				t.Errorf("body is %q, want %q", body, tt.body)
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("more behind the answer: %q", rest)
			}
		})
	}
}

func TestForwardsSeveralLines(t *testing.T) {
	t.Parallel()
	blue, heads := answering(t, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2; Path=/\r\nX: 2\r\nContent-Length: 0\r\n\r\n")
	r := start(t, one, map[string]string{"blue": blue})
	all := r.raw("GET / HTTP/1.1\r\n" + host + "Connection: close\r\nY: 1\r\nY: 2\r\n\r\n")
	for _, line := range []string{"Set-Cookie: a=1\r\n", "Set-Cookie: b=2; Path=/\r\n", "X: 1\r\n", "X: 2\r\n"} {
		if strings.Count(all, line) != 1 {
			t.Errorf("client got %q, want one %q", all, line)
		}
	}
	if got := <-heads; !strings.Contains(got, "Y: 1\r\nY: 2\r\n") {
		t.Errorf("upstream got %q", got)
	}
}

func TestForwardsBodies(t *testing.T) {
	t.Parallel()
	type seen struct{ framing, body string }
	got := make(chan seen, 1)
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{strings.Join(r.TransferEncoding, ",") + " " + r.Header.Get("Content-Length"), string(b)}
		_, _ = io.WriteString(w, "ok")
	})
	r := start(t, one, map[string]string{"blue": blue})
	for _, tt := range []struct {
		name, request string
		want          seen
	}{
		{"length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", seen{" 3", "abc"}},
		{"empty", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", seen{" 0", ""}},
		{"none", "POST / HTTP/1.1\r\n" + host + "\r\n", seen{" 0", ""}},
		{"chunked", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", seen{"chunked ", "abcde"}},
		{"empty chunked", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", seen{"chunked ", ""}},
		{"GET with a body", "GET / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", seen{" 3", "abc"}},
		{"GET with chunks", "GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", seen{"chunked ", "abc"}},
		{"HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", seen{" 3", "abc"}},
		{"an empty line before", "\r\nPOST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", seen{" 3", "abc"}},
	} {
		c := r.dial()
		_, _ = io.WriteString(c, tt.request)
		if res, body := answer(t, bufio.NewReader(c), http.MethodPost); body != "ok" {
			t.Errorf("%s: answer is %d %q", tt.name, res.StatusCode, body)
		} else if s := <-got; s != tt.want {
			t.Errorf("%s: upstream got %+v, want %+v", tt.name, s, tt.want)
		}
		_ = c.Close()
	}
}

// One connection carries many requests, also written at once.
func TestPipeline(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.URL.Path+string(b)+";")
	})
	r := start(t, one, map[string]string{"blue": blue})
	all := r.raw("GET /1 HTTP/1.1\r\n" + host + "\r\n" +
		"POST /2 HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nxx" +
		"POST /3 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nyy\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" +
		"GET /5 HTTP/1.1\r\n" + host + "\r\n")
	br := bufio.NewReader(strings.NewReader(all))
	for _, want := range []string{"/1;", "/2xx;", "/3yy;", "/4;"} {
		if _, body := answer(t, br, http.MethodGet); body != want {
			t.Errorf("answer is %q, want %q", body, want)
		}
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("what follows a close was answered: %q", rest)
	}
}

func TestForwardsTrailers(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		announced := len(r.Trailer)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Announced", []string{"no", "yes"}[min(announced, 1)])
		w.Header().Set("X-Got", r.Trailer.Get("X-Sum")+r.Trailer.Get("Authorization"))
		if r.URL.Path == "/announced" {
			w.Header().Set("Trailer", "X-Back, X-Never")
		}
		w.Header().Set("X-Back", "head")
		if r.URL.Path != "/empty" {
			_, _ = io.WriteString(w, "body")
		}
		if r.URL.Path == "/announced" {
			w.Header().Set("X-Back", "tail")
			return
		}
		w.Header().Set(http.TrailerPrefix+"X-Back", "tail")
		w.(http.Flusher).Flush()
	})
	r := start(t, one, map[string]string{"blue": blue})
	for _, path := range []string{"/announced", "/unannounced", "/empty"} {
		announce, want := "", "no"
		if path == "/announced" {
			announce, want = "Trailer: X-Sum\r\n", "yes"
		}
		c := r.dial()
		_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\n"+host+"Te: trailers\r\nTransfer-Encoding: chunked\r\n"+announce+"\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n")
		res, _ := answer(t, bufio.NewReader(c), http.MethodPost)
		_ = c.Close()
		if res.Header.Get("X-Got") != "42" || res.Header.Get("X-Announced") != want {
			t.Errorf("%s: upstream got %q, announced %s", path, res.Header.Get("X-Got"), res.Header.Get("X-Announced"))
		}
		if v := res.Trailer["X-Back"]; len(v) != 1 || v[0] != "tail" {
			t.Errorf("%s: client got the trailer %q", path, v)
		}
	}
}

func TestForwardsInterimResponses(t *testing.T) {
	t.Parallel()
	blue, _ := answering(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"+
		"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nX-Final: yes\r\nContent-Length: 1\r\n\r\nx")
	r := start(t, `services: {web: {sticky: {key: [{issue_cookie: id}]}, pools: {blue: ["{{blue}}"]}, weights: {blue: 100}}}`, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
	br := bufio.NewReader(c)
	for _, want := range []string{
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n",
	} {
		if got := head(br); got != want {
			t.Errorf("interim is %q, want %q", got, want)
		}
	}
	res, body := answer(t, br, http.MethodGet)
	if res.StatusCode != 200 || res.Header.Get("X-Final") != "yes" || res.Header.Get("Link") != "" || len(res.Cookies()) != 1 || body != "x" {
		t.Errorf("final answer is %d %v %q", res.StatusCode, res.Header, body)
	}
}

// Expect passes through: the client is not asked for the body before the target is ready for it.
func TestContinue(t *testing.T) {
	t.Parallel()
	ask := make(chan struct{})
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for {
			h := head(br)
			switch {
			case h == "":
				return
			case strings.HasPrefix(h, "POST /silent "):
			case strings.HasPrefix(h, "POST /hints "):
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
			default:
				if lineOf(t, h, "Expect") == "" {
					t.Error("the expectation was lost")
				}
				<-ask
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			body := make([]byte, 4)
			if _, err := io.ReadFull(br, body); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"+string(body))
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	send := func(path string) {
		_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\n"+host+"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	}
	finish := func(path string) {
		t.Helper()
		_, _ = io.WriteString(c, "body")
		if res, body := answer(t, br, http.MethodPost); res.StatusCode != 200 || body != "body" || res.Close {
			t.Errorf("%s: answer is %d %q, close %v", path, res.StatusCode, body, res.Close)
		}
	}
	send("/slow")
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if b, err := br.ReadByte(); err == nil {
		t.Fatalf("client was asked before the target asked: %q", b)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	close(ask)
	if got := head(br); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("interim is %q", got)
	}
	finish("/slow")

	send("/silent")
	if got := head(br); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("interim of a silent target is %q", got)
	}
	finish("/silent")

	send("/hints")
	if got := head(br) + head(br); strings.Count(got, "100 Continue") != 1 || strings.Count(got, "103 Early Hints") != 1 {
		t.Errorf("interims are %q", got)
	}
	finish("/hints")
}

// A target that refuses without reading gets no body, and the client is not asked for one.
func TestContinueRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"417 Expectation Failed", "403 Forbidden", "200 OK"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			got := make(chan string, 1)
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				_ = head(br)
				_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\nno")
				rest, _ := io.ReadAll(br)
				got <- string(rest)
			})
			r := start(t, one, map[string]string{"blue": blue})
			c := r.dial()
			defer c.Close()
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
			br := bufio.NewReader(c)
			res, body := answer(t, br, http.MethodPost)
			if !strings.HasPrefix(status, res.Status[:3]) || body != "no" || !res.Close {
				t.Errorf("answer is %s %q, close %v", res.Status, body, res.Close)
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("more behind the answer: %q", rest)
			}
			if s := <-got; s != "" {
				t.Errorf("target got %q", s)
			}
		})
	}
}

// An expectation of HTTP/1.0 is ignored.
func TestContinueOfHTTP10(t *testing.T) {
	t.Parallel()
	blue, heads := answering(t, okResponse)
	r := start(t, one, map[string]string{"blue": blue})
	all := r.raw("POST / HTTP/1.0\r\n" + host + "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n")
	if !strings.HasPrefix(all, "HTTP/1.0 200 OK") || lineOf(t, <-heads, "Expect") != "" {
		t.Errorf("answer is %q", all)
	}
}

const issuing = `services: {web: {sticky: {key: [{issue_cookie: id}]}, pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: 50, green: 50}}}`

func TestIssuesCookie(t *testing.T) {
	t.Parallel()
	fails := func(name string) string {
		return upstream(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "theirs=1")
			if r.URL.Path == "/fails" {
				w.WriteHeader(500)
			}
			_, _ = io.WriteString(w, name)
		})
	}
	r := start(t, issuing, map[string]string{"blue": fails("blue"), "green": fails("green")})
	pools := map[string]int{}
	for i := range 40 {
		path := []string{"/", "/fails"}[i%2]
		res, pool := r.get(path)
		pools[pool]++
		id := cookieOf(t, res)
		if len(id.Value) != 32 || !id.HttpOnly || id.Secure || id.SameSite != http.SameSiteLaxMode || id.Path != "/" {
			t.Fatalf("cookie is %v", id)
		}
		for range 3 {
			res, again := r.get("/", "Cookie", "x=y; id="+id.Value)
			if again != pool || len(res.Cookies()) != 1 {
				t.Fatalf("%s became %s, cookies %v", pool, again, res.Cookies())
			}
		}
	}
	if len(pools) != 2 {
		t.Errorf("everybody meets %v", pools)
	}
	for _, bad := range []string{"id=", "id=green", "id=" + strings.Repeat("a", 5000), "id=" + strings.Repeat("Z", 32)} {
		if res, _ := r.get("/", "Cookie", bad); len(res.Cookies()) != 2 || res.StatusCode != 200 {
			t.Errorf("%.20s was not replaced", bad)
		}
	}
}

// cookieOf is ours among the cookies of an answer.
func cookieOf(t testing.TB, res *reply) *http.Cookie {
	t.Helper()
	for _, c := range res.Cookies() {
		if c.Name == "id" {
			return c
		}
	}
	t.Fatalf("no cookie of ours in %v", res.Header)
	return nil
}

// Also an answer of our own carries it, and TLS makes it secure.
func TestIssuesCookieOnOurAnswers(t *testing.T) {
	t.Parallel()
	r := start(t, issuing, map[string]string{"blue": closed(t), "green": closed(t)})
	res, _ := r.get("/")
	if res.StatusCode != 502 || cookieOf(t, res).Secure {
		t.Errorf("answer is %d, cookie %v", res.StatusCode, res.Cookies())
	}
	s := startTLS(t, issuing, map[string]string{"blue": named(t, "blue"), "green": named(t, "green")})
	if res, _ := s.getTLS(true, "/"); !cookieOf(t, res).Secure {
		t.Errorf("cookie is %v", res.Cookies())
	}
	behind := start(t, trusted+issuing, map[string]string{"blue": named(t, "blue"), "green": named(t, "green")})
	if res, _ := behind.get("/", "X-Forwarded-Proto", "https"); !cookieOf(t, res).Secure {
		t.Errorf("behind TLS the cookie is %v", res.Cookies())
	}
}

// https targets are verified; their answers come through the same guard.
func TestForwardsToTLS(t *testing.T) {
	t.Parallel()
	u := tlsUpstream(t, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+" "+r.Host) })
	r := start(t, one, map[string]string{"blue": u})
	for range 3 {
		if res, body := r.get("/", "Host", "a.example"); body != "HTTP/1.1 a.example" {
			t.Errorf("answer is %d %q", res.StatusCode, body)
		}
	}
	wrong := tlsUpstream(t, "other.example", func(http.ResponseWriter, *http.Request) { t.Error("served under a wrong name") })
	w := start(t, one, map[string]string{"blue": wrong})
	if res, _ := w.get("/"); res.StatusCode != 502 || res.Header.Get("Switchback-Reason") != "connect-failed" {
		t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
}
