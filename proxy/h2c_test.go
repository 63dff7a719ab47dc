package proxy_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// One port speaks both, told apart by the first bytes, in whatever pieces they come.
func TestH2CBesideHTTP1(t *testing.T) {
	t.Parallel()
	r := startH2C(t, one, map[string]string{"blue": named(t, "blue")})
	if res, body := r.get("/"); res.Proto != "HTTP/1.1" || body != "blue" {
		t.Errorf("HTTP/1.1: %s %q", res.Proto, body)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+"/", nil)
	if res, body := doWith(t, h2cClient(t), req); res.Proto != "HTTP/2.0" || body != "blue" {
		t.Errorf("HTTP/2: %s %q", res.Proto, body)
	}
	c := r.dial()
	defer c.Close()
	for i := range preface {
		_, _ = io.WriteString(c, preface[i:i+1])
	}
	s := &stream{t: t, conn: c}
	s.frame(frameSettings, 0, 0, nil)
	s.headers(endStream, 1, [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", "/"}})
	if got := s.outcome(); got != "200" {
		t.Errorf("a preface in pieces ended with %s", got)
	}
}

// HTTP/2 without TLS is for clients who begin with it, where the listener says so, and nobody else.
func TestH2COnlyWhereAsked(t *testing.T) {
	t.Parallel()
	blue, served := counting(t)
	plain := start(t, one, map[string]string{"blue": blue})
	h2c := startH2C(t, one, map[string]string{"blue": blue})
	upgrade := "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
	for _, tt := range []struct{ name, answer, want string }{
		{"preface where there is no h2c", plain.raw(preface + "GET / HTTP/1.1\r\n" + host + "\r\n"), "HTTP/1.1 505 "},
		{"almost a preface", h2c.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\rGET / HTTP/1.1\r\n" + host + "\r\n"), "HTTP/1.1 505 "},
		{"upgrade", h2c.raw(upgrade + preface), "HTTP/1.1 501 "},
		{"upgrade where there is no h2c", plain.raw(upgrade + preface), "HTTP/1.1 501 "},
		{"ambiguous HTTP/1.1", h2c.raw("POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "HTTP/1.1 400 "},
	} {
		if !strings.HasPrefix(tt.answer, tt.want) || strings.Count(tt.answer, "\r\nDate: ") != 1 {
			t.Errorf("%s: answered %q, want %s", tt.name, tt.answer, tt.want)
		}
	}
	if n := served.Load(); n != 0 {
		t.Errorf("upstream served %d requests", n)
	}
	late := h2c.raw("GET / HTTP/1.1\r\n" + host + "\r\n" + preface)
	if !strings.HasPrefix(late, "HTTP/1.1 200 ") || !strings.Contains(late, "HTTP/1.1 505 ") {
		t.Errorf("a preface behind a request: %q", late)
	}
}

// A client that stops in the middle of the preface is not waited for.
func TestSlowPreface(t *testing.T) {
	t.Parallel()
	r := start(t, "listeners: {web: {address: \":80\", h2c: true, timeouts: {header: 100ms}}}\n"+one, map[string]string{"blue": named(t, "blue")})
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, preface[:10])
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection did not end: %v", err)
	}
}

// A connection that takes back one stream after the other is sent away, and what it opens then is not
// looked at; others never notice.
func TestRapidReset(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		var served, late atomic.Int64
		blue := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/hang":
				served.Add(1)
				<-r.Context().Done()
			case "/late":
				late.Add(1)
			}
		})
		r := startH2C(t, one, map[string]string{"blue": blue})
		open := r.clearStream
		if secure {
			r = startTLS(t, one, map[string]string{"blue": blue})
			open = r.stream
		}
		ask := func(s *stream, id uint32, path string) {
			s.headers(endStream, id, [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", path}})
		}
		s, innocent := open(), open()
		reset := func(id uint32) { s.frame(frameReset, 0, id, []byte{0, 0, 0, 8}) }
		goAway := make(chan uint32, 1) // the code of the first, which is not 0 when the library's own patience ended
		go func() {
			code := uint32(1)
			if _, p, err := (&stream{t: t, conn: s.conn}).next(frameGoAway); err == nil {
				code = binary.BigEndian.Uint32(p[4:])
			}
			goAway <- code
		}()
		id, code, sent := uint32(1), uint32(0), true
		for sent {
			select {
			case code = <-goAway:
				sent = false
			default:
				ask(s, id, "/hang")
				reset(id)
				id += 2
			}
			if id > 200_000 {
				t.Fatalf("TLS %v: no GOAWAY after %d streams", secure, id/2)
			}
		}
		for range 50 {
			ask(s, id, "/late")
			id += 2
		}
		ask(innocent, 1, "/")
		if got := innocent.outcome(); got != "200" {
			t.Errorf("another client got %s", got)
		}
		if n := served.Load(); n > 600 || late.Load() > 0 {
			t.Errorf("TLS %v: the target served %d requests, and %d after the GOAWAY", secure, n, late.Load())
		}
		if n := r.count("switchback_refused_requests_total", "too-many-resets"); code == 0 && n != 1 {
			t.Errorf("%d connections counted as sent away", n)
		}
	}
}

// Targets with HTTP/2 get the request as it was, and what HTTP/2 cannot do does not reach them.
func TestHTTP2Targets(t *testing.T) {
	t.Parallel()
	heads := make(chan *http.Request, 10)
	serve := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heads <- r
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("Trailer", "X-Said")
		_, _ = fmt.Fprintf(w, "%s %s", r.RequestURI, body)
		_ = http.NewResponseController(w).Flush() // or the length is known, and HTTP/1.1 has no place for trailers
		w.Header().Set("X-Said", "told")
		w.Header().Set(http.TrailerPrefix+"X-Unsaid", "too")
	}
	h2c := h2cUpstream(t, serve)
	tls := tlsHTTP2Upstream(t, serve)
	old := tlsUpstream(t, "127.0.0.1", serve) // speaks HTTP/1.1 only
	const asked = `services: {web: {http2: true, pools: {blue: ["{{blue}}"]}}}`
	for _, tt := range []struct{ name, file, blue, proto string }{
		{"h2c", one, h2c, "HTTP/2.0"},
		{"https as always", one, tls, "HTTP/1.1"},
		{"https with http2", asked, tls, "HTTP/2.0"},
		{"https with http2 and an old target", asked, old, "HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startH2C(t, tt.file, map[string]string{"blue": tt.blue})
			for _, client := range []*http.Client{h2cClient(t), {Transport: &http.Transport{DisableKeepAlives: true}}} {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/a%2Fb//c?x=%zz", strings.NewReader("body"))
				req.Header.Set("Connection", "X-Hop")
				if client.Transport.(*http.Transport).Protocols != nil {
					req.Header.Del("Connection")
				}
				req.Header.Set("X-End", "1")
				req.Header.Set("X-Forwarded-For", "192.0.2.1")
				res, body := doWith(t, client, req)
				if res.Header.Get("X-Proto") != tt.proto || body != "/a%2Fb//c?x=%zz body" {
					t.Errorf("%s answered %q by %s, want %s", res.Proto, body, res.Header.Get("X-Proto"), tt.proto)
				}
				if res.Trailer.Get("X-Said") != "told" || res.Trailer.Get("X-Unsaid") != "too" {
					t.Errorf("trailers are %v", res.Trailer)
				}
				got := <-heads
				if got.Host != r.addr || got.Header.Get("X-Forwarded-For") != "127.0.0.1" || got.Header.Get("X-End") != "1" ||
					got.Header.Get("Switchback-Pool") != "blue" || got.ContentLength != 4 {
					t.Errorf("upstream got %+v", got)
				}
			}
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		r := startH2C(t, one, map[string]string{"blue": h2c})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+r.addr+"/", nil)
		if res, _ := doWith(t, h2cClient(t), req); res.StatusCode != 200 {
			t.Errorf("HEAD: %d", res.StatusCode)
		}
		<-heads
	})
	t.Run("upgrade", func(t *testing.T) {
		r := startH2C(t, one, map[string]string{"blue": h2c})
		got := r.raw("GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 501 ") || !strings.Contains(got, "upgrade-not-possible") {
			t.Errorf("answer is %q", got)
		}
		if got := r.scrape("switchback_attempts_total"); !strings.Contains(got, "unexpected") || strings.Contains(got, "reset") {
			t.Errorf("booked as %s", got)
		}
	})
}

// What a target may not say over HTTP/2 is no answer, and what breaks off is never whole.
func TestMalformedHTTP2Responses(t *testing.T) {
	t.Parallel()
	ok := [][2]string{{":status", "200"}}
	with := func(fields ...string) [][2]string {
		all := slices.Clone(ok)
		for i := 0; i < len(fields); i += 2 {
			all = append(all, [2]string{fields[i], fields[i+1]})
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		answer  func(s *stream, id uint32)
		want    int // status; 0: it begins and breaks off
		outcome string
	}{
		{"two lengths", func(s *stream, id uint32) {
			s.headers(0, id, with("content-length", "2", "content-length", "2"))
			s.frame(frameData, endStream, id, []byte("ok"))
		}, 502, "malformed"},
		{"a length that is none", func(s *stream, id uint32) {
			s.headers(0, id, with("content-length", "+2"))
			s.frame(frameData, endStream, id, []byte("ok"))
		}, 502, "malformed"},
		{"connection", func(s *stream, id uint32) { s.headers(endStream, id, with("connection", "x")) }, 502, "malformed"},
		{"transfer-encoding", func(s *stream, id uint32) {
			s.headers(endStream, id, with("transfer-encoding", "chunked"))
		}, 502, "malformed"},
		{"101", func(s *stream, id uint32) { s.headers(0, id, [][2]string{{":status", "101"}}) }, 502, "malformed"},
		{"endless 1xx", func(s *stream, id uint32) {
			for range 300 {
				s.headers(0, id, [][2]string{{":status", "103"}})
			}
			s.headers(endStream, id, ok)
		}, 502, "malformed"},
		{"a line end in a value", func(s *stream, id uint32) { s.headers(endStream, id, with("x", "a\r\nb: c")) }, 502, "malformed"},
		{"an upper-case name", func(s *stream, id uint32) { s.headers(endStream, id, with("X-Y", "a")) }, 502, "malformed"},
		{"too large a head", func(s *stream, id uint32) {
			s.headers(endStream, id, with("a", strings.Repeat("a", 40<<10), "b", strings.Repeat("b", 40<<10)))
		}, 502, "malformed"},
		{"length above the data", func(s *stream, id uint32) {
			s.headers(0, id, with("content-length", "3"))
			s.frame(frameData, endStream, id, []byte("ok"))
		}, 0, "truncated"},
		{"length below the data", func(s *stream, id uint32) {
			s.headers(0, id, with("content-length", "1"))
			s.frame(frameData, endStream, id, []byte("ok"))
		}, 0, "truncated"},
		{"length without data", func(s *stream, id uint32) { s.headers(endStream, id, with("content-length", "3")) }, 0, "truncated"},
		{"reset behind the head", func(s *stream, id uint32) {
			s.headers(0, id, ok)
			s.frame(frameReset, 0, id, []byte{0, 0, 0, 0})
		}, 0, "truncated"},
		{"reset before the head", func(s *stream, id uint32) { s.frame(frameReset, 0, id, []byte{0, 0, 0, 2}) }, 502, "reset"},
		{"no frames", func(s *stream, _ uint32) { _, _ = io.WriteString(s.conn, "HTTP/1.1 200 OK\r\n\r\n") }, 502, "reset"},
		{"304 that tells a length", func(s *stream, id uint32) {
			s.headers(endStream, id, [][2]string{{":status", "304"}, {"content-length", "5"}})
		}, 304, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startH2C(t, one, map[string]string{"blue": rawH2C(t, tt.answer)})
			for _, client := range []*http.Client{h2cClient(t), {Transport: &http.Transport{DisableKeepAlives: true}}} {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+"/", nil)
				res, err := client.Do(req)
				status, broken := 0, err != nil
				if err == nil {
					status = res.StatusCode
					if res.StatusCode != http.StatusNotModified { // where the client of the standard library waits for a body
						_, err = io.ReadAll(res.Body)
					}
					broken = err != nil
					_ = res.Body.Close()
				}
				if broken != (tt.want == 0) || !broken && status != tt.want {
					t.Errorf("answer is %d, broken %v (%v), want %d", status, broken, err, tt.want)
				}
			}
			r.settled(2)
			if n := r.count("switchback_attempts_total", `outcome="`+tt.outcome+`"`); n != 2 {
				t.Errorf("booked as %s, want %s", r.scrape("switchback_attempts_total"), tt.outcome)
			}
		})
	}
}

// What a target may have seen is repeated for GET only, and not for long.
func TestRefusedStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method string
		body   io.Reader
		most   int64
	}{{"GET", nil, 2}, {"POST", nil, 1}, {"DELETE", nil, 1}, {"POST", strings.NewReader("body"), 1}} {
		var seen atomic.Int64
		blue := rawH2C(t, func(s *stream, id uint32) {
			seen.Add(1)
			s.frame(frameReset, 0, id, []byte{0, 0, 0, 1})
		})
		r := startH2C(t, one, map[string]string{"blue": blue})
		req, _ := http.NewRequestWithContext(t.Context(), tt.method, "http://"+r.addr+"/", tt.body)
		if res, _ := do(t, req); res.StatusCode != 502 || res.Header.Get("Switchback-Reason") != "upstream-closed" {
			t.Errorf("%s: %d %s", tt.method, res.StatusCode, res.Header.Get("Switchback-Reason"))
		}
		if n := seen.Load(); n > tt.most {
			t.Errorf("%s was sent %d times, at most %d", tt.method, n, tt.most)
		}
	}
}

// Connections that a reload made useless are closed when their last stream ends.
func TestRetiredHTTP2Connections(t *testing.T) {
	t.Parallel()
	const file = `services: {web: {timeouts: {idle: %s}, pools: {blue: ["{{blue}}"]}}}`
	release, arrived := make(chan struct{}), make(chan struct{})
	closedConns := make(chan struct{}, 1)
	blue := rawH2C(t, func(s *stream, id uint32) {
		close(arrived)
		<-release
		s.headers(endStream, id, [][2]string{{":status", "200"}})
		_, _, _ = s.next(frameGoAway)
		closedConns <- struct{}{}
	})
	r := startH2C(t, fmt.Sprintf(file, "0s"), map[string]string{"blue": blue})
	answered := make(chan int, 1)
	go func() {
		res, _ := r.get("/")
		answered <- res.StatusCode
	}()
	<-arrived
	r.swap(h2cListener+fmt.Sprintf(file, "1h"), map[string]string{"blue": blue})
	close(release)
	if got := <-answered; got != 200 {
		t.Errorf("answered %d", got)
	}
	<-closedConns
}
