package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func attempts(outcome string) string {
	return `switchback_attempts_total{outcome="` + outcome + `",pool="blue",service="web"} 1`
}

// A client that goes away ends the request upstream and is nobody's failure.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		begin func(w http.ResponseWriter, r *http.Request) // what the target does before it waits
		body  bool
	}{
		{"before the head", func(http.ResponseWriter, *http.Request) {}, false},
		{"during the body", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}, false},
		{"during the upload", func(_ http.ResponseWriter, r *http.Request) { _, _ = r.Body.Read(make([]byte, 1)) }, true},
		{"during both", func(w http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1))
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}, true},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", tt.name, http2), func(t *testing.T) {
				t.Parallel()
				arrived, left := make(chan struct{}), make(chan struct{})
				blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
					tt.begin(w, r)
					close(arrived)
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
					close(left)
				})
				r := startTLS(t, one, map[string]string{"blue": blue})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var body io.Reader
				if tt.body {
					pr, pw := io.Pipe()
					go func() {
						_, _ = io.WriteString(pw, "begin")
						<-ctx.Done()
						_ = pw.CloseWithError(ctx.Err())
					}()
					body = pr
				}
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+r.addr+"/", body)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if res, err := tlsClient(t, http2).Do(req); err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				}()
				<-arrived
				cancel()
				<-ended
				<-left
				eventually(t, "booked", func() bool { return r.inflight() == 0 && r.scrape("switchback_attempts_total") != "" })
				if got := r.scrape("switchback_attempts_total"); got != attempts("client_gone") {
					t.Errorf("booked as %s", got)
				}
				if got := r.scrape("switchback_requests_total"); got != `switchback_requests_total{code_class="none",pool="blue",service="web"} 1` {
					t.Errorf("booked as %s", got)
				}
				if n := r.table.Pools[0].InFlight(); n != 0 {
					t.Errorf("%d in flight on the pool", n)
				}
			})
		}
	}
}

// A client that goes away while nobody reads what it sends is noticed all the same.
func TestClientGoneUnread(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("noticed on Linux only")
	}
	for _, tt := range []struct {
		name, response, fields string
		body                   int64
	}{
		{"the target takes nothing", "", "Content-Length: 100000000\r\n", 16 << 20},
		{"the target wants nothing", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbegin", "Expect: 100-continue\r\nContent-Length: 10\r\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{})
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				_ = head(br)
				_, _ = io.WriteString(c, tt.response)
				close(arrived)
				<-t.Context().Done()
			})
			r := start(t, one, map[string]string{"blue": blue})
			c := r.dial()
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+tt.fields+"\r\n")
			<-arrived
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			_, _ = io.Copy(c, junk(tt.body))
			if tt.body > 0 {
				_ = c.(interface{ SetLinger(sec int) error }).SetLinger(0) // the end would wait behind what is not sent
			}
			_ = c.Close()
			eventually(t, "noticed", func() bool { return r.inflight() == 0 })
			if got := r.scrape("switchback_attempts_total"); got != attempts("client_gone") {
				t.Errorf("booked as %s", got)
			}
		})
	}
}

// A client that leaves before its answer gets none: least of all an empty success.
func TestHalfClosedClientIsGone(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	r := start(t, one, map[string]string{"blue": blue})
	for _, request := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nhalf",
	} {
		c := r.dial()
		_, _ = io.WriteString(c, request)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
		if all, _ := io.ReadAll(c); len(all) > 0 {
			t.Errorf("%.4s was answered with %q", request, all)
		}
		_ = c.Close()
	}
}

// A response that breaks off breaks off for the client, too.
func TestTruncatedResponse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, response, outcome string }{
		{"length", "Content-Length: 10\r\n\r\nhalf", "truncated"},
		{"chunk", "Transfer-Encoding: chunked\r\n\r\na\r\nhalf", "truncated"},
		{"last chunk", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "truncated"},
		{"trailers", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y", "truncated"},
		{"bad chunk", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", "malformed"},
	} {
		for _, proto := range []string{"HTTP/1.0", "HTTP/1.1", "HTTP/2.0"} {
			t.Run(tt.name+" "+proto, func(t *testing.T) {
				t.Parallel()
				blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
					_ = head(br)
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+tt.response)
				})
				r := startTLS(t, one, map[string]string{"blue": blue})
				var err error
				if proto == "HTTP/2.0" {
					req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+"/", nil)
					var res *http.Response
					if res, err = tlsClient(t, true).Do(req); err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				} else {
					plain := start(t, one, map[string]string{"blue": blue})
					c := plain.dial()
					_, _ = io.WriteString(c, "GET / "+proto+"\r\n"+host+"\r\n")
					var res *http.Response
					if res, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
					_ = c.Close()
					r = plain
				}
				if err == nil {
					t.Error("it looked whole")
				}
				eventually(t, "booked", func() bool { return r.inflight() == 0 && r.scrape("switchback_attempts_total") != "" })
				if got := r.scrape("switchback_attempts_total"); got != attempts(tt.outcome) {
					t.Errorf("booked as %s", got)
				}
			})
		}
	}
}

func TestMalformedResponses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, response, reason, outcome string }{
		{"length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "length-with-transfer-encoding", "malformed"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "repeated-content-length", "malformed"},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabcd", "bad-content-length", "malformed"},
		{"other coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "bad-transfer-encoding", "malformed"},
		{"garbage", "hello, this is not HTTP\r\n\r\n", "bad-status-line", "malformed"},
		{"bad status", "HTTP/1.1 99 Low\r\n\r\n", "bad-status-line", "malformed"},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "bad-status-line", "malformed"},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bare-lf", "malformed"},
		{"CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "bare-cr", "malformed"},
		{"space before colon", "HTTP/1.1 200 OK\r\nX : a\r\n\r\n", "space-before-colon", "malformed"},
		{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "obs-fold", "malformed"},
		{"unasked 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "unasked-upgrade", "malformed"},
		{"too many interims", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 150) + okResponse, "too-many-interim", "malformed"},
		{"oversized head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", "head-too-large", "malformed"},
		{"interim with a body", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" + okResponse, "body-not-allowed", "malformed"},
		{"nothing", "", "upstream-closed", "reset"},
		{"half a head", "HTTP/1.1 200 OK\r\nX:", "upstream-closed", "reset"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				if head(br) != "" {
					_, _ = io.WriteString(c, tt.response)
				}
			})
			r := start(t, one, map[string]string{"blue": blue})
			c := r.dial()
			defer c.Close()
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
			br := bufio.NewReader(c)
			res, body := answer(t, br, http.MethodGet)
			for res.StatusCode == 103 {
				res, body = answer(t, br, http.MethodGet)
			}
			if res.StatusCode != 502 || res.Header.Get("Switchback-Reason") != tt.reason || res.Close {
				t.Errorf("answer is %d %s %q, close %v; want 502 %s", res.StatusCode, res.Header.Get("Switchback-Reason"), body, res.Close, tt.reason)
			}
			if got := r.scrape("switchback_attempts_total"); got != attempts(tt.outcome) {
				t.Errorf("booked as %s", got)
			}
		})
	}
}

const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

// surplus is a target that sends more than it was asked for, and tells when it has.
func surplus(t testing.TB, late bool) (url string, sent <-chan struct{}) {
	done := make(chan struct{}, 1)
	return rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for {
			h := head(br)
			if h == "" {
				return
			}
			_, id, _ := strings.Cut(strings.SplitN(h, " ", 3)[1], "/")
			answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n", id, len(id))
			if !strings.HasPrefix(h, "HEAD") {
				answer += id
			}
			n, _ := strconv.Atoi(lineOf(t, h, "Content-Length"))
			_, _ = br.Discard(n)
			if late {
				_, _ = io.WriteString(c, answer)
				answer = ""
			}
			_, _ = io.WriteString(c, answer+poison)
			if late {
				done <- struct{}{}
			}
		}
	}), done
}

// What stands behind a response never reaches another client.
func TestSurplus(t *testing.T) {
	t.Parallel()
	blue, _ := surplus(t, false)
	r := start(t, one, map[string]string{"blue": blue})
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			for i := range 100 {
				id := fmt.Sprintf("%d-%d", n, i)
				req, _ := http.NewRequestWithContext(t.Context(), []string{http.MethodGet, http.MethodHead, http.MethodPost}[i%3], "http://"+r.addr+"/"+id, nil)
				if i%3 == 2 {
					req.Body, req.ContentLength = io.NopCloser(strings.NewReader("hello")), 5
				}
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 || res.Header.Get("X-Id") != id || i%3 != 1 && string(body) != id {
					t.Errorf("request %s got %d %s %q", id, res.StatusCode, res.Header.Get("X-Id"), body)
				}
			}
		})
	}
	clients.Wait()
}

// The same when it comes after the answer, but before the next request.
func TestLateSurplus(t *testing.T) {
	t.Parallel()
	blue, sent := surplus(t, true)
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for i := range 100 {
		method := []string{"GET", "POST"}[i%2]
		_, _ = fmt.Fprintf(c, "%s /%d HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", method, i, host, i%2*5, "hello"[:i%2*5])
		if res, body := answer(t, br, method); body != fmt.Sprint(i) {
			t.Fatalf("request %d got %d %q", i, res.StatusCode, body)
		}
		<-sent
	}
}

// A body for HEAD may come any time: its connection serves nobody else.
func TestLateBodyForHead(t *testing.T) {
	t.Parallel()
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		h := head(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: "+fmt.Sprint(len(poison))+"\r\n\r\n")
		if strings.HasPrefix(h, "HEAD") {
			go func() { // when somebody else may be served
				time.Sleep(5 * time.Millisecond)
				_, _ = io.WriteString(c, poison)
			}()
		}
		if head(br) != "" {
			t.Error("the connection was used again")
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for range 20 {
		_, _ = io.WriteString(c, "HEAD / HTTP/1.1\r\n"+host+"\r\n")
		if res, _ := answer(t, br, "HEAD"); res.StatusCode != 200 || res.Close {
			t.Fatalf("answer is %d, close %v", res.StatusCode, res.Close)
		}
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T) string {
		return rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
			_ = head(br)
			<-t.Context().Done()
		})
	}
	t.Run("response header", func(t *testing.T) {
		t.Parallel()
		r := start(t, strings.Replace(one, "pools:", "timeouts: {response_header: 100ms}, pools:", 1), map[string]string{"blue": silent(t)})
		expectRefused(t, r, "", 504, "response-timeout")
		if got := r.scrape("switchback_attempts_total"); got != attempts("timeout") {
			t.Errorf("booked as %s", got)
		}
	})
	t.Run("connect", func(t *testing.T) {
		t.Parallel()
		r := start(t, strings.Replace(one, "pools:", "timeouts: {connect: 150ms}, pools:", 1), map[string]string{"blue": full(t)})
		expectRefused(t, r, "", 504, "connect-timeout")
		if got := r.scrape("switchback_attempts_total"); got != attempts("timeout") {
			t.Errorf("booked as %s", got)
		}
	})
	request := strings.Replace(one, "pools:", "timeouts: {request: 150ms}, pools:", 1)
	t.Run("request", func(t *testing.T) {
		t.Parallel()
		r := start(t, request, map[string]string{"blue": silent(t)})
		expectRefused(t, r, "", 504, "request-timeout")
	})
	t.Run("request, while the client holds back its body", func(t *testing.T) {
		t.Parallel()
		r := start(t, request, map[string]string{"blue": silent(t)})
		expectRefused(t, r, "Content-Length: 10\r\n", 504, "request-timeout")
		if got := r.scrape("switchback_attempts_total"); got != attempts("timeout") {
			t.Errorf("booked as %s", got)
		}
	})
	t.Run("request, during the answer", func(t *testing.T) {
		t.Parallel()
		blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		r := start(t, request, map[string]string{"blue": blue})
		c := r.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("body ended with %v", err)
		}
		eventually(t, "booked", func() bool { return r.scrape("switchback_attempts_total") == attempts("timeout") })
	})
	t.Run("request, not for event streams", func(t *testing.T) {
		t.Parallel()
		blue := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			time.Sleep(400 * time.Millisecond)
			_, _ = io.WriteString(w, "data: late\n\n")
		})
		r := start(t, request, map[string]string{"blue": blue})
		if _, body := r.get("/"); body != "data: late\n\n" {
			t.Errorf("stream is %q", body)
		}
	})
	t.Run("request, not for WebSockets", func(t *testing.T) {
		t.Parallel()
		r := start(t, request, map[string]string{"blue": socket(t, echoSocket)})
		c := r.websocket(false)
		time.Sleep(400 * time.Millisecond)
		_ = c.Write(t.Context(), 1, []byte("late"))
		if _, p, err := c.Read(t.Context()); string(p) != "late" {
			t.Errorf("echo is %q %v", p, err)
		}
	})
}

// The death of a target is told to a client that holds back its body.
func TestTargetDiesDuringUpload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ response, reason, outcome string }{
		{"", "upstream-closed", "reset"}, {"garbage\r\n\r\n", "bad-status-line", "malformed"},
	} {
		blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
			_ = head(br)
			_, _ = io.WriteString(c, tt.response)
		})
		r := start(t, one, map[string]string{"blue": blue})
		expectRefused(t, r, "Content-Length: 10\r\n", 502, tt.reason)
		if got := r.scrape("switchback_attempts_total"); got != attempts(tt.outcome) {
			t.Errorf("booked as %s", got)
		}
		s := startTLS(t, one, map[string]string{"blue": blue})
		body, w := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.addr+"/", body)
		if res, _ := doWith(t, tlsClient(t, true), req); res.Header.Get("Switchback-Reason") != tt.reason {
			t.Errorf("HTTP/2: answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
		}
		_ = w.Close()
	}
}

// expectRefused sends a head and expects an answer of ours.
func expectRefused(t *testing.T, r *rig, fields string, status int, reason string) {
	t.Helper()
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+fields+"\r\n")
	res, _ := answer(t, bufio.NewReader(c), http.MethodPost)
	if res.StatusCode != status || res.Header.Get("Switchback-Reason") != reason {
		t.Errorf("answer is %d %s, want %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"), status, reason)
	}
	if res.Close != strings.HasPrefix(fields, "Content-Length") {
		t.Errorf("close is %v", res.Close)
	}
}
