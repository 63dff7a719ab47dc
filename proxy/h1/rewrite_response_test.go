package h1

import (
	"bytes"
	"testing"
)

var rewriteResponseCases = []struct {
	name, method, raw string
	a                 Answering
	want              string
}{
	// Status line.
	{"plain", "GET", ok("Content-Length: 3"), Answering{}, msg("HTTP/1.1 200 OK", "Content-Length: 3")},
	{
		"reason of its own", "GET", status("299 Very \t Fine\xff", "Content-Length: 0"),
		Answering{},
		msg("HTTP/1.1 299 Very \t Fine\xff", "Content-Length: 0"),
	},
	{"empty reason", "GET", status("200 ", "Content-Length: 0"), Answering{}, msg("HTTP/1.1 200 ", "Content-Length: 0")},
	{"no reason", "GET", status("200", "Content-Length: 0"), Answering{}, msg("HTTP/1.1 200 ", "Content-Length: 0")},
	{
		"http 1.0", "GET", msg("HTTP/1.0 404 No", "Content-Length: 1", "Connection: keep-alive"),
		Answering{},
		msg("HTTP/1.1 404 No", "Content-Length: 1"),
	},
	{
		"order, spelling, white space", "GET", ok("x-b:1", "content-length:3", "X-A: \t2 \t", "x-b: 3", "X-Empty:"),
		Answering{},
		msg("HTTP/1.1 200 OK", "x-b: 1", "content-length: 3", "X-A: 2", "x-b: 3", "X-Empty: "),
	},

	// Framing.
	{"chunked", "GET", ok("X: y", "transfer-encoding: Chunked"), Answering{}, msg("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "X: y")},
	{
		"trailers", "GET", ok("Trailer: X-Sum, Set-Cookie", "Transfer-Encoding: chunked", "Trailer: x-b,proxy,"),
		Answering{},
		msg("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Trailer: X-Sum,x-b"),
	},
	{"trailer without chunks", "GET", ok("Trailer: X-Sum", "Content-Length: 3"), Answering{}, msg("HTTP/1.1 200 OK", "Content-Length: 3")},
	{"until close", "GET", ok("X: y"), Answering{}, msg("HTTP/1.1 200 OK", "Connection: close", "X: y")},
	{
		"length named", "GET", ok("Connection: content-length, x", "Content-Length: 3", "X: y"),
		Answering{},
		msg("HTTP/1.1 200 OK", "Content-Length: 3"),
	},
	{"head with length", "HEAD", ok("Content-Length: 3"), Answering{}, msg("HTTP/1.1 200 OK", "Content-Length: 3")},
	{"head chunked", "HEAD", ok("Transfer-Encoding: chunked", "Trailer: X-Sum"), Answering{}, msg("HTTP/1.1 200 OK")},
	{"head without framing", "HEAD", ok("X: y"), Answering{}, msg("HTTP/1.1 200 OK", "X: y")},
	{
		"not modified", "GET", status("304 Not Modified", "Content-Length: 3", "Content-Type: a/b", "ETag: c"),
		Answering{},
		msg("HTTP/1.1 304 Not Modified", "Content-Length: 3", "Content-Type: a/b", "ETag: c"),
	},
	{"not modified, chunked", "GET", status("304 x", "Transfer-Encoding: chunked"), Answering{}, msg("HTTP/1.1 304 x")},
	{"no content", "GET", status("204 No Content", "Content-Length: 0", "X: y"), Answering{}, msg("HTTP/1.1 204 No Content", "X: y")},
	{"no content for head", "HEAD", status("204 No Content", "Content-Length: 3"), Answering{}, msg("HTTP/1.1 204 No Content")},

	// Fields of the connection.
	{"hop by hop", "GET", ok("Keep-Alive: 5", "X: y", "Proxy-Connection: close", "Proxy-Authenticate: a", "Proxy-Authorization: b",
		"TE: trailers", "Upgrade: h2c", "Content-Length: 0", "Connection: close"), Answering{}, msg("HTTP/1.1 200 OK", "X: y", "Content-Length: 0")},
	{
		"named", "GET", ok("X-One: 1", "Connection: close, x-one", "x-two: 2", "Content-Length: 0", "Connection: X-Two,X-3"),
		Answering{},
		msg("HTTP/1.1 200 OK", "Content-Length: 0"),
	},

	// Ours.
	{
		"close", "GET", ok("Content-Length: 3", "Connection: keep-alive"),
		Answering{Close: true},
		msg("HTTP/1.1 200 OK", "Connection: close", "Content-Length: 3"),
	},
	{"close until close", "GET", ok(), Answering{Close: true}, msg("HTTP/1.1 200 OK", "Connection: close")},
	{"date", "GET", ok("Content-Length: 0"), Answering{Date: "now"}, msg("HTTP/1.1 200 OK", "Content-Length: 0", "Date: now")},
	{
		"date of its own", "GET", ok("date: then", "Content-Length: 0"),
		Answering{Date: "now"},
		msg("HTTP/1.1 200 OK", "date: then", "Content-Length: 0"),
	},
	{
		"date named", "GET", ok("Connection: date", "date: then", "Content-Length: 0"),
		Answering{Date: "now"},
		msg("HTTP/1.1 200 OK", "Content-Length: 0", "Date: now"),
	},
	{
		"cookie", "GET", ok("Set-Cookie: b=2", "Content-Length: 0"),
		Answering{Cookie: "a=1; Path=/"},
		msg("HTTP/1.1 200 OK", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "Content-Length: 0"),
	},

	// Interim and after.
	{
		"early hints", "GET", status("103 Early Hints", "Link: a", "Link: b", "Content-Length: 0", "Connection: x", "X: y"),
		Answering{},
		msg("HTTP/1.1 103 Early Hints", "Link: a", "Link: b"),
	},
	{"continue", "POST", status("100 Continue"), Answering{}, msg("HTTP/1.1 100 Continue")},
	{
		"upgrade", "GET", status("101 x", "Upgrade: WebSocket", "Connection: upgrade", "Sec-WebSocket-Accept: a"),
		Answering{},
		msg("HTTP/1.1 101 x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: a"),
	},
}

func TestAppendResponse(t *testing.T) {
	for _, tt := range rewriteResponseCases {
		r, bad := CheckResponse([]byte(tt.raw), tt.method, Limits{})
		if bad != nil {
			t.Errorf("%s: refused: %v", tt.name, bad)
			continue
		}
		got, kept := bytes.CutPrefix(AppendResponse([]byte("kept"), []byte(tt.raw), &r, &tt.a), []byte("kept"))
		if string(got) != tt.want || !kept {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		again, bad := CheckResponse(got, tt.method, Limits{})
		if bad != nil || again.Framing != r.Framing || again.Length != r.Length || !again.Version11 {
			t.Errorf("%s: %q is read as %s: %v", tt.name, got, describeResponse(again), bad)
		}
	}
}
