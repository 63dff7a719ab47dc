package h1

import (
	"slices"
	"strings"
	"testing"
)

func TestField(t *testing.T) {
	head := []byte(get("X-One: 1", "x-two:2", "X-ONE:", "X-One: \t 3 \t", "X-Long: a: b"))
	for name, want := range map[string][]string{
		"host": {"a"}, "x-one": {"1", "", "3"}, "x-two": {"2"}, "x-long": {"a: b"}, "x-three": nil, "get / http/1.1\r\nhost": nil,
	} {
		var got []string
		for v := range Fields(head, name) {
			got = append(got, string(v))
		}
		if !slices.Equal(got, want) {
			t.Errorf("Fields(%q) = %q, want %q", name, got, want)
		}
		v, ok := Field(head, name)
		if ok != (want != nil) || ok && string(v) != want[0] {
			t.Errorf("Field(%q) = %q, %v", name, v, ok)
		}
	}
	for range Fields(head, "x-one") {
		break // stopping early must not panic
	}
	if _, ok := Field([]byte("HTTP/1.1 200 OK\r\n\r\n"), "x"); ok {
		t.Error("a field in a head without any")
	}
}

func TestOptions(t *testing.T) {
	head := []byte(get("Connection: close, X-1,,\tx-2\t", "X: y", "Connection:", "connection: X-3,X-4, X-5,X-6",
		"CONNECTION: x-7", "Connection: X 8, X-9, \xe2\x84\xaa"))
	var o options
	o.gather(fieldLines(head))
	for name, want := range map[string]bool{
		"Close": true, "x-1": true, "X-2": true, "X-3": true, "X-4": true, "X-5": true, "x-6": true, "X-7": true, "x-9": true,
		"X-8": false, "X": false, "8": false, "x-": false, "x-10": false, "Connection": false,
		"K": false, "KKK": false, // the Kelvin sign is no k
	} {
		if got := o.name([]byte(name)); got != want {
			t.Errorf("%s named: %v", name, got)
		}
	}
}

func TestAppendLine(t *testing.T) {
	for line, want := range map[string]string{
		"A: b": "A: b", "A:b": "A: b", "A:": "A: ", "A: ": "A: ", "A:  b": "A: b", "A: b ": "A: b", "A:\tb": "A: b", "A: b\t \t": "A: b",
		"A:   ": "A: ", "A: b c": "A: b c", "A: :": "A: :",
	} {
		for _, next := range []string{"\r\n", "B: c\r\n\r\n"} {
			p := []byte(line + "\r\n" + next)
			name, value, _ := nextField(p)
			if got := string(appendLine(nil, p, name, value)); got != want+"\r\n" {
				t.Errorf("%q became %q", line, got)
			}
		}
	}
}

func TestRewriteDoesNotAllocate(t *testing.T) {
	many := "Connection: keep-alive, a, b, c, d, e, f, g, h, i"
	head := []byte(msg("POST http://a.example/ HTTP/1.1", "Host: a.example", many, "TE: trailers", "Via: 1.1 a", "Via: 1.1 b",
		"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Canary: yes", "I: x", "Transfer-Encoding: chunked", "Trailer: A, B"))
	req, bad := CheckRequest(head, Limits{})
	if bad != nil {
		t.Fatal(bad)
	}
	back := []byte(ok("Transfer-Encoding: chunked", "Trailer: A", many, "I: x", "Set-Cookie: a=b"))
	res, bad := CheckResponse(back, "GET", Limits{})
	if bad != nil {
		t.Fatal(bad)
	}
	f := Forwarding{
		Host: "[fe80::1%eth0]:80", Target: "/", Asked: "a.example", Peer: "2001:db8::1", Proto: "https", Trusted: true,
		Drop: strings.Repeat("x", 40), Pool: "stable", Flags: "a=on",
	}
	a := Answering{Date: "Mon, 01 Jan 2024 00:00:00 GMT", Cookie: "a=b"}
	dst := make([]byte, 0, 4<<10)
	sum := 0
	for name, run := range map[string]func(){
		"request":  func() { AppendRequest(dst, head, &req, &f) },
		"response": func() { AppendResponse(dst, back, &res, &a) },
		"field":    func() { _, _ = Field(head, "i") },
		"fields": func() {
			for v := range Fields(head, "via") {
				sum += len(v)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	r, bad := CheckRequest(browser, Limits{})
	if bad != nil {
		b.Fatal(bad)
	}
	f := Forwarding{
		Host: "192.0.2.1:8080", Target: "/products/shoes?page=2&sort=price", Asked: "shop.example.com",
		Peer: "192.0.2.9", Proto: "https", Pool: "stable",
	}
	dst := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(browser)))
	for b.Loop() {
		AppendRequest(dst, browser, &r, &f)
	}
}

// BenchmarkAppendRequestOptions is the worst that a client can make of Connection.
func BenchmarkAppendRequestOptions(b *testing.B) {
	fields := slices.Repeat([]string{"b: c"}, 190)
	head := []byte(get(append(fields, "Connection: "+strings.Repeat("a,", 31<<10))...))
	r, bad := CheckRequest(head, Limits{})
	if bad != nil {
		b.Fatal(bad)
	}
	dst := make([]byte, 0, 4<<10)
	for b.Loop() {
		AppendRequest(dst, head, &r, &Forwarding{Host: "a", Target: "/", Proto: "http", Pool: "p"})
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	head := answer[:len(answer)-5]
	r, bad := CheckResponse(head, "GET", Limits{})
	if bad != nil {
		b.Fatal(bad)
	}
	dst := make([]byte, 0, 4<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		AppendResponse(dst, head, &r, &Answering{})
	}
}
