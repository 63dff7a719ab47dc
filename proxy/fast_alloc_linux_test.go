//go:build !race

package proxy_test

import (
	"net"
	"testing"
)

// steady is a target that answers every read with the same bytes.
func steady(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, out := make([]byte, 64<<10), []byte(answer)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(out); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestFastPathAllocates: once warm, a request on the fast path allocates nothing.
func TestFastPathAllocates(t *testing.T) {
	if testPath() != "" {
		t.Skip("of the fast path, and of requests that come whole")
	}
	const fixed = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for _, tt := range []struct{ name, request, answer string }{
		{"GET", "GET /a?b=c HTTP/1.1\r\n" + host + "User-Agent: test\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n", fixed},
		{"chunked", "GET / HTTP/1.1\r\n" + host + "\r\n", chunked},
		{"POST", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", fixed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, one, map[string]string{"blue": steady(t, tt.answer)})
			c := r.dial()
			defer c.Close()
			request, answer := []byte(tt.request), make([]byte, 4096)
			exchange := func() {
				if _, err := c.Write(request); err != nil {
					t.Fatal(err)
				}
				for n := 0; ; {
					k, err := c.Read(answer[n:])
					if n += k; err != nil {
						t.Fatal(err)
					}
					if n > 5 && (string(answer[n-5:n]) == "hello" || string(answer[n-5:n]) == "0\r\n\r\n") {
						return
					}
				}
			}
			for range 100 {
				exchange()
			}
			if n := testing.AllocsPerRun(2000, exchange); n >= 1 {
				t.Errorf("%v allocations a request, want none", n)
			}
		})
	}
}
