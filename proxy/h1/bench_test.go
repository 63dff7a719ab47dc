package h1

import (
	"fmt"
	"strings"
	"testing"
)

// browser is what a browser sends for a page: 440 bytes.
var browser = []byte(msg("GET /products/shoes?page=2&sort=price HTTP/1.1",
	"Host: shop.example.com",
	"Connection: keep-alive",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"Accept-Encoding: gzip, deflate, br",
	"Accept-Language: en-US,en;q=0.9",
	"Cookie: session_id=0b5e4ad9c7f24e6b; theme=dark",
	"Referer: https://shop.example.com/"))

var answer = []byte(msg("HTTP/1.1 200 OK", "Server: nginx", "Date: Mon, 01 Jan 2024 00:00:00 GMT",
	"Content-Type: text/html", "Content-Length: 5", "Connection: keep-alive", "ETag: \"65920080-5\"") + "hello")

func TestNoAllocations(t *testing.T) {
	submit := []byte(post("Content-Type: application/json", "Content-Length: 2") + "{}")
	stream := []byte(post("Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
	ipv6 := []byte(msg("GET http://[2001:db8::1]:80/ HTTP/1.1", "Host: [::1]"))
	refused := []byte(post("Content-Length: 3", "Transfer-Encoding: chunked"))
	tests := []struct {
		name string
		run  func()
	}{
		{"get head", func() { CheckRequest(browser, Limits{}) }},
		{"post head", func() { CheckRequest(submit[:len(submit)-2], Limits{}) }},
		{"ipv6", func() { CheckRequest(ipv6, Limits{}) }},
		{"refused head", func() { CheckRequest(refused, Limits{}) }},
		{"response head", func() { CheckResponse(answer[:len(answer)-5], "GET", Limits{}) }},
		{"get", func() { scanRequest(t, browser) }},
		{"post", func() { scanRequest(t, submit) }},
		{"chunked post", func() { scanRequest(t, stream) }},
		{"response", func() { scanAnswer(t, answer) }},
	}
	for _, tt := range tests {
		if n := testing.AllocsPerRun(100, tt.run); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

// scanRequest takes one whole request through a scanner.
func scanRequest(tb testing.TB, raw []byte) {
	var s RequestScanner
	for {
		n, event, bad := s.Scan(raw)
		if bad != nil {
			tb.Fatal(bad)
		}
		if raw = raw[n:]; event == End {
			return
		}
	}
}

func scanAnswer(tb testing.TB, raw []byte) {
	var s ResponseScanner
	s.Expect("GET", false)
	for {
		n, event, bad := s.Scan(raw)
		if bad != nil {
			tb.Fatal(bad)
		}
		if raw = raw[n:]; event == End {
			return
		}
	}
}

func BenchmarkCheckRequest(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(browser)))
	for b.Loop() {
		if _, bad := CheckRequest(browser, Limits{}); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkCheckResponse(b *testing.B) {
	head := answer[:len(answer)-5]
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if _, bad := CheckResponse(head, "GET", Limits{}); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkRequestScanner(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(browser)))
	for b.Loop() {
		scanRequest(b, browser)
	}
}

func BenchmarkResponseScanner(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		scanAnswer(b, answer)
	}
}

func BenchmarkChunks(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 32 << 10} {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size))
		raw := []byte(strings.Repeat(chunk, 64<<10/size) + "0\r\n\r\n")
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				var c Chunks
				if _, done, bad := c.Scan(raw); !done || bad != nil {
					b.Fatal(done, bad)
				}
			}
		})
	}
}
