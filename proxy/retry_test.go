package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

const pair = `services: {web: {balance: round_robin, pools: {blue: ["{{a}}", "{{b}}"]}, weights: {blue: 100}}}`

// A refused connection is tried on another target, whatever the method.
func TestRetriesRefusedConnections(t *testing.T) {
	t.Parallel()
	var bodies atomic.Int64
	b := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies.Add(int64(len(body)))
		_, _ = io.WriteString(w, "b")
	})
	r := start(t, pair, map[string]string{"a": closed(t), "b": b})
	for i := range 20 {
		method, body := http.MethodGet, io.Reader(nil)
		switch i % 3 {
		case 1:
			method, body = http.MethodPost, strings.NewReader("hello")
		case 2:
			method, body = http.MethodPost, struct{ io.Reader }{strings.NewReader("hello")} // chunked
		}
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+"/", body)
		if res, got := do(t, req); res.StatusCode != 200 || got != "b" {
			t.Errorf("%s: answer is %d %q", method, res.StatusCode, got)
		}
	}
	if n := bodies.Load(); n != 13*5 {
		t.Errorf("the target got %d bytes of bodies", n)
	}
	refused := 0
	if _, err := fmt.Sscanf(r.booked(), "20 attempts ok blue, %d attempts refused blue", &refused); err != nil || refused < 10 {
		t.Errorf("booked as %s", r.booked())
	}
	if !strings.HasSuffix(r.booked(), fmt.Sprintf("20 requests 2xx blue, %d retries refused blue", refused)) {
		t.Errorf("booked as %s", r.booked())
	}
	inFlightZero(t, r)
}

// A connection that is not made in time is tried elsewhere, too.
func TestRetriesConnectTimeouts(t *testing.T) {
	t.Parallel()
	r := start(t, strings.Replace(pair, "balance:", "timeouts: {connect: 100ms}, balance:", 1), map[string]string{"a": full(t), "b": named(t, "b")})
	for range 4 {
		if res, body := r.get("/"); body != "b" {
			t.Errorf("answer is %d %q", res.StatusCode, body)
		}
	}
}

func TestAllRefused(t *testing.T) {
	t.Parallel()
	r := start(t, pair, map[string]string{"a": closed(t), "b": closed(t)})
	if res, _ := r.get("/"); res.StatusCode != 502 || res.Header.Get("Switchback-Reason") != "connection-refused" {
		t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	want := `switchback_attempts_total{outcome="refused",pool="blue",service="web"} 2` + "\n" + `switchback_retries_total{cause="refused",pool="blue",service="web"} 1`
	if got := r.scrape("switchback_attempts_total", "switchback_retries_total"); got != want {
		t.Errorf("booked as\n%s", got)
	}
	inFlightZero(t, r)
}

// A third target is not tried: at most one retry.
func TestRetriesOnce(t *testing.T) {
	t.Parallel()
	r := start(t, `services: {web: {balance: round_robin, pools: {blue: ["{{a}}", "{{b}}", "{{c}}"]}, weights: {blue: 100}}}`,
		map[string]string{"a": closed(t), "b": closed(t), "c": closed(t)})
	r.get("/")
	if got := r.scrape("switchback_attempts_total"); !strings.HasSuffix(got, " 2") {
		t.Errorf("booked as %s", got)
	}
}

// What was written is never written twice, whatever became of it.
func TestNeverRepeatsWhatWasWritten(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	drop := func() string {
		return rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
			if strings.HasPrefix(head(br), "POST") {
				got.Add(1)
			}
		})
	}
	r := start(t, pair, map[string]string{"a": drop(), "b": drop()})
	for i := range 50 {
		fields := "Content-Length: 0\r\n"
		if i%2 == 0 {
			fields = "Content-Length: 3\r\n"
		}
		c := r.dial()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+fields+"\r\nabc"[:2+3*((i+1)%2)])
		if res, _ := answer(t, bufio.NewReader(c), http.MethodPost); res.StatusCode != 502 || res.Header.Get("Switchback-Reason") != "upstream-closed" {
			t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
		}
		_ = c.Close()
	}
	if n := got.Load(); n != 50 {
		t.Errorf("50 requests were written %d times", n)
	}
}

// A kept connection that the target has closed costs nobody a request: nothing was sent on it.
func TestKeptConnectionsDie(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		reset bool
		tls   bool
	}{{"closed", false, false}, {"reset", true, false}, {"closed below TLS", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var served atomic.Int64
			h := func(w http.ResponseWriter, r *http.Request) {
				served.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, "ok")
			}
			var mu sync.Mutex
			idle := map[net.Conn]bool{}
			watch := func(s *http.Server) {
				s.ConnState = func(c net.Conn, state http.ConnState) {
					mu.Lock()
					defer mu.Unlock()
					idle[c] = state == http.StateIdle
				}
			}
			blue := watched(t, tt.tls, h, watch)
			r := start(t, one, map[string]string{"blue": blue})
			for i := range 100 {
				method, body := http.MethodPost, io.Reader(strings.NewReader("hello"))
				if i%3 == 0 {
					method, body = http.MethodGet, nil
				}
				req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+"/", body)
				if res, got := do(t, req); got != "ok" {
					t.Fatalf("request %d: %d %s", i, res.StatusCode, res.Header.Get("Switchback-Reason"))
				}
				eventually(t, "connection is idle", func() bool {
					mu.Lock()
					defer mu.Unlock()
					for c, is := range idle {
						if is {
							if s, ok := c.(*net.TCPConn); ok && tt.reset {
								_ = s.SetLinger(0)
							}
							_ = c.Close()
							delete(idle, c)
							return true
						}
					}
					return false
				})
			}
			if n := served.Load(); n != 100 {
				t.Errorf("100 requests were served %d times", n)
			}
			if got := r.scrape("switchback_attempts_total"); got != `switchback_attempts_total{outcome="ok",pool="blue",service="web"} 100` {
				t.Errorf("booked as %s", got)
			}
		})
	}
}

// watched is an upstream whose server can be changed before it starts.
func watched(t testing.TB, secure bool, h http.HandlerFunc, change func(*http.Server)) string {
	if secure {
		return tlsUpstreamWith(t, "127.0.0.1", h, change)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog, _ = zap.NewStdLogAt(zap.NewNop(), zap.ErrorLevel)
	change(s.Config)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// A target that dies with all its kept connections is replaced by its sibling, which serves everything.
func TestTargetDiesWhileIdle(t *testing.T) {
	t.Parallel()
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond) // so that several connections are needed
		_, _ = io.WriteString(w, "ok")
	}
	a := httptest.NewServer(http.HandlerFunc(slow))
	defer a.Close()
	r := start(t, pair, map[string]string{"a": a.URL, "b": upstream(t, slow)})
	storm := func() {
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for i := range 20 {
					method := []string{http.MethodGet, http.MethodPost}[i%2]
					req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+"/", strings.NewReader("hello"))
					if res, got := do(t, req); got != "ok" {
						t.Errorf("%s: %d %s", method, res.StatusCode, res.Header.Get("Switchback-Reason"))
					}
				}
			})
		}
		clients.Wait()
	}
	storm()
	a.CloseClientConnections()
	a.Close()
	storm()
	inFlightZero(t, r)
}

func inFlightZero(t testing.TB, r *rig) {
	t.Helper()
	eventually(t, "nothing in flight", func() bool {
		for _, p := range r.table.Pools {
			if p.InFlight() != 0 {
				return false
			}
		}
		return r.inflight() == 0
	})
}

// down marks every target of a pool as down.
func (r *rig) down(pool string) {
	for _, p := range r.table.Pools {
		for _, target := range p.Targets {
			if p.Name == pool {
				target.SetHealth(router.Health{Status: router.Down})
			}
		}
	}
}

const ruled = `services:
  web:
    hosts: [a.example]
    pools: {blue: [{{a}}, {{b}}], green: [{{c}}, {{d}}]}
    weights: {blue: 100, green: 0}
    rules: [{when: {header: {X-Green: "yes"}}, to: green}]
`

func TestFallback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		dead    bool // green's targets refuse connections
		down    []string
		fields  []string
		preview bool
		status  int
		answer  string // body, or our reason
		want    string // the metrics
	}{
		{
			name: "candidate down", down: []string{"green"}, fields: []string{"X-Green", "yes"}, status: 200, answer: "blue",
			want: "attempts no_target green, attempts ok blue, fallbacks green, requests 2xx green",
		},
		{
			name: "candidate refuses", dead: true, fields: []string{"X-Green", "yes"}, status: 200, answer: "blue",
			want: "attempts ok blue, 2 attempts refused green, fallbacks green, requests 2xx green, retries refused green",
		},
		{
			name: "override, down", down: []string{"green"}, fields: []string{"X-Pool", "green"}, status: 503, answer: "no-target",
			want: "attempts no_target green, requests 5xx green",
		},
		{
			name: "override, refuses", dead: true, fields: []string{"X-Pool", "green"}, status: 502, answer: "connection-refused",
			want: "2 attempts refused green, requests 5xx green, retries refused green",
		},
		{
			name: "preview, down", down: []string{"green"}, preview: true, status: 503, answer: "no-target",
			want: "attempts no_target green, requests 5xx green",
		},
		{
			name: "preview, refuses", dead: true, preview: true, status: 502, answer: "connection-refused",
			want: "2 attempts refused green, requests 5xx green, retries refused green",
		},
		{
			name: "baseline down", down: []string{"blue"}, status: 503, answer: "no-target",
			want: "attempts no_target blue, requests 5xx blue",
		},
		{
			name: "both down", down: []string{"blue", "green"}, fields: []string{"X-Green", "yes"}, status: 503, answer: "no-target",
			want: "attempts no_target green, requests 5xx green",
		},
		{
			name: "candidate refuses, baseline down", dead: true, down: []string{"blue"}, fields: []string{"X-Green", "yes"}, status: 502, answer: "connection-refused",
			want: "2 attempts refused green, requests 5xx green, retries refused green",
		},
		{name: "no service", fields: []string{"Host", "b.example"}, status: 404, answer: "no-service", want: "requests 4xx "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			urls := map[string]string{"a": named(t, "blue"), "b": named(t, "blue"), "c": named(t, "green"), "d": named(t, "green")}
			if tt.dead {
				urls["c"], urls["d"] = closed(t), closed(t)
			}
			r := startListener(t, "trust: {override: {header: X-Pool, from: [127.0.0.1]}}\n"+ruled, urls, func(l *config.Listener) {
				if tt.preview {
					l.Pool = "candidate"
				}
			})
			for _, pool := range tt.down {
				r.down(pool)
			}
			res, body := r.get("/", append([]string{"Host", "a.example"}, tt.fields...)...)
			if reason := res.Header.Get("Switchback-Reason"); reason != "" {
				body = reason
			}
			if res.StatusCode != tt.status || body != tt.answer {
				t.Errorf("answer is %d %s, want %d %s", res.StatusCode, body, tt.status, tt.answer)
			}
			if got := r.booked(); got != tt.want {
				t.Errorf("booked as %q, want %q", got, tt.want)
			}
			inFlightZero(t, r)
		})
	}
}

// booked is what the counters of requests say, in short.
func (r *rig) booked() string {
	var out []string
	for line := range strings.SplitSeq(r.scrape("switchback_attempts_total", "switchback_fallbacks_total", "switchback_requests_total", "switchback_retries_total"), "\n") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "switchback_"), "_total{")
		labels, n, _ := strings.Cut(rest, "} ")
		words := []string{name}
		if n != "1" {
			words = []string{n, name}
		}
		for label := range strings.SplitSeq(labels, ",") {
			if k, v, _ := strings.Cut(label, "="); k != "service" {
				words = append(words, strings.Trim(v, `"`))
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, ", ")
}
