package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// over is the first threshold in these tests: far above what an answer takes, far below what hangs.
const over = 2 * time.Second

// judged publishes thresholds to the pools of web, so that windows say what was slow.
func (r *rig) judged() *rig {
	for _, p := range r.table.Pools {
		r.metrics.Cells("web", p.Name).Publish(0, [metrics.Thresholds]time.Duration{over, time.Millisecond})
	}
	return r
}

// takes makes every take close a second that the one before left open.
var takes atomic.Int64

// take closes every window of a pool.
func (r *rig) take(pool string) []metrics.Window {
	return r.metrics.Cells("web", pool).Take(r.metrics.Second(time.Now())+takes.Add(1), nil)
}

// sampled takes the windows of a pool and adds them up.
func (r *rig) sampled(pool string) (sum metrics.Counts) {
	for _, w := range r.take(pool) {
		n := w.Total()
		sum.Add(&n)
	}
	return sum
}

// settled waits until so many requests of the service ended.
func (r *rig) settled(n int) *rig {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d requests end", n), func() bool { return r.count("switchback_requests_total", `service="web"`) == n })
	return r
}

// ask sends one request on a connection of its own; broken answers are for the caller to see.
func (r *rig) ask(ctx context.Context) (*http.Response, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
}

// count adds up what a scrape shows of a counter, for lines that contain every part.
func (r *rig) count(name string, parts ...string) int {
	r.t.Helper()
	sum := 0
lines:
	for line := range strings.Lines(r.scrape(name)) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		var n int
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		sum += n
	}
	return sum
}

func TestSampleOfAnOutcome(t *testing.T) {
	const file = `services: {web: {pools: {blue: ["{{blue}}"], red: ["{{blue}}"]}, weights: {blue: 100, red: 0},
  timeouts: {response_header: 50ms}, rollout: {checks: {errors: {also: [429]}}}}}`
	status := func(code int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
		}
	}
	say := func(answer string) string {
		return rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
			head(br)
			_, _ = io.WriteString(c, answer)
		})
	}
	hang := rawUpstream(t, func(_ net.Conn, br *bufio.Reader) { _, _ = io.Copy(io.Discard, br) })
	fine := metrics.Counts{Requests: 1, Within: [metrics.Thresholds]uint32{1}}
	failed := metrics.Counts{Requests: 1, Failed: 1, Apart: 1}
	apart := metrics.Counts{Requests: 1, Apart: 1}
	for _, test := range []struct {
		name, blue string
		want       metrics.Counts
	}{
		{"200", upstream(t, status(200, "text/html")), fine},
		{"404", upstream(t, status(404, "text/html")), fine},
		{"503", upstream(t, status(503, "text/html")), failed},
		{"429 by the service's check", upstream(t, status(429, "text/html")), failed},
		{"event stream", upstream(t, status(200, "text/event-stream; charset=utf-8")), apart},
		{"failed event stream", upstream(t, status(500, "text/event-stream")), failed},
		{"gRPC", upstream(t, status(200, "application/grpc+proto")), apart},
		{"refused", closed(t), failed},
		{"reset", say(""), failed},
		{"malformed", say("HTTP/1.1 nonsense\r\n\r\n"), failed},
		{"truncated", say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), failed},
		{"timeout", hang, metrics.Counts{Requests: 1, Failed: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, file, map[string]string{"blue": test.blue}).judged()
			if res, err := r.ask(t.Context()); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			got := r.settled(1).sampled("blue")
			got.Within[1] = 0 // whether it took a millisecond is not for a test to say
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// A head in time is no slow answer, however long the body takes; when that breaks off it is a failure.
func TestSampleIsBookedAtTheHead(t *testing.T) {
	more := make(chan struct{})
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		head(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
		<-more
	})
	r := start(t, one, map[string]string{"blue": blue}).judged()
	ask := func() *http.Response {
		res, err := r.ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	finish := func(res *http.Response) {
		more <- struct{}{}
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Error("a truncated body looked whole")
		}
		_ = res.Body.Close()
	}
	res := ask() //nolint:bodyclose // finish closes it
	if got := r.sampled("blue"); got.Requests != 1 || got.Slow(0) != 0 || got.Failed != 0 {
		t.Errorf("while the body runs: %+v", got)
	}
	finish(res)
	r.settled(1)
	if got := r.sampled("blue"); got != (metrics.Counts{}) {
		t.Errorf("a window that was taken came again: %+v", got)
	}
	finish(ask()) //nolint:bodyclose // finish closes it
	if got := r.settled(2).sampled("blue"); got != (metrics.Counts{Requests: 1, Failed: 1, Apart: 1}) {
		t.Errorf("truncated within the window: %+v", got)
	}
}

func TestSampleOfAnUpgrade(t *testing.T) {
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		head(br)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, br)
	})
	r := start(t, one, map[string]string{"blue": blue}).judged()
	c := r.dial()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if got := head(bufio.NewReader(c)); err != nil || !strings.HasPrefix(got, "HTTP/1.1 101 ") {
		t.Fatalf("%q, %v", got, err)
	}
	if got := r.sampled("blue"); got != (metrics.Counts{Requests: 1, Apart: 1}) {
		t.Errorf("while it is open: %+v", got)
	}
	_ = c.Close()
	if got := r.settled(1).sampled("blue"); got != (metrics.Counts{}) {
		t.Errorf("at its end: %+v", got)
	}
}

// A client that goes away is no failure, and as slow as its request was old.
func TestSampleOfAClientThatLeft(t *testing.T) {
	asked := make(chan struct{}, 1)
	blue := rawUpstream(t, func(_ net.Conn, br *bufio.Reader) {
		head(br)
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, br)
	})
	r := start(t, one, map[string]string{"blue": blue}).judged()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() {
		<-asked
		time.Sleep(5 * time.Millisecond) // the age, above the second threshold
		leave()
	}()
	if res, err := r.ask(ctx); err == nil {
		_ = res.Body.Close()
		t.Fatal("an answer came")
	}
	got := r.settled(1).sampled("blue")
	if got != (metrics.Counts{Requests: 1, Within: [metrics.Thresholds]uint32{1}}) {
		t.Errorf("%+v", got)
	}
}

// storm asks n times, a few at once, and waits until all ended.
func (r *rig) storm(n int, fields func(i int) http.Header) {
	r.t.Helper()
	before := r.count("switchback_requests_total", `service="web"`)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < n; i += 8 {
				req, _ := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.addr+"/", nil)
				if fields != nil {
					req.Header = fields(i)
				}
				res, err := transport.RoundTrip(req)
				if err != nil {
					continue // a broken body's connection
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	wg.Wait()
	r.settled(before + n)
}

func TestSamplesAgreeWithAttempts(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	mixed := func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		asked++
		n := asked
		mu.Unlock()
		switch n % 7 {
		case 0:
			w.WriteHeader(http.StatusBadGateway)
		case 1:
			w.WriteHeader(http.StatusNotFound)
		case 2:
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "broken")
		default:
			_, _ = io.WriteString(w, "whole")
		}
	}
	r := start(t, split(70), map[string]string{"blue": upstream(t, mixed), "green": upstream(t, mixed)}).judged()
	r.storm(400, nil)
	var all uint32
	for _, pool := range []string{"blue", "green"} {
		label := fmt.Sprintf("pool=%q", pool)
		got := r.sampled(pool)
		attempts := r.count("switchback_attempts_total", label)
		ok := r.count("switchback_attempts_total", label, `outcome="ok"`)
		if int(got.Requests) != attempts || int(got.Requests-got.Failed) != ok || got.Failed != got.Apart || got.Failed == 0 {
			t.Errorf("%s: %+v, but %d attempts, %d of them ok", pool, got, attempts, ok)
		}
		all += got.Requests
	}
	if all != 400 {
		t.Errorf("%d requests were sampled, want 400", all)
	}
}

// A sick target shows although a retry saves the client, and what the baseline serves instead of the
// candidate is the candidate's failure and no request of the baseline's.
func TestSamplesOfRetriesAndFallbacks(t *testing.T) {
	file := strings.Replace(split(60), `["{{blue}}"]`, `["{{blue}}", "{{dead}}"]`, 1)
	r := start(t, file, map[string]string{"blue": named(t, "blue"), "dead": closed(t), "green": closed(t)}).judged()
	r.storm(300, nil)
	if n := r.count("switchback_requests_total", `code_class="2xx"`); n < 290 {
		t.Fatalf("%d of 300 were answered", n)
	}
	blue, green := r.sampled("blue"), r.sampled("green")
	if n := r.count("switchback_fallbacks_total"); n == 0 || int(green.Requests) != n || green.Failed != green.Requests {
		t.Errorf("green: %+v with %d fallbacks", green, n)
	}
	drawn := r.count("switchback_requests_total", `pool="blue"`)
	if int(blue.Requests) != drawn || blue.Failed == 0 || blue.Failed == blue.Requests {
		t.Errorf("blue: %+v of %d that were drawn for it", blue, drawn)
	}

	for _, p := range r.table.Pools {
		if p.Name == "green" {
			p.Targets[0].SetHealth(router.Health{Status: router.Down})
		}
	}
	before := r.count("switchback_fallbacks_total")
	r.storm(100, nil)
	green = r.sampled("green")
	if n := r.count("switchback_fallbacks_total") - before; n == 0 || int(green.Requests) != n || int(green.Failed) != n || int(green.Apart) != n {
		t.Errorf("green without a target: %+v with %d fallbacks", green, n)
	}
}

func TestOnlyDrawnRequestsAreSampled(t *testing.T) {
	const file = `services: {web: {pools: {blue: ["{{blue}}"], green: ["{{blue}}"]}, weights: {blue: 50, green: 50},
  rules: [{when: {path_prefix: /}, to: green}]}}`
	r := start(t, file, map[string]string{"blue": named(t, "blue")}).judged()
	r.storm(20, nil)
	if blue, green := r.sampled("blue"), r.sampled("green"); blue.Requests+green.Requests != 0 {
		t.Errorf("what a rule sent was sampled: %+v %+v", blue, green)
	}
}

// groups are those of a pool's requests since they were last taken.
func (r *rig) groups(pool string) map[int]uint32 {
	used := map[int]uint32{}
	for _, w := range r.take(pool) {
		for g, n := range w.Groups {
			if n.Requests > 0 {
				used[g] += n.Requests
			}
		}
	}
	return used
}

func TestSampleGroups(t *testing.T) {
	user := func(name func(int) string) func(int) http.Header {
		return func(i int) http.Header { return http.Header{"X-User": {name(i)}} }
	}
	for _, test := range []struct {
		name, service string
		fields        func(int) http.Header
		least, most   int
	}{
		{"one client", `sticky: {key: [{header: X-User}]}`, user(func(int) string { return "ann" }), 1, 1},
		{"many clients", `sticky: {key: [{header: X-User}]}`, user(func(i int) string { return fmt.Sprint("user", i) }), metrics.Groups - 2, metrics.Groups},
		{"minted keys", `sticky: {key: [{issue_cookie: id}]}`, nil, metrics.Groups - 2, metrics.Groups},
		{"targets", `balance: round_robin`, nil, 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := `services: {web: {pools: {blue: ["{{a}}", "{{b}}"]}, weights: {blue: 100}, ` + test.service + `}}`
			r := start(t, file, map[string]string{"a": named(t, "a"), "b": named(t, "b")}).judged()
			r.storm(200, test.fields)
			if got := r.groups("blue"); len(got) < test.least || len(got) > test.most {
				t.Errorf("groups %v, want %d to %d of them", got, test.least, test.most)
			}
		})
	}
}
