package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

// The upstream and the clients of the benchmarks speak bytes and allocate nothing, so that what is
// reported is the proxy's.

// benchUpstream answers every request with 1 KB; want is what a request has in its body.
func benchUpstream(b *testing.B, want int) string {
	response := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	return rawUpstream(b, func(c net.Conn, br *bufio.Reader) {
		_ = c.SetDeadline(time.Time{})
		for {
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := br.Discard(want); err != nil {
				return
			}
			if _, err := c.Write(response); err != nil {
				return
			}
		}
	})
}

// benchClient sends one request after another on one connection.
type benchClient struct {
	conn    net.Conn
	request []byte
	answer  []byte // as long as each answer is
}

func newBenchClient(b *testing.B, addr, request string) *benchClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	c := &benchClient{conn: conn, request: []byte(request)}
	if _, err := conn.Write(c.request); err != nil {
		b.Fatal(err)
	}
	var head bytes.Buffer
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &head)), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); res.StatusCode != 200 || len(body) != 1024 || err != nil {
		b.Fatalf("answer is %d with %d bytes, %v", res.StatusCode, len(body), err)
	}
	c.answer = make([]byte, head.Len())
	return c
}

func (c *benchClient) do(b *testing.B) {
	if _, err := c.conn.Write(c.request); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c.conn, c.answer); err != nil {
		b.Fatal(err)
	}
}

// plainProxy is what is written in an hour.
func plainProxy(b *testing.B, upstream string) string {
	b.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
	s := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}})
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return strings.TrimPrefix(s.URL, "http://")
}

func benchExchange(b *testing.B, request string, body int) {
	upstream := benchUpstream(b, body)
	const file = `services: {web: {pools: {blue: ["{{blue}}"], green: ["{{blue}}"]}, weights: {blue: 95, green: 5}}}`
	r := startLog(b, zapcore.NewNopCore(), file, map[string]string{"blue": upstream}, nil)
	ours := newBenchClient(b, r.addr, request)
	plain := newBenchClient(b, plainProxy(b, upstream), request)
	b.Run("switchback", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours.do(b)
		}
	})
	b.Run("httputil", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plain.do(b)
		}
	})
	// Turn by turn, so that a busy machine slows both.
	b.Run("ratio", func(b *testing.B) {
		var spent [2]time.Duration
		for b.Loop() {
			for i, c := range []*benchClient{ours, plain} {
				began := time.Now()
				for range 10 {
					c.do(b)
				}
				spent[i] += time.Since(began)
			}
		}
		b.ReportMetric(float64(spent[0])/float64(spent[1]), "of-httputil")
	})
}

func BenchmarkGet(b *testing.B) {
	benchExchange(b, "GET /a/path?q=1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", 0)
}

func BenchmarkPost4K(b *testing.B) {
	benchExchange(b, "POST /a/path HTTP/1.1\r\nHost: a.example\r\nUser-Agent: bench\r\nContent-Type: text/plain\r\nContent-Length: 4096\r\n\r\n"+strings.Repeat("y", 4096), 4096)
}

// BenchmarkSwap swaps tables of 100 services while four clients ask.
func BenchmarkSwap(b *testing.B) {
	upstream := benchUpstream(b, 0)
	var file strings.Builder
	file.WriteString("services:\n")
	for i := range 100 {
		_, _ = fmt.Fprintf(&file, "  s%d: {paths: [/s%d], pools: {blue: [\"{{blue}}\"], green: [\"{{blue}}\"]}, weights: {blue: 100, green: 0}}\n", i, i)
	}
	urls := map[string]string{"blue": upstream}
	r := startLog(b, zapcore.NewNopCore(), file.String(), urls, nil)
	tables := [2]string{file.String(), strings.ReplaceAll(file.String(), "blue: 100, green: 0", "blue: 0, green: 100")}
	first := r.swap(tables[0], urls)
	second := r.swap(tables[1], urls)
	var clients sync.WaitGroup
	var stop atomic.Bool
	for range 4 {
		c := newBenchClient(b, r.addr, "GET /s50 HTTP/1.1\r\nHost: a.example\r\n\r\n")
		clients.Go(func() {
			for !stop.Load() {
				c.do(b)
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.server.Swap(first)
		r.server.Swap(second)
	}
	stop.Store(true)
	clients.Wait()
}
