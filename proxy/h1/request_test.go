package h1

import (
	"fmt"
	"strings"
	"testing"
)

var requestCases = []struct {
	name, raw, want string
}{
	// Request line.
	{"plain", get(), `GET / "a" none`},
	{"http 1.0", msg("GET / HTTP/1.0", "Host: a"), `GET / "a" none 1.0 close`},
	{"http 1.0 without host", msg("GET / HTTP/1.0"), `GET / "" none 1.0 close`},
	{"http 1.0 keep-alive", msg("GET / HTTP/1.0", "Connection: keep-alive"), `GET / "" none 1.0`},
	{"http 1.0 keep-alive and close", msg("GET / HTTP/1.0", "Connection: keep-alive, close"), `GET / "" none 1.0 close`},
	{"any token is a method", msg("M-SEARCH / HTTP/1.1", "Host: a"), `M-SEARCH / "a" none`},
	{"methods have case", msg("get / HTTP/1.1", "Host: a"), `get / "a" none`},
	{"head", msg("HEAD / HTTP/1.1", "Host: a"), `HEAD / "a" none`},
	{"trace", msg("TRACE / HTTP/1.1", "Host: a"), `TRACE / "a" none`},
	{"bad method byte", msg("GE(T / HTTP/1.1", "Host: a"), "400 bad-method"},
	{"method with high byte", msg("G\xc3\x89T / HTTP/1.1", "Host: a"), "400 bad-method"},
	{"no method", msg(" / HTTP/1.1", "Host: a"), "400 bad-method"},
	{"space before method", msg(" GET / HTTP/1.1", "Host: a"), "400 bad-method"},
	{"nul before method", msg("\x00GET / HTTP/1.1", "Host: a"), "400 bad-method"},
	{"tab after method", msg("GET\t/ HTTP/1.1", "Host: a"), "400 bad-request-line"},
	{"tls client hello", "\x16\x03\x01\x02\x00\r\n\r\n", "400 bad-request-line"},
	{"two spaces before target", msg("GET  / HTTP/1.1", "Host: a"), "400 bad-version"},
	{"two spaces before version", msg("GET /  HTTP/1.1", "Host: a"), "400 bad-version"},
	{"space behind version", msg("GET / HTTP/1.1 ", "Host: a"), "400 bad-version"},
	{"tab before version", msg("GET /\tHTTP/1.1", "Host: a"), "400 bad-request-line"},
	{"space in target", msg("GET /a b HTTP/1.1", "Host: a"), "400 bad-version"},
	{"no version", msg("GET /", "Host: a"), "400 bad-request-line"},
	{"http 0.9", msg("GET /"), "400 bad-request-line"},
	{"method only", msg("GET", "Host: a"), "400 bad-request-line"},
	{"empty version", msg("GET / ", "Host: a"), "400 bad-version"},
	{"lower-case version", msg("GET / http/1.1", "Host: a"), "400 bad-version"},
	{"version 1.2", msg("GET / HTTP/1.2", "Host: a"), "505 version-not-supported"},
	{"version 2.0", msg("GET / HTTP/2.0", "Host: a"), "505 version-not-supported"},
	{"version 0.9", msg("GET / HTTP/0.9", "Host: a"), "505 version-not-supported"},
	{"http 2 preface", "PRI * HTTP/2.0\r\n\r\n", "505 version-not-supported"},
	{"version 1.10", msg("GET / HTTP/1.10", "Host: a"), "400 bad-version"},
	{"version 01.1", msg("GET / HTTP/01.1", "Host: a"), "400 bad-version"},
	{"version 1", msg("GET / HTTP/1", "Host: a"), "400 bad-version"},
	{"version 1,1", msg("GET / HTTP/1,1", "Host: a"), "400 bad-version"},
	{"version of another protocol", msg("GET / ICAP/1.1", "Host: a"), "400 bad-version"},

	// Targets.
	{"path and query", target("/a/b;c=1?x=%zz&y=/?"), `GET /a/b;c=1?x=%zz&y=/? "a" none`},
	{"escapes", target("/%2F%c3%A9%25"), `GET /%2F%c3%A9%25 "a" none`},
	{"two slashes", target("//b/c"), `GET //b/c "a" none`},
	{"dot segments", target("/a/../b"), `GET /a/../b "a" none`},
	{"escaped nul", target("/a%00b"), "400 bad-escape"},
	{"escaped nul in query", target("/?a%00b"), `GET /?a%00b "a" none`},
	{"escape of one digit", target("/%2"), "400 bad-escape"},
	{"escape of no digit", target("/%"), "400 bad-escape"},
	{"escape with letter", target("/%2g"), "400 bad-escape"},
	{"escape cut by query", target("/%2?0"), "400 bad-escape"},
	{"fragment", target("/a#b"), "400 bad-target"},
	{"high byte", target("/caf\xc3\xa9"), "400 bad-target"},
	{"nul in target", target("/\x00"), "400 bad-target"},
	{"del in target", target("/\x7f"), "400 bad-target"},
	{"vertical tab in target", target("/\v"), "400 bad-target"},
	{"bare cr in target", target("/\ra"), "400 bare-cr"},
	{"empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad-target"},
	{"relative path", target("index.html"), "400 bad-target"},
	{"query only", target("?a"), "400 bad-target"},
	{"authority form", target("a:80"), "400 bad-target"},
	{"target at the limit", target("/" + strings.Repeat("x", 255)), "GET /" + strings.Repeat("x", 255) + ` "a" none`},
	{"target above the limit", target("/" + strings.Repeat("x", 256)), "414 target-too-long"},
	{"asterisk", msg("OPTIONS * HTTP/1.1", "Host: a"), `OPTIONS * "a" none`},
	{"asterisk without options", target("*"), "400 bad-target"},
	{"asterisk and more", msg("OPTIONS */ HTTP/1.1", "Host: a"), "400 bad-target"},
	{"absolute", target("http://a/b?c"), `GET http://a/b?c "a" none`},
	{"absolute https, any case", target("HTTPS://A:443/"), `GET HTTPS://A:443/ "A:443" none differs`},
	{"absolute without path", target("http://a"), `GET http://a "a" none`},
	{"absolute without path, query", target("http://a?b"), `GET http://a?b "a" none`},
	{"absolute wins over host", target("http://b/"), `GET http://b/ "b" none differs`},
	{"absolute and host in other case", target("http://A/"), `GET http://A/ "A" none`},
	{"absolute without host field", msg("GET http://b/ HTTP/1.1"), "400 missing-host"},
	{"absolute in 1.0 without host", msg("GET http://b/ HTTP/1.0"), `GET http://b/ "b" none 1.0 close`},
	{"absolute ipv6", target("http://[::1]:8080/"), `GET http://[::1]:8080/ "[::1]:8080" none differs`},
	{"absolute without authority", target("http:///a"), "400 bad-host"},
	{"absolute with nothing", target("http://"), "400 bad-target"},
	{"absolute with userinfo", target("http://u@a/"), "400 bad-host"},
	{"absolute with password", target("http://u:p@a/"), "400 bad-host"},
	{"absolute with bad port", target("http://a:b/"), "400 bad-host"},
	{"absolute with backslash", target(`http://a\b/`), "400 bad-host"},
	{"absolute with escaped host", target("http://%61/"), "400 bad-host"},
	{"absolute with bad escape in path", target("http://a/%0"), "400 bad-escape"},
	{"absolute of another scheme", target("ftp://a/"), "400 bad-target"},
	{"absolute with one slash", target("http:/a"), "400 bad-target"},
	{"connect", msg("CONNECT a:443 HTTP/1.1", "Host: a"), "501 connect-not-allowed"},
	{"connect to a path", msg("CONNECT / HTTP/1.1", "Host: a"), "501 connect-not-allowed"},
	{"connect in 1.0", msg("CONNECT a:443 HTTP/1.0"), "501 connect-not-allowed"},
	{"connect with body", msg("CONNECT a:443 HTTP/1.1", "Host: a", "Content-Length: 3"), "501 connect-not-allowed"},

	// Lines and fields.
	{"empty value", get("X:"), `GET / "a" none`},
	{"white space around value", get("X: \t y \t"), `GET / "a" none`},
	{"no space before value", msg("GET / HTTP/1.1", "Host:a"), `GET / "a" none`},
	{"tab in value", get("X: a\tb"), `GET / "a" none`},
	{"high bytes in value", get("X: \x80\xff"), `GET / "a" none`},
	{"all token bytes in name", get("!#$%&'*+-.^`|~09azAZ: y"), `GET / "a" none`},
	{"colons in value", get("X: a:b::c"), `GET / "a" none`},
	{"line feed only", "GET / HTTP/1.1\nHost: a\n\n", "400 bare-lf"},
	{"line feed after request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare-lf"},
	{"line feed after field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400 bare-lf"},
	{"line feed as empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare-lf"},
	{"line feed first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare-lf"},
	{"cr in value", get("X: a\rb"), "400 bare-cr"},
	{"cr at end of value", get("X: a\r"), "400 bare-cr"},
	{"cr in name", get("X\rY: a"), "400 bare-cr"},
	{"cr before name", get("\rX: a"), "400 bare-cr"},
	{"cr after request line", msg("GET / HTTP/1.1\r", "Host: a"), "400 bare-cr"},
	{"folded with space", get("X: a", " b"), "400 obs-fold"},
	{"folded with tab", get("X: a", "\tb"), "400 obs-fold"},
	{"space before first field", msg("GET / HTTP/1.1", " Host: a"), "400 obs-fold"},
	{"line of one space", get(" "), "400 obs-fold"},
	{"space before colon", get("X : a"), "400 space-before-colon"},
	{"tab before colon", get("X\t: a"), "400 space-before-colon"},
	{"space before colon of framing", post("Content-Length : 3"), "400 space-before-colon"},
	{"space in name", get("X Y: a"), "400 bad-field-name"},
	{"no colon", get("X"), "400 bad-field-name"},
	{"empty name", get(": a"), "400 bad-field-name"},
	{"bad byte in name", get("X(: a"), "400 bad-field-name"},
	{"nul in name", get("X\x00: a"), "400 bad-field-name"},
	{"high byte in name", get("X\xe9: a"), "400 bad-field-name"},
	{"nul in value", get("X: a\x00b"), "400 bad-field-value"},
	{"escape in value", get("X: \x1b[0m"), "400 bad-field-value"},
	{"del in value", get("X: \x7f"), "400 bad-field-value"},
	{"vertical tab in value", get("X: \v"), "400 bad-field-value"},
	{"fields at the limit", get(times(11)...), `GET / "a" none`},
	{"fields above the limit", get(times(12)...), "431 too-many-fields"},
	{"head at the limit", get("X: " + strings.Repeat("y", 1024-32)), `GET / "a" none`},
	{"head above the limit", get("X: " + strings.Repeat("y", 1024-31)), "431 head-too-large"},

	// Host.
	{"no host", msg("GET / HTTP/1.1"), "400 missing-host"},
	{"two hosts", get("Host: a"), "400 repeated-host"},
	{"two different hosts", get("HOST: b"), "400 repeated-host"},
	{"two hosts in 1.0", msg("GET / HTTP/1.0", "Host: a", "Host: a"), "400 repeated-host"},
	{"empty host", host(""), "400 bad-host"},
	{"empty host in 1.0", msg("GET / HTTP/1.0", "Host:"), "400 bad-host"},
	{"host and port", host("shop.example.com:8080"), `GET / "shop.example.com:8080" none`},
	{"host ipv4", host("127.0.0.1:1"), `GET / "127.0.0.1:1" none`},
	{"host ipv6", host("[2001:db8::1]:1"), `GET / "[2001:db8::1]:1" none`},
	{"host with underscore", host("my_app"), `GET / "my_app" none`},
	{"host list", host("a, b"), "400 bad-host"},
	{"host with path", host("a/b"), "400 bad-host"},
	{"host with userinfo", host("u@a"), "400 bad-host"},
	{"host with space", host("a b"), "400 bad-host"},
	{"host with high byte", host("\xc3\xa9"), "400 bad-host"},
	{"host with escape", host("%61"), "400 bad-host"},
	{"host with bad port", host("a:99999"), "400 bad-host"},
	{"host with empty port", host("a:"), "400 bad-host"},
	{"host with signed port", host("a:+80"), "400 bad-host"},
	{"host ipv6 without brackets", host("::1"), "400 bad-host"},
	{"host ipv6 zone", host("[fe80::1%25eth0]"), "400 bad-host"},
	{"host is a port", host(":80"), "400 bad-host"},

	// Content-Length.
	{"length", post("Content-Length: 3"), `POST / "a" length=3`},
	{"length zero", post("Content-Length: 0"), `POST / "a" length=0`},
	{"length with zeros before", post("content-length: 007"), `POST / "a" length=7`},
	{"length of 18 digits", post("Content-Length: 999999999999999999"), `POST / "a" length=999999999999999999`},
	{"length of 19 digits", post("Content-Length: 1000000000000000000"), "400 bad-content-length"},
	{"length above 2^64", post("Content-Length: 18446744073709551619"), "400 bad-content-length"},
	{"get with length", get("Content-Length: 3"), `GET / "a" length=3`},
	{"length in 1.0", msg("POST / HTTP/1.0", "Content-Length: 3"), `POST / "" length=3 1.0 close`},
	{"length twice, same", post("Content-Length: 3", "Content-Length: 3"), "400 repeated-content-length"},
	{"length twice, other", post("Content-Length: 3", "Content-Length: 4"), "400 repeated-content-length"},
	{"length list", post("Content-Length: 3, 3"), "400 bad-content-length"},
	{"length empty", post("Content-Length:"), "400 bad-content-length"},
	{"length plus", post("Content-Length: +3"), "400 bad-content-length"},
	{"length minus", post("Content-Length: -3"), "400 bad-content-length"},
	{"length hexadecimal", post("Content-Length: 0x3"), "400 bad-content-length"},
	{"length with underscore", post("Content-Length: 1_0"), "400 bad-content-length"},
	{"length fraction", post("Content-Length: 3.0"), "400 bad-content-length"},
	{"length with space inside", post("Content-Length: 1 0"), "400 bad-content-length"},
	{"length in other digits", post("Content-Length: \u0663"), "400 bad-content-length"},
	{"length quoted", post(`Content-Length: "3"`), "400 bad-content-length"},

	// Transfer-Encoding.
	{"chunked", post("Transfer-Encoding: chunked"), `POST / "a" chunked`},
	{"chunked, any case", post("transfer-ENCODING:\tChUnKeD "), `POST / "a" chunked`},
	{"get chunked", get("Transfer-Encoding: chunked"), `GET / "a" chunked`},
	{"length then chunked", post("Content-Length: 3", "Transfer-Encoding: chunked"), "400 length-with-transfer-encoding"},
	{"chunked then length", post("Transfer-Encoding: chunked", "Content-Length: 3"), "400 length-with-transfer-encoding"},
	{"chunked and length zero", post("Transfer-Encoding: chunked", "Content-Length: 0"), "400 length-with-transfer-encoding"},
	{"chunked in 1.0", msg("POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"), "400 transfer-encoding-in-http-1-0"},
	{"chunked and length in 1.0", msg("POST / HTTP/1.0", "Content-Length: 3", "Transfer-Encoding: chunked"), "400 length-with-transfer-encoding"},
	{"chunked twice", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "400 repeated-transfer-encoding"},
	{"chunked then identity", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), "400 repeated-transfer-encoding"},
	{"chunked listed twice", post("Transfer-Encoding: chunked, chunked"), "400 bad-transfer-encoding"},
	{"gzip, chunked", post("Transfer-Encoding: gzip, chunked"), "400 bad-transfer-encoding"},
	{"chunked, gzip", post("Transfer-Encoding: chunked, gzip"), "400 bad-transfer-encoding"},
	{"gzip", post("Transfer-Encoding: gzip"), "400 bad-transfer-encoding"},
	{"identity", post("Transfer-Encoding: identity"), "400 bad-transfer-encoding"},
	{"identity and length", post("Content-Length: 3", "Transfer-Encoding: identity"), "400 bad-transfer-encoding"},
	{"empty coding", post("Transfer-Encoding:"), "400 bad-transfer-encoding"},
	{"coding with comma", post("Transfer-Encoding: chunked,"), "400 bad-transfer-encoding"},
	{"coding with parameter", post("Transfer-Encoding: chunked;q=1"), "400 bad-transfer-encoding"},
	{"coding quoted", post(`Transfer-Encoding: "chunked"`), "400 bad-transfer-encoding"},
	{"coding with x", post("Transfer-Encoding: xchunked"), "400 bad-transfer-encoding"},
	{"coding with kelvin sign", post("Transfer-Encoding: chun\u212aed"), "400 bad-transfer-encoding"},
	{"coding with vertical tab", post("Transfer-Encoding: \vchunked"), "400 bad-field-value"},
	{"coding folded", post("Transfer-Encoding:", " chunked"), "400 bad-transfer-encoding"},
	{"coding named with nul", post("Transfer-Encoding\x00: chunked"), "400 bad-field-name"},
	{"te is another field", post("TE: trailers, deflate"), `POST / "a" none`},
	{"trailer announced", post("Transfer-Encoding: chunked", "Trailer: X-Sum, X-Other"), `POST / "a" chunked`},
	{"trailer announces length", post("Transfer-Encoding: chunked", "Trailer: content-length"), "400 bad-trailer"},
	{"trailer announces coding", post("Trailer: X, Transfer-Encoding"), "400 bad-trailer"},
	{"trailer announces no token", post("Trailer: X Y"), "400 bad-trailer"},

	// Names with underscores.
	{"underscore", get("X_Y: a"), `GET / "a" none`},
	{"underscore length", post("Content_Length: 3"), "400 shadow-field"},
	{"underscore coding", post("TRANSFER_ENCODING: chunked"), "400 shadow-field"},
	{"underscore forwarded", get("X_Forwarded-For: 1.2.3.4"), "400 shadow-field"},
	{"underscore forwarded proto", get("x_forwarded_proto: https"), "400 shadow-field"},
	{"underscore real ip", get("X-Real_IP: 1.2.3.4"), "400 shadow-field"},
	{"underscore product header", get("Switchback_Pool: green"), "400 shadow-field"},
	{"hyphen forwarded", get("X-Forwarded-For: 1.2.3.4"), `GET / "a" none`},

	// Connection, Upgrade, Expect.
	{"close", get("Connection: close"), `GET / "a" none close`},
	{"close in a list", get("Connection: x, ClosE ,y"), `GET / "a" none close`},
	{"close in a second field", get("Connection: x", "Connection: close"), `GET / "a" none close`},
	{"closed is not close", get("Connection: closed"), `GET / "a" none`},
	{"connection names framing", post("Connection: Content-Length", "Content-Length: 3"), `POST / "a" length=3`},
	{"websocket", get("Upgrade: websocket", "Connection: Upgrade"), `GET / "a" none upgrade`},
	{"websocket, any case", get("Connection: keep-alive, upgrade", "Upgrade: WebSocket"), `GET / "a" none upgrade`},
	{"websocket with length zero", get("Upgrade: websocket", "Connection: upgrade", "Content-Length: 0"), `GET / "a" length=0 upgrade`},
	{"connection upgrade alone", get("Connection: upgrade"), `GET / "a" none`},
	{"websocket without connection", get("Upgrade: websocket"), "501 upgrade-not-allowed"},
	{"websocket by post", post("Upgrade: websocket", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"websocket with body", get("Upgrade: websocket", "Connection: upgrade", "Content-Length: 3"), "501 upgrade-not-allowed"},
	{"websocket with chunked", get("Upgrade: websocket", "Connection: upgrade", "Transfer-Encoding: chunked"), "501 upgrade-not-allowed"},
	{"websocket in 1.0", msg("GET / HTTP/1.0", "Upgrade: websocket", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"websocket with version", get("Upgrade: websocket/13", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"websocket and h2c", get("Upgrade: websocket, h2c", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"websocket twice", get("Upgrade: websocket", "Upgrade: websocket", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"h2c then websocket", get("Upgrade: h2c", "Upgrade: websocket", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"h2c", get("Upgrade: h2c", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"h2c without connection", get("Upgrade: h2c"), "501 upgrade-not-allowed"},
	{"h2c complete", get("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AA"), "501 upgrade-not-allowed"},
	{"http2-settings alone", get("HTTP2-Settings: AA"), "501 upgrade-not-allowed"},
	{"http2-settings with websocket", get("Upgrade: websocket", "Connection: upgrade", "HTTP2-Settings: AA"), "501 upgrade-not-allowed"},
	{"tls upgrade", get("Upgrade: TLS/1.2", "Connection: upgrade"), "501 upgrade-not-allowed"},
	{"empty upgrade", get("Upgrade:"), "501 upgrade-not-allowed"},
	{"expect", post("Expect: 100-Continue", "Content-Length: 3"), `POST / "a" length=3 expect`},
	{"expect in 1.0 is ignored", msg("POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 3"), `POST / "" length=3 1.0 close`},
	{"expect something else", post("Expect: 200-ok"), "417 unknown-expectation"},
	{"expect a list", post("Expect: 100-continue, x"), "417 unknown-expectation"},
	{"expect nothing", post("Expect:"), "417 unknown-expectation"},

	// What is no head at all.
	{"nothing", "", "400 incomplete-head"},
	{"no empty line", "GET / HTTP/1.1\r\nHost: a\r\n", "400 incomplete-head"},
	{"request line without end", "GET / HTTP/1.1", "400 incomplete-head"},
	{"bytes behind the head", get() + "x", "400 incomplete-head"},
	{"empty line only", "\r\n", "400 bad-request-line"},
}

func TestCheckRequest(t *testing.T) {
	if len(requestCases) < 120 {
		t.Errorf("only %d cases", len(requestCases))
	}
	seen := map[string]bool{}
	for _, tt := range requestCases {
		if seen[tt.name] {
			t.Errorf("two cases are named %s", tt.name)
		}
		seen[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			r, bad := CheckRequest([]byte(tt.raw), lim)
			got := describeRequest(r)
			if bad != nil {
				got = refused(bad)
			}
			if got != tt.want {
				t.Errorf("CheckRequest(%q)\n got %s\nwant %s", tt.raw, got, tt.want)
			}
		})
	}
}

// What the scanner says of each head is what CheckRequest says, however the head arrives.
func TestRequestScannerAgrees(t *testing.T) {
	// The scanner cannot be given these, or knows earlier.
	apart := map[string]string{
		"tls client hello":         "400 bad-method",
		"nothing":                  `held ""`,
		"no empty line":            `held "GET / HTTP/1.1\r\nHost: a\r\n"`,
		"request line without end": `held "GET / HTTP/1.1"`,
		"empty line only":          `drop("\r\n") held ""`,
	}
	for _, tt := range requestCases {
		t.Run(tt.name, func(t *testing.T) {
			got := sameInSplits(t, tt.raw, func(pieces []string) string { return scanRequests(t, pieces) })
			want, known := apart[tt.name]
			r, bad := CheckRequest([]byte(tt.raw), lim)
			switch {
			case known:
			case tt.name == "bytes behind the head":
				want = fmt.Sprintf(`head(%q) end("") held "x"`, get())
			case bad != nil:
				want = refused(bad)
			case r.Framing == Chunked || r.Length > 0:
				want = fmt.Sprintf(`head(%q) held ""`, tt.raw)
			default:
				want = fmt.Sprintf(`head(%q) end("") held ""`, tt.raw)
			}
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestRequestPartsPointIntoHead(t *testing.T) {
	head := []byte("GET http://b/x HTTP/1.1\r\nHost: c\r\n\r\n")
	r, bad := CheckRequest(head, Limits{})
	if bad != nil {
		t.Fatal(bad)
	}
	if &r.Method[0] != &head[0] || &r.Target[0] != &head[4] || &r.Host[0] != &head[11] {
		t.Error("method, target or host is a copy")
	}
}

func TestDefaultLimits(t *testing.T) {
	long := "GET /" + strings.Repeat("x", defaultMaxTarget-1) + " HTTP/1.1\r\nHost: a\r\n"
	for range defaultMaxFields - 1 {
		long += "X: y\r\n"
	}
	if _, bad := CheckRequest([]byte(long+"\r\n"), Limits{}); bad != nil {
		t.Errorf("at the limits: %v", bad)
	}
	if _, bad := CheckRequest([]byte(long+"X: y\r\n\r\n"), Limits{}); bad != errTooManyFields {
		t.Errorf("one field more: %v", bad)
	}
	if n := (Limits{}).Buffer(); n != 64<<10 {
		t.Errorf("Buffer() = %d", n)
	}
	if n := (Limits{MaxHead: 100}).Buffer(); n != maxSizeLine {
		t.Errorf("Buffer() = %d", n)
	}
}
