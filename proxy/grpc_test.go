package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
)

// grpcUpstream answers calls with the status, or what else the path says, in the trailers.
func grpcUpstream(t testing.TB) string {
	return h2cUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		status := strings.TrimPrefix(r.URL.Path, "/")
		if head, ok := strings.CutPrefix(status, "head/"); ok {
			w.Header().Set("Grpc-Status", head)
			return
		}
		if status == "http/503" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, message("answer"))
		if status != "none" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "because%21")
		w.Header().Set(http.TrailerPrefix+"X-Details-Bin", "AAEC")
		w.Header().Set(http.TrailerPrefix+"Authorization", "never passed on")
	})
}

// What a call counts as stands in its trailers, for metrics and judge alike.
func TestGRPCStatusIsBooked(t *testing.T) {
	t.Parallel()
	blue := grpcUpstream(t)
	failed := map[string]bool{"2": true, "4": true, "8": true, "12": true, "13": true, "14": true, "15": true, "none": true, "x": true}
	paths := []string{"none", "x", "head/0", "head/5", "head/12", "head/14", "http/503"}
	for n := range 17 {
		paths = append(paths, fmt.Sprint(n))
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r := startH2C(t, one, map[string]string{"blue": blue}).judged()
			got := r.call(t.Context(), "/"+path, strings.NewReader(message("question")))
			status, inHead := strings.CutPrefix(path, "head/")
			outcome, want := "ok", metrics.Counts{Requests: 1, Apart: 1}
			switch {
			case path == "http/503":
				outcome, status = "status_5xx", ""
			case failed[status]:
				outcome = "status_grpc"
			}
			if outcome != "ok" {
				want.Failed = 1
			}
			if path == "none" {
				status = ""
			}
			if got.err != nil || got.status != status || got.head != inHead {
				t.Errorf("client got %+v, want status %q", got, status)
			}
			if status != "" && !inHead && (got.body != message("answer") || got.message != "because%21") {
				t.Errorf("client got %+v", got)
			}
			r.settled(1)
			if n := r.count("switchback_attempts_total", `outcome="`+outcome+`"`); n != 1 {
				t.Errorf("booked as %s, want %s", r.scrape("switchback_attempts_total"), outcome)
			}
			if got := r.sampled("blue"); got != want {
				t.Errorf("judged %+v, want %+v", got, want)
			}
		})
	}
}

// Trailers pass but for what frames or routes a message; an answer that is all head stays one.
func TestGRPCTrailers(t *testing.T) {
	t.Parallel()
	r := startH2C(t, one, map[string]string{"blue": grpcUpstream(t)})
	res, err := h2cClient(t).Do(r.callRequest(t.Context(), "/0", strings.NewReader(message("q"))))
	if err != nil {
		t.Fatal(err)
	}
	finish(t, res)
	if res.Trailer.Get("X-Details-Bin") != "AAEC" || res.Trailer.Get("Authorization") != "" {
		t.Errorf("trailers are %v", res.Trailer)
	}
	s := r.clearStream()
	s.headers(0, 1, [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", "/head/5"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	})
	s.frame(frameData, endStream, 1, []byte(message("q")))
	if _, _, err := s.next(frameHeaders); err != nil || s.flags&endStream == 0 {
		t.Errorf("the head does not end the stream: flags %x, %v", s.flags, err)
	}
}

// Each message goes on at once, both ways, while the other way is open.
func TestGRPCDuplex(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(200)
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
				return
			}
		}
	}
	for name, blue := range map[string]string{"h2c": h2cUpstream(t, echo), "https": tlsHTTP2Upstream(t, echo)} {
		t.Run(name, func(t *testing.T) {
			r := startH2C(t, one, map[string]string{"blue": blue})
			body, send := io.Pipe()
			res, err := h2cClient(t).Do(r.callRequest(t.Context(), "/", body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			for i := range 20 {
				want := message(fmt.Sprintf("message %d", i))
				_, _ = io.WriteString(send, want)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
					t.Fatalf("message %d came back as %q, %v", i, got, err)
				}
			}
			if n := kind(r.server.InFlight(), "long_lived"); n != 1 {
				t.Errorf("%d exchanges are long-lived", n)
			}
			_ = send.Close()
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil || res.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("ended with %q, %v, %v", rest, err, res.Trailer)
			}
		})
	}
}

// Answers of our own are errors of gRPC to its clients, and stay what they are to others.
func TestGRPCOwnAnswers(t *testing.T) {
	t.Parallel()
	gone := "h2c" + strings.TrimPrefix(closed(t), "http")
	const file = `services: {web: {hosts: [web.example], pools: {blue: ["{{blue}}"]}}, hang: {hosts: [hang.example], timeouts: {response_header: 50ms}, pools: {blue: ["{{hang}}"]}}}`
	hang := h2cUpstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := startH2C(t, file, map[string]string{"blue": gone, "hang": hang})
	for _, tt := range []struct {
		host, path, kind string
		want             called
	}{
		{"web.example", "/", "application/grpc", called{http: 200, status: "14", head: true, reason: "connection-refused"}},
		{"web.example", "/", "application/grpc+proto", called{http: 200, status: "14", head: true, reason: "connection-refused"}},
		{"web.example", "/", "application/grpc-web+proto", called{http: 200, status: "14", head: true, reason: "connection-refused"}},
		{"other.example", "/", "application/grpc", called{http: 200, status: "12", head: true, reason: "no-service"}},
		{"web.example", "/a%00b", "application/grpc", called{http: 200, status: "13", head: true, reason: "bad-path"}},
		{"web.example", "/", "application/grpcish", called{http: 200, status: "14", head: true, reason: "connection-refused"}},
		{"web.example", "/", "application/json", called{http: 502, reason: "connection-refused"}},
		{"hang.example", "/", "application/json", called{http: 504, reason: "response-timeout"}},
	} {
		req := r.callRequest(t.Context(), "/", strings.NewReader(message("q")), "Content-Type", tt.kind)
		req.Host, req.URL.Opaque = tt.host, tt.path
		res, err := h2cClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		head := res.Header.Get("Grpc-Status")
		_, body := finish(t, res)
		got := called{http: res.StatusCode, status: head, head: head != "", reason: res.Header.Get("Switchback-Reason")}
		if got != tt.want || (body == "") != got.head || got.head && res.Header.Get("Content-Type") != tt.kind {
			t.Errorf("%s %s %s: %+v %q %v, want %+v", tt.host, tt.path, tt.kind, got, body, res.Header, tt.want)
		}
	}
	if n := r.count("switchback_requests_total", `code_class="5xx"`, `service="web"`); n != 5 {
		t.Errorf("%d requests count as 5xx", n)
	}
}

// The code by which a target resets a call becomes the status it stands for, before and behind the head.
func TestGRPCReset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code   byte
		status string
	}{{0, "13"}, {3, "13"}, {2, "13"}, {7, "14"}, {8, "1"}, {11, "8"}, {12, "7"}, {13, "13"}} {
		for _, behind := range []bool{false, true} {
			blue := rawH2C(t, func(s *stream, id uint32) {
				if behind {
					s.headers(0, id, [][2]string{{":status", "200"}, {"content-type", "application/grpc"}})
					s.frame(frameData, 0, id, []byte(message("half a message"))[:10])
				}
				s.frame(frameReset, 0, id, []byte{0, 0, 0, tt.code})
			})
			r := startH2C(t, one, map[string]string{"blue": blue})
			got := r.call(t.Context(), "/", strings.NewReader(message("q")))
			if got.err != nil || got.status != tt.status || got.head == behind {
				t.Errorf("code %d, behind the head %v: %+v, want status %s", tt.code, behind, got, tt.status)
			}
			outcome := `outcome="reset"`
			if behind {
				outcome = `outcome="truncated"`
			}
			r.settled(1)
			if n := r.count("switchback_attempts_total", outcome); n != 1 {
				t.Errorf("code %d booked as %s", tt.code, r.scrape("switchback_attempts_total"))
			}
		}
	}
}

// A target that dies while it waits for the next message of its client is noticed at once.
func TestGRPCTargetDies(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{false, true} {
		blue := rawH2C(t, func(s *stream, id uint32) {
			if behind {
				s.headers(0, id, [][2]string{{":status", "200"}, {"content-type", "application/grpc"}})
			}
			_, _, _ = s.next(frameData)
			_ = s.conn.Close()
		})
		r := startH2C(t, one, map[string]string{"blue": blue})
		body, send := io.Pipe()
		defer send.Close()
		go func() { _, _ = io.WriteString(send, message("first")) }() // and nothing more
		if got := r.call(t.Context(), "/", body); got.status != "14" || got.err != nil {
			t.Errorf("behind the head %v: %+v", behind, got)
		}
		r.settled(1)
	}
}

// Who goes away takes the call with him; whose deadline has passed was kept waiting.
func TestGRPCDeadline(t *testing.T) {
	t.Parallel()
	type seen struct {
		timeout string
		ended   bool
	}
	calls, arrived := make(chan seen, 1), make(chan struct{}, 1)
	blue := h2cUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
		calls <- seen{r.Header.Get("Grpc-Timeout"), true}
	})
	for _, tt := range []struct {
		timeout, outcome string
		failed           uint32
	}{{"50000u", "timeout", 1}, {"1H", "client_gone", 0}, {"", "client_gone", 0}, {"soon", "client_gone", 0}} {
		r := startH2C(t, one, map[string]string{"blue": blue}).judged()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			time.Sleep(60 * time.Millisecond)
			cancel()
		}()
		got := r.call(ctx, "/", strings.NewReader(message("q")), "Grpc-Timeout", tt.timeout)
		cancel()
		if !errors.Is(got.err, context.Canceled) {
			t.Errorf("client got %+v", got)
		}
		if s := <-calls; s.timeout != tt.timeout {
			t.Errorf("upstream got the deadline %q, want %q", s.timeout, tt.timeout)
		}
		r.settled(1)
		if n := r.count("switchback_attempts_total", `outcome="`+tt.outcome+`"`); n != 1 {
			t.Errorf("deadline %q booked as %s, want %s", tt.timeout, r.scrape("switchback_attempts_total"), tt.outcome)
		}
		if n := r.sampled("blue"); n.Failed != tt.failed {
			t.Errorf("deadline %q judged as %+v", tt.timeout, n)
		}
	}
}

// A target that gives up at the deadline does not make it another error than the client would see.
func TestGRPCTargetKeepsDeadline(t *testing.T) {
	t.Parallel()
	blue := rawH2C(t, func(s *stream, id uint32) {
		time.Sleep(20 * time.Millisecond)
		s.frame(frameReset, 0, id, []byte{0, 0, 0, 8})
	})
	r := startH2C(t, one, map[string]string{"blue": blue})
	if got := r.call(t.Context(), "/", strings.NewReader(message("q")), "Grpc-Timeout", "20m"); got.status != "4" || got.err != nil {
		t.Errorf("client got %+v", got)
	}
}

// Only what may not have reached the first target goes to the second.
func TestGRPCRetry(t *testing.T) {
	t.Parallel()
	const file = `services: {web: {balance: round_robin, pools: {blue: ["{{bad}}", "{{good}}"]}}}`
	good := grpcUpstream(t)
	for _, tt := range []struct {
		name, bad string
		want      string
	}{
		{"refused", "h2c" + strings.TrimPrefix(closed(t), "http"), "0"},
		{"closed behind the head", rawH2C(t, func(s *stream, _ uint32) { _ = s.conn.Close() }), "14"},
		{"refused stream", rawH2C(t, func(s *stream, id uint32) { s.frame(frameReset, 0, id, []byte{0, 0, 0, 7}) }), "14"},
	} {
		r := startH2C(t, file, map[string]string{"bad": tt.bad, "good": good})
		seen := map[string]int{}
		for range 4 {
			got := r.call(t.Context(), "/0", strings.NewReader(message("q")))
			if got.err != nil {
				t.Fatal(got.err)
			}
			seen[got.status]++
		}
		if seen["0"] < 2 || seen["0"]+seen["14"] != 4 || (seen["14"] == 0) != (tt.want == "0") {
			t.Errorf("%s: statuses %v, want %s from the bad target", tt.name, seen, tt.want)
		}
	}
}

// How long a call may be silent is for its peers to say.
func TestGRPCSilence(t *testing.T) {
	t.Parallel()
	blue := h2cUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
		}
		w.Header().Set("Grpc-Status", "0")
	})
	r := startH2C(t, `services: {web: {timeouts: {response_header: 50ms, request: 100ms}, pools: {blue: ["{{blue}}"]}}}`, map[string]string{"blue": blue})
	if got := r.call(t.Context(), "/", strings.NewReader(message("q"))); got.status != "0" || got.err != nil {
		t.Errorf("a call ended with %+v", got)
	}
	req := r.callRequest(t.Context(), "/", strings.NewReader("q"), "Content-Type", "text/plain")
	if res, _ := doWith(t, h2cClient(t), req); res.StatusCode != 504 {
		t.Errorf("a request ended with %d", res.StatusCode)
	}
}

// A pool that lost its weight lets calls end; streams go as the service has it, with a status to go by.
func TestGRPCOnADrainedPool(t *testing.T) {
	t.Parallel()
	const file = `services: {web: {drain: {timeout: 100ms, %s}, pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: %d, green: %d}}}`
	arrived := make(chan struct{}, 10)
	blue := h2cUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, message("one")+message("two"))
			_ = http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-time.After(400 * time.Millisecond):
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}
	})
	urls := map[string]string{"blue": blue, "green": named(t, "green")}
	for _, tt := range []struct{ drain, call, stream string }{
		{"long_lived: keep", "0", "0"},
		{"long_lived: drain, long_lived_timeout: 10s", "0", "0"},
		{"long_lived: drain, long_lived_timeout: 100ms, spread: 100ms", "14", "14"},
		{"long_lived: close", "14", "14"},
	} {
		t.Run(tt.drain, func(t *testing.T) {
			r := startH2C(t, fmt.Sprintf(file, tt.drain, 100, 0), urls)
			results := map[string]chan called{"/call": make(chan called, 1), "/stream": make(chan called, 1)}
			for path, result := range results {
				go func() { result <- r.call(t.Context(), path, strings.NewReader(message("q"))) }()
				<-arrived
			}
			eventually(t, "the stream is known for one", func() bool { return kind(r.server.InFlight(), "long_lived") == 1 })
			at := time.Now()
			r.swap(h2cListener+fmt.Sprintf(file, tt.drain, 0, 100), urls)
			for path, want := range map[string]string{"/call": tt.call, "/stream": tt.stream} {
				got := <-results[path]
				if got.status != want || got.err != nil {
					t.Errorf("%s ended with %+v, want status %s", path, got, want)
				}
			}
			_ = at
		})
	}
}

// Event streams and WebSockets of a drained pool are closed one by one.
func TestLongLivedOnADrainedPool(t *testing.T) {
	t.Parallel()
	const file = `services: {web: {drain: {timeout: 10s, long_lived: drain, long_lived_timeout: 50ms, spread: 200ms}, pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: %d, green: %d}}}`
	arrived := make(chan struct{}, 10)
	urls := map[string]string{"green": named(t, "green"), "blue": upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	})}
	r := start(t, fmt.Sprintf(file, 100, 0), urls)
	ended := make(chan time.Time, 4)
	for range 4 {
		go func() {
			c := r.dial()
			defer c.Close()
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
			all, err := io.ReadAll(c)
			if err == nil && strings.HasSuffix(string(all), "0\r\n\r\n") || errors.Is(err, net.ErrClosed) {
				t.Errorf("a stream that was cut looks whole: %q %v", all, err)
			}
			ended <- time.Now()
		}()
		<-arrived
	}
	at := time.Now()
	r.swap(fmt.Sprintf(file, 0, 100), urls)
	first := <-ended
	last := first
	for range 3 {
		last = <-ended
	}
	if first.Sub(at) < 50*time.Millisecond || last.Sub(first) < 100*time.Millisecond {
		t.Errorf("closed %v to %v after the switch", first.Sub(at), last.Sub(at))
	}
}
