package h1

import (
	"bytes"
	"testing"
)

// plain is what a target is told of a client at 192.0.2.1 who asked for a, behind the client's own fields.
var plain = []string{
	"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a",
	`Forwarded: for=192.0.2.1;host="a";proto=http`, "Via: 1.1 switchback", "Switchback-Pool: p",
}

// sent is a head as a target receives it: a start and plain.
func sent(start ...string) string { return msg(append(start, plain...)...) }

// sentGet is what becomes of get.
func sentGet(fields ...string) string {
	return sent(append([]string{"GET / HTTP/1.1", "Host: a"}, fields...)...)
}

func trusted(f *Forwarding) { f.Trusted = true }

var rewriteRequestCases = []struct {
	name, raw string
	change    func(f *Forwarding)
	want      string
}{
	// Start.
	{"plain", get(), nil, sentGet()},
	{
		"order, spelling, white space", get("x-b:1", "X-A: \t2 \t", "x-b: 3", "X-Empty:"), nil,
		sentGet("x-b: 1", "X-A: 2", "x-b: 3", "X-Empty: "),
	},
	{
		"host and target", target("http://b/c?d"), func(f *Forwarding) { f.Host, f.Target = "192.0.2.7:80", "/c?d" },
		sent("GET /c?d HTTP/1.1", "Host: 192.0.2.7:80"),
	},
	{"asterisk", msg("OPTIONS * HTTP/1.1", "Host: a"), func(f *Forwarding) { f.Target = "*" }, sent("OPTIONS * HTTP/1.1", "Host: a")},
	{"zone", get(), func(f *Forwarding) { f.Host = "[fe80::1%eth0]:80" }, sent("GET / HTTP/1.1", "Host: [fe80::1]:80")},
	{"close", get(), func(f *Forwarding) { f.Close = true }, sentGet("Connection: close")},
	{"host in the middle", msg("GET / HTTP/1.1", "X: y", "HOST: a", "Z: z"), nil, sentGet("X: y", "Z: z")},

	// Framing.
	{"length", post("Content-Length: 007"), nil, sent("POST / HTTP/1.1", "Host: a", "Content-Length: 7")},
	{"post without body", post(), nil, sent("POST / HTTP/1.1", "Host: a", "Content-Length: 0")},
	{"put without body", msg("PUT / HTTP/1.1", "Host: a"), nil, sent("PUT / HTTP/1.1", "Host: a", "Content-Length: 0")},
	{
		"patch without body", msg("PATCH / HTTP/1.1", "Host: a", "Content-Length: 0"), nil,
		sent("PATCH / HTTP/1.1", "Host: a", "Content-Length: 0"),
	},
	{"get without body", get("Content-Length: 0"), nil, sentGet()},
	{"get with body", get("Content-Length: 1"), nil, sentGet("Content-Length: 1")},
	{"delete without body", msg("DELETE / HTTP/1.1", "Host: a"), nil, sent("DELETE / HTTP/1.1", "Host: a")},
	{
		"length named", post("Content-Length: 7", "Connection: content-length"), nil,
		sent("POST / HTTP/1.1", "Host: a", "Content-Length: 7"),
	},
	{"chunked", post("transfer-encoding: Chunked"), nil, sent("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")},
	{
		"trailers", post("Transfer-Encoding: chunked", "Trailer: X-Sum, Set-Cookie,,proxy", "trailer: x-b,Content-Type, Content-Range"), nil,
		sent("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Trailer: X-Sum,x-b"),
	},
	{
		"no trailer left", post("Transfer-Encoding: chunked", "Trailer: Content-Encoding,"), nil,
		sent("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"),
	},
	{"trailer without chunks", get("Trailer: X-Sum"), nil, sentGet()},

	// Fields of the connection.
	{
		"hop by hop", get("Keep-Alive: 5", "X: y", "Proxy-Connection: close", "Proxy-Authenticate: a", "proxy-authorization: b", "Proxy: c"),
		nil, sentGet("X: y"),
	},
	{
		"named", get("X-One: 1", "Connection: close, x-one ,X-Two", "x-two: 2", "X-Three: 3", "Via: 1.1 x", "Connection: via"), nil,
		sentGet("X-Three: 3"),
	},
	{"named past counting", get("Connection: a,b,c,d,e,f,g", "G: 1", "H: 2", "A: 3", "connection: h"), nil, sentGet()},
	{"te", get("TE: gzip, Trailers", "Connection: TE"), nil, sentGet("Te: trailers")},
	{"te without trailers", get("TE: gzip, trailers;q=1"), nil, sentGet()},
	{"te in several lines", get("TE: trailers", "TE: gzip, trailers"), nil, sentGet("Te: trailers")},
	{
		"upgrade", get("Connection: keep-alive, upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Version: 13"), nil,
		sentGet("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
	},

	// Fields with rules of their own.
	{
		"ours", get("Switchback-Pool: x", "switchback-anything-with-a-long-name: y", "SWITCHBACK-: z", "Switchback: kept"), nil,
		sentGet("Switchback: kept"),
	},
	{"drop", get("x-pool: x", "X-Pool2: y"), func(f *Forwarding) { f.Drop = "X-Pool" }, sentGet("X-Pool2: y")},
	{"flags", get(), func(f *Forwarding) { f.Flags = "a=on" }, msg("GET / HTTP/1.1", "Host: a", plain[0], plain[1], plain[2], plain[3], plain[4],
		"Switchback-Flags: a=on", plain[5])},
	{
		"expect", post("Content-Length: 1", "Expect: 100-Continue"), nil,
		sent("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Expect: 100-Continue"),
	},
	{
		"http 1.0", msg("POST / HTTP/1.0", "Host: a", "Expect: 100-continue", "Connection: keep-alive"), nil,
		msg("POST / HTTP/1.1", "Host: a", "Content-Length: 0", plain[0], plain[1], plain[2], plain[3], "Via: 1.0 switchback", plain[5]),
	},
	{
		"http 1.0 without host", msg("GET / HTTP/1.0"), func(f *Forwarding) { f.Asked = "" },
		msg("GET / HTTP/1.1", "Host: a", plain[0], plain[1], "Forwarded: for=192.0.2.1;proto=http", "Via: 1.0 switchback", plain[5]),
	},
	{
		"http 1.0 without host, told by a proxy", msg("GET / HTTP/1.0", "X-Forwarded-Host:", "X-Forwarded-Host: b"),
		func(f *Forwarding) { f.Asked, f.Trusted = "", true },
		msg("GET / HTTP/1.1", "Host: a", "X-Forwarded-Host: ", "X-Forwarded-Host: b", plain[0], plain[1],
			"Forwarded: for=192.0.2.1;proto=http", "Via: 1.0 switchback", plain[5]),
	},
	{
		"via", get("Via: 1.1 a, 1.1 b", "via: 2.0 c"), nil,
		msg("GET / HTTP/1.1", "Host: a", plain[0], plain[1], plain[2], plain[3], "Via: 1.1 a, 1.1 b, 2.0 c, 1.1 switchback", plain[5]),
	},

	// What proxies tell.
	{"told by anybody", get("X-Forwarded-For: 1", "x-forwarded-proto: https", "X-Forwarded-Host: b", "Forwarded: for=1",
		"X-Real-IP: 1", "X-Forwarded-Prefix-Of-Some-Length: /"), nil, sentGet()},
	{
		"told by a proxy", get("X-Forwarded-For: 1", "x-forwarded-proto: https", "X-Forwarded-Host: b", "Forwarded: for=1",
			"X-Forwarded-For: 2, 3", "X-Real-IP: 1", "X-Forwarded-Port: 443", "forwarded: for=2"), trusted,
		msg("GET / HTTP/1.1", "Host: a", "x-forwarded-proto: https", "X-Forwarded-Host: b", "X-Real-IP: 1", "X-Forwarded-Port: 443",
			"X-Forwarded-For: 1, 2, 3, 192.0.2.1", `Forwarded: for=1, for=2, for=192.0.2.1;host="a";proto=http`, plain[4], plain[5]),
	},
	{"told by a proxy that takes it back", get("X-Forwarded-For: 1", "Forwarded: for=1", "X-Forwarded-Proto: https",
		"Connection: X-Forwarded-For, forwarded, X-Forwarded-Proto"), trusted, sentGet()},
	{"nothing told by a proxy", get("X-Forwarded-Proto:", "X-Forwarded-Proto: https", "X-Forwarded-Host:"), trusted, sentGet()},
	{
		"told again", get("X-Forwarded-Proto: https", "X-Forwarded-Proto:", "X-Forwarded-Host: b", "X-Forwarded-Host: c"), trusted,
		msg("GET / HTTP/1.1", "Host: a", "X-Forwarded-Proto: https", "X-Forwarded-Proto: ", "X-Forwarded-Host: b", "X-Forwarded-Host: c",
			plain[0], plain[3], plain[4], plain[5]),
	},
	{
		"peer unknown", get("X-Forwarded-For: 1", "X-Forwarded-For: 2"), func(f *Forwarding) { f.Peer, f.Trusted = "", true },
		msg("GET / HTTP/1.1", "Host: a", "X-Forwarded-For: 1", "X-Forwarded-For: 2", plain[1], plain[2],
			`Forwarded: for=unknown;host="a";proto=http`, plain[4], plain[5]),
	},
	{
		"ipv6 by tls", host("[::1]:443"), func(f *Forwarding) { f.Peer, f.Asked, f.Proto = "2001:db8::1", "[::1]:443", "https" },
		msg("GET / HTTP/1.1", "Host: a", "X-Forwarded-For: 2001:db8::1", "X-Forwarded-Proto: https", "X-Forwarded-Host: [::1]:443",
			`Forwarded: for="[2001:db8::1]";host="[::1]:443";proto=https`, plain[4], plain[5]),
	},
}

func TestAppendRequest(t *testing.T) {
	for _, tt := range rewriteRequestCases {
		r, bad := CheckRequest([]byte(tt.raw), Limits{})
		if bad != nil {
			t.Errorf("%s: refused: %v", tt.name, bad)
			continue
		}
		f := Forwarding{Host: "a", Target: "/", Asked: "a", Peer: "192.0.2.1", Proto: "http", Pool: "p"}
		if tt.change != nil {
			tt.change(&f)
		}
		got, kept := bytes.CutPrefix(AppendRequest([]byte("kept"), []byte(tt.raw), &r, &f), []byte("kept"))
		if string(got) != tt.want || !kept {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if _, bad := CheckRequest(got, Limits{}); bad != nil {
			t.Errorf("%s: %q is refused: %v", tt.name, got, bad)
		}
	}
}
