package h1

import (
	"fmt"
	"strings"
	"testing"
)

// ok is a 200 of HTTP/1.1 with fields.
func ok(fields ...string) string { return msg(append([]string{"HTTP/1.1 200 OK"}, fields...)...) }

// status is a response of HTTP/1.1 with fields.
func status(line string, fields ...string) string {
	return msg(append([]string{"HTTP/1.1 " + line}, fields...)...)
}

var responseCases = []struct {
	name, method, raw, want string
}{
	// Status line.
	{"plain", "GET", ok("Content-Length: 3"), "200 length=3"},
	{"reason of words", "GET", status("404 Not Found", "Content-Length: 0"), "404 length=0"},
	{"reason with tab and high bytes", "GET", status("200 d\xc3\xa9j\xc3\xa0\tvu", "Content-Length: 0"), "200 length=0"},
	{"empty reason", "GET", status("200 ", "Content-Length: 0"), "200 length=0"},
	{"no reason, no space", "GET", status("200", "Content-Length: 0"), "200 length=0"},
	{"http 1.0", "GET", msg("HTTP/1.0 200 OK", "Content-Length: 3"), "200 length=3 1.0 close"},
	{"http 1.0 keep-alive", "GET", msg("HTTP/1.0 200 OK", "Content-Length: 3", "Connection: keep-alive"), "200 length=3 1.0"},
	{"status 599", "GET", status("599 x", "Content-Length: 0"), "599 length=0"},
	{"status 600", "GET", status("600 x", "Content-Length: 0"), "502 bad-status-line"},
	{"status 099", "GET", status("099 x", "Content-Length: 0"), "502 bad-status-line"},
	{"status of two digits", "GET", status("20 OK"), "502 bad-status-line"},
	{"status of four digits", "GET", status("2000 OK"), "502 bad-status-line"},
	{"status with sign", "GET", status("+20 OK"), "502 bad-status-line"},
	{"status with letter", "GET", status("2x0 OK"), "502 bad-status-line"},
	{"no status", "GET", msg("HTTP/1.1"), "502 bad-status-line"},
	{"two spaces before status", "GET", status(" 200 OK"), "502 bad-status-line"},
	{"tab after version", "GET", msg("HTTP/1.1\t200 OK"), "502 bad-status-line"},
	{"tab after status", "GET", status("200\tOK"), "502 bad-status-line"},
	{"control byte in reason", "GET", status("200 \x01"), "502 bad-status-line"},
	{"bare cr in reason", "GET", status("200 a\rb"), "502 bad-status-line"},
	{"http 2.0", "GET", msg("HTTP/2.0 200 OK"), "502 bad-status-line"},
	{"http 1.2", "GET", msg("HTTP/1.2 200 OK"), "502 bad-status-line"},
	{"lower-case version", "GET", msg("http/1.1 200 OK"), "502 bad-status-line"},
	{"icy", "GET", msg("ICY 200 OK"), "502 bad-status-line"},
	{"space first", "GET", msg(" HTTP/1.1 200 OK"), "502 bad-status-line"},
	{"empty line first", "GET", "\r\n" + ok("Content-Length: 3"), "502 bad-status-line"},
	{"http 0.9", "GET", "<html>\r\n\r\n", "502 bad-status-line"},

	// Lines and fields.
	{"line feed only", "GET", "HTTP/1.1 200 OK\nContent-Length: 3\n\n", "502 bare-lf"},
	{"line feed after field", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\n\r\n", "502 bare-lf"},
	{"cr in value", "GET", ok("X: a\rSet-Cookie: b"), "502 bare-cr"},
	{"nul in value", "GET", ok("X: a\x00"), "502 bad-field-value"},
	{"folded", "GET", ok("X: a", " b"), "502 obs-fold"},
	{"space before colon", "GET", ok("X : a"), "502 space-before-colon"},
	{"no colon", "GET", ok("X"), "502 bad-field-name"},
	{"empty name", "GET", ok(": a"), "502 bad-field-name"},
	{"underscore names are names", "GET", ok("Content_Length: 4", "Content-Length: 3"), "200 length=3"},
	{"fields at the limit", "GET", status("304 x", times(12)...), "304 none"},
	{"fields above the limit", "GET", status("304 x", times(13)...), "502 too-many-fields"},
	{"head above the limit", "GET", ok("X: " + strings.Repeat("y", 1024)), "502 head-too-large"},

	// Content-Length.
	{"length zero", "GET", ok("Content-Length: 0"), "200 length=0"},
	{"length twice, same", "GET", ok("Content-Length: 3", "Content-Length: 3"), "502 repeated-content-length"},
	{"length twice, other", "GET", ok("Content-Length: 3", "Content-Length: 4"), "502 repeated-content-length"},
	{"length list", "GET", ok("Content-Length: 3, 3"), "502 bad-content-length"},
	{"length negative", "GET", ok("Content-Length: -1"), "502 bad-content-length"},
	{"length plus", "GET", ok("Content-Length: +1"), "502 bad-content-length"},
	{"length too long", "GET", ok("Content-Length: 9223372036854775808"), "502 bad-content-length"},
	{"length empty", "GET", ok("Content-Length: "), "502 bad-content-length"},
	{"length bad in answer to head", "HEAD", ok("Content-Length: x"), "502 bad-content-length"},
	{"length bad in 304", "GET", status("304 x", "Content-Length: x"), "502 bad-content-length"},

	// Transfer-Encoding.
	{"chunked", "GET", ok("Transfer-Encoding: chunked"), "200 chunked"},
	{"chunked, any case", "GET", ok("Transfer-Encoding: CHUNKED"), "200 chunked"},
	{"chunked and length", "GET", ok("Transfer-Encoding: chunked", "Content-Length: 3"), "502 length-with-transfer-encoding"},
	{"chunked twice", "GET", ok("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "502 repeated-transfer-encoding"},
	{"chunked listed twice", "GET", ok("Transfer-Encoding: chunked, chunked"), "502 bad-transfer-encoding"},
	{"gzip, chunked", "GET", ok("Transfer-Encoding: gzip, chunked"), "502 bad-transfer-encoding"},
	{"identity", "GET", ok("Transfer-Encoding: identity"), "502 bad-transfer-encoding"},
	{"chunked in 1.0", "GET", msg("HTTP/1.0 200 OK", "Transfer-Encoding: chunked"), "502 transfer-encoding-in-http-1-0"},
	{"bad coding in answer to head", "HEAD", ok("Transfer-Encoding: x"), "502 bad-transfer-encoding"},
	{"trailer announced", "GET", ok("Transfer-Encoding: chunked", "Trailer: Grpc-Status"), "200 chunked"},
	{"trailer announces length", "GET", ok("Transfer-Encoding: chunked", "Trailer: Content-Length"), "502 bad-trailer"},

	// Until close.
	{"until close", "GET", ok(), "200 until-close close"},
	{"until close in 1.0", "GET", msg("HTTP/1.0 200 OK"), "200 until-close 1.0 close"},
	{"until close though keep-alive", "GET", ok("Connection: keep-alive"), "200 until-close close"},
	{"answer to post", "POST", ok(), "200 until-close close"},
	{"status 205", "GET", status("205 Reset Content", "Content-Length: 0"), "205 length=0"},
	{"close", "GET", ok("Connection: close", "Content-Length: 3"), "200 length=3 close"},
	{"upgrade advertised", "GET", ok("Upgrade: h2,h2c", "Connection: Upgrade", "Content-Length: 3"), "200 length=3"},

	// No body.
	{"head with length", "HEAD", ok("Content-Length: 3"), "200 none"},
	{"head with chunked", "HEAD", ok("Transfer-Encoding: chunked"), "200 none"},
	{"head with nothing", "HEAD", ok(), "200 none"},
	{"head has case", "head", ok("Content-Length: 3"), "200 length=3"},
	{"204", "GET", status("204 No Content"), "204 none"},
	{"204 with length zero", "GET", status("204 No Content", "Content-Length: 0"), "204 none"},
	{"204 with length", "DELETE", status("204 No Content", "Content-Length: 2"), "204 none"},
	{"204 chunked", "GET", status("204 No Content", "Transfer-Encoding: chunked"), "502 body-not-allowed"},
	{"304 with length", "GET", status("304 Not Modified", "Content-Length: 3"), "304 none"},
	{"304 chunked", "GET", status("304 Not Modified", "Transfer-Encoding: chunked"), "304 none"},
	{"304 in 1.0", "GET", msg("HTTP/1.0 304 Not Modified"), "304 none 1.0 close"},

	// 1xx.
	{"100", "POST", status("100 Continue"), "100 none"},
	{"103", "GET", status("103 Early Hints", "Link: </a>"), "103 none"},
	{"103 with length zero", "GET", status("103 x", "Content-Length: 0"), "103 none"},
	{"103 with length", "GET", status("103 x", "Content-Length: 1"), "502 body-not-allowed"},
	{"103 chunked", "GET", status("103 x", "Transfer-Encoding: chunked"), "502 body-not-allowed"},
	{"101", "GET", status("101 x", "Upgrade: WebSocket", "Connection: upgrade"), "101 none upgrade"},
	{"101 with length zero", "GET", status("101 x", "Upgrade: websocket", "Connection: upgrade", "Content-Length: 0"), "101 none upgrade"},
	{"101 with length", "GET", status("101 x", "Upgrade: websocket", "Connection: upgrade", "Content-Length: 5"), "502 body-not-allowed"},
	{"101 without upgrade", "GET", status("101 x", "Connection: upgrade"), "502 bad-upgrade"},
	{"101 without connection", "GET", status("101 x", "Upgrade: websocket"), "502 bad-upgrade"},
	{"101 to h2c", "GET", status("101 x", "Upgrade: h2c", "Connection: upgrade"), "502 bad-upgrade"},
	{"101 in 1.0", "GET", msg("HTTP/1.0 101 x", "Upgrade: websocket", "Connection: upgrade"), "502 bad-upgrade"},

	// What is no head at all.
	{"nothing", "GET", "", "502 incomplete-head"},
	{"no empty line", "GET", "HTTP/1.1 200 OK\r\n", "502 incomplete-head"},
	{"bytes behind the head", "GET", status("204 x") + "y", "502 incomplete-head"},
}

func TestCheckResponse(t *testing.T) {
	if len(responseCases) < 60 {
		t.Errorf("only %d cases", len(responseCases))
	}
	seen := map[string]bool{}
	for _, tt := range responseCases {
		if seen[tt.name] {
			t.Errorf("two cases are named %s", tt.name)
		}
		seen[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			r, bad := CheckResponse([]byte(tt.raw), tt.method, lim)
			got := describeResponse(r)
			if bad != nil {
				got = refused(bad)
			}
			if got != tt.want {
				t.Errorf("CheckResponse(%q, %s)\n got %s\nwant %s", tt.raw, tt.method, got, tt.want)
			}
		})
	}
}

// What the scanner says of each head is what CheckResponse says, however the head arrives.
func TestResponseScannerAgrees(t *testing.T) {
	apart := map[string]string{
		"nothing":               `held ""`,
		"no empty line":         `held "HTTP/1.1 200 OK\r\n"`,
		"empty line first":      "502 bad-status-line",
		"bytes behind the head": fmt.Sprintf(`head(%q) end("") 502 unsolicited-response`, status("204 x")),
	}
	for _, tt := range responseCases {
		t.Run(tt.name, func(t *testing.T) {
			got := sameInSplits(t, tt.raw, func(pieces []string) string {
				return scanResponse(t, tt.method, true, pieces)
			})
			want, known := apart[tt.name]
			r, bad := CheckResponse([]byte(tt.raw), tt.method, lim)
			switch {
			case known:
			case bad != nil:
				want = refused(bad)
			case r.Status == 101 || r.Framing == Chunked || r.Framing == UntilClose || r.Length > 0:
				want = fmt.Sprintf(`head(%q) held ""`, tt.raw)
			case r.Status < 200:
				want = fmt.Sprintf(`interim(%q) held ""`, tt.raw)
			default:
				want = fmt.Sprintf(`head(%q) end("") held ""`, tt.raw)
			}
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}
