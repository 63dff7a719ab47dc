package proxy_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Each event passes when it is there, not when there are more.
func TestEventStream(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.(http.Flusher).Flush()
		for i := range 3 {
			<-more
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	for _, http2 := range []bool{false, true} {
		r := startTLS(t, one, map[string]string{"blue": blue})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+"/", nil)
		res, err := tlsClient(t, http2).Do(req) // returns with the head alone
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(res.Body)
		for i := range 3 {
			more <- struct{}{}
			line, err := br.ReadString('\n')
			if want := fmt.Sprintf("data: %d\n", i); line != want || err != nil {
				t.Errorf("event is %q %v, want %q", line, err, want)
			}
			_, _ = br.ReadString('\n')
		}
		if got := r.server.InFlight(); len(got) != 2 || kind(got, "long_lived") != 1 || kind(got, "request") != 0 {
			t.Errorf("in flight: %+v", got)
		}
		_ = res.Body.Close()
		eventually(t, "stream ends with its client", func() bool { return r.inflight() == 0 })
	}
}

// A head passes before its body, whatever the framing.
func TestHeadBeforeBody(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n", ""} {
		release := make(chan struct{})
		blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
			_ = head(br)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+framing+"\r\n")
			<-release
			if strings.HasPrefix(framing, "T") {
				_, _ = io.WriteString(c, "4\r\nbody\r\n0\r\n\r\n")
			} else {
				_, _ = io.WriteString(c, "body")
			}
		})
		r := start(t, one, map[string]string{"blue": blue})
		c := r.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		close(release)
		if err != nil {
			t.Fatalf("%s%v", framing, err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "body" || err != nil {
			t.Errorf("%sbody is %q %v", framing, b, err)
		}
		_ = res.Body.Close()
		_ = c.Close()
	}
}

// echo answers with what comes, while it comes.
func echo(t testing.TB) string {
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				return
			}
		}
	})
}

func TestFullDuplex(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		http2  bool
		method string
		length int64
	}{
		{"HTTP/1.1 chunked", false, http.MethodPost, -1},
		{"HTTP/1.1 chunked GET", false, http.MethodGet, -1},
		{"HTTP/1.1 length", false, http.MethodPost, 30},
		{"HTTP/2", true, http.MethodPost, -1},
		{"HTTP/2 length", true, http.MethodPost, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startTLS(t, one, map[string]string{"blue": echo(t)})
			body, w := io.Pipe()
			req, _ := http.NewRequestWithContext(t.Context(), tt.method, "https://"+r.addr+"/", body)
			req.ContentLength = tt.length
			if tt.length < 0 {
				req.TransferEncoding = []string{"chunked"}
			}
			res, err := tlsClient(t, tt.http2).Do(req) // returns though nothing of the body is sent
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got := make([]byte, 3)
			for i := range 10 {
				sent := fmt.Sprintf("%03d", i)
				_, _ = io.WriteString(w, sent)
				if i == 9 {
					_ = w.Close() // a client that knows the length waits for the end of what it sends
				}
				if _, err := io.ReadFull(res.Body, got); string(got) != sent {
					t.Fatalf("echo is %q %v, want %q", got, err, sent)
				}
			}
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
				t.Errorf("rest is %q %v", rest, err)
			}
			eventually(t, "all booked", func() bool { return r.inflight() == 0 })
			want := `switchback_attempts_total{outcome="ok",pool="blue",service="web"} 1`
			if got := r.scrape("switchback_attempts_total"); got != want {
				t.Errorf("booked as %s", got)
			}
		})
	}
}

// junk is n bytes that are the same each time.
func junk(n int64) io.Reader { return io.LimitReader(new(sequence), n) }

// noise repeats, but not at a length that a buffer may have.
var noise = func() []byte {
	b := make([]byte, 1000003)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

type sequence struct{ at int }

func (s *sequence) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		c := copy(p[n:], noise[s.at:])
		n, s.at = n+c, (s.at+c)%len(noise)
	}
	return len(p), nil
}

func sum(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d %x %v", n, h.Sum(nil), err)
}

// Large bodies pass both ways byte for byte without being kept.
func TestLargeBodies(t *testing.T) { // not parallel: it measures memory
	const http1, http2 = 64 << 20, 16 << 20
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, sum(r.Body))
			return
		}
		size := int64(http1)
		if strings.HasPrefix(r.Header.Get("Via"), "2") {
			size = http2
		}
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.Copy(w, junk(size))
	})
	r := startTLS(t, one, map[string]string{"blue": blue})
	var peak atomic.Uint64
	stop := make(chan struct{})
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, size := range []int64{http1, http2} {
		want := sum(junk(size))
		client := tlsClient(t, size == http2)
		client.Timeout = time.Minute
		for _, path := range []string{"/length", "/chunked"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+path, nil)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := sum(res.Body); got != want {
				t.Errorf("%d bytes %s: got %s, want %s", size, path, got, want)
			}
			_ = res.Body.Close()
			req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.addr+path, junk(size))
			if path == "/length" {
				req.ContentLength = size
			}
			if _, got := doWith(t, client, req); got != want {
				t.Errorf("%d bytes, POST %s: got %s, want %s", size, path, got, want)
			}
		}
	}
	close(stop)
	<-measured
	if grown := int64(peak.Load()) - int64(before.HeapInuse); grown > 32<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// A reader that does not read stops the writer at the other end, both ways.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	var sent atomic.Int64
	count := func(w io.Writer, until <-chan struct{}) {
		buf := make([]byte, 64<<10)
		for sent.Load() < size {
			select {
			case <-until:
				return
			default:
			}
			n, err := w.Write(buf)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	// stalled reports whether writing stops for a while, far from the end.
	stalled := func() bool {
		last, since := int64(-1), time.Now()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			n := sent.Load()
			if n != last {
				last, since = n, time.Now()
			} else if n > 0 && time.Since(since) > 300*time.Millisecond {
				return n < 64<<20
			}
		}
		return false
	}
	t.Run("response", func(t *testing.T) {
		sent.Store(0)
		blue := upstream(t, func(w http.ResponseWriter, r *http.Request) { count(w, r.Context().Done()) })
		r := start(t, one, map[string]string{"blue": blue})
		c := r.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
		if !stalled() {
			t.Errorf("%d bytes were taken from the target for a client that does not read", sent.Load())
		}
	})
	t.Run("request", func(t *testing.T) {
		sent.Store(0)
		blue := rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
			_ = head(br)
			<-t.Context().Done()
		})
		r := start(t, one, map[string]string{"blue": blue})
		c := r.dial()
		defer c.Close()
		_, _ = io.WriteString(c, fmt.Sprintf("POST / HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", host, size))
		go count(c, t.Context().Done())
		if !stalled() {
			t.Errorf("%d bytes were taken from the client for a target that does not read", sent.Load())
		}
	})
}

// An answer that comes before the end of the request reaches the client whole; then the connection ends.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, response string
		closes         bool // the target hangs up with unread bytes, which resets
	}{
		{"keeps reading", "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge", false},
		{"resets", "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge", true},
		{"chunked", "HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlarge\r\n0\r\n\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				_ = head(br)
				_, _ = io.CopyN(io.Discard, br, 100<<10)
				_, _ = io.WriteString(c, tt.response)
				if !tt.closes {
					_, _ = io.Copy(io.Discard, br)
				}
			})
			r := start(t, one, map[string]string{"blue": blue})
			for range 10 {
				c := r.dial()
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+"Content-Length: 900000\r\n\r\n")
				go func() { _, _ = io.Copy(c, junk(600<<10)) }() // less than announced
				br := bufio.NewReader(c)
				res, body := answer(t, br, http.MethodPost)
				if res.StatusCode != 413 || body != "large" || !res.Close {
					t.Errorf("answer is %d %q, close %v", res.StatusCode, body, res.Close)
				}
				if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
					t.Errorf("behind the answer: %q %v", rest, err)
				}
				_ = c.Close()
			}
			eventually(t, "all booked", func() bool { return r.inflight() == 0 })
			want := `switchback_attempts_total{outcome="ok",pool="blue",service="web"} 10`
			if got := r.scrape("switchback_attempts_total"); got != want {
				t.Errorf("booked as %s", got)
			}
		})
	}
}
