package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// rig is a running proxy in front of real sockets.
type rig struct {
	t       testing.TB
	server  *proxy.Server
	metrics *metrics.Registry
	logs    *observer.ObservedLogs
	table   *router.Table
	certs   *proxy.Certificates // of the first listener
	addr    string
	stop    context.CancelFunc

	finished chan struct{} // Serve has returned
}

// start serves a file; "{{name}}" in it stands for the URL of that upstream.
func start(t testing.TB, file string, upstreams map[string]string) *rig {
	t.Helper()
	return startListener(t, file, upstreams, nil)
}

func startListener(t testing.TB, file string, upstreams map[string]string, change func(*config.Listener)) *rig {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	r := startLog(t, core, file, upstreams, change)
	r.logs = logs
	return r
}

func nop() *zap.Logger            { return zap.NewNop() }
func registry() *metrics.Registry { return metrics.New("test") }

func startLog(t testing.TB, core zapcore.Core, file string, upstreams map[string]string, change func(*config.Listener)) *rig {
	t.Helper()
	log := zap.New(core)
	m := registry()
	r := &rig{t: t, server: proxy.New(proxy.Options{Log: log, Metrics: m}), metrics: m, finished: make(chan struct{})}
	r.swap(file, upstreams)
	l := r.table.Config.Listeners[0]
	if change != nil {
		change(&l)
	}
	open := proxy.Listener{Config: l}
	if l.TLS != nil {
		certs, err := proxy.LoadCertificates(l.TLS, log)
		if err != nil {
			t.Fatal(err)
		}
		open.Certificates, r.certs = certs, certs
	}
	var err error
	if open.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	r.addr = open.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.finished)
		if err := r.server.Serve(ctx, open); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-r.finished:
		case <-time.After(20 * time.Second):
			t.Error("Serve did not return")
		}
		r.server.Close()
	})
	return r
}

// swap compiles a file against the table in force and swaps it in, with every target up.
func (r *rig) swap(file string, upstreams map[string]string) *router.Table {
	r.t.Helper()
	for name, u := range upstreams {
		file = strings.ReplaceAll(file, "{{"+name+"}}", u)
	}
	if !strings.Contains(file, "shutdown:") {
		file = "shutdown: {timeout: 2s}\n" + file
	}
	c, err := config.Parse("test.yaml", []byte(file))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range c.Listeners {
		c.Listeners[i].Fast = c.Listeners[i].Fast && testPath() != generalPath
	}
	table, err := router.Compile(c, nil, nil, r.table)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range table.Pools {
		for _, t := range p.Targets {
			if t.Status() == router.Unknown {
				t.SetHealth(router.Health{Status: router.Up})
			}
		}
	}
	r.table = table
	r.server.Swap(table)
	return table
}

// reply is a response whose body has been read.
type reply struct {
	Status     string
	StatusCode int
	Proto      string
	Header     http.Header
	Trailer    http.Header
	Close      bool
	cookies    []*http.Cookie
}

func (r *reply) Cookies() []*http.Cookie { return r.cookies }

// finish reads and closes the body.
func finish(t testing.TB, res *http.Response) (*reply, string) {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return &reply{res.Status, res.StatusCode, res.Proto, res.Header, res.Trailer, res.Close, res.Cookies()}, string(body)
}

// get asks the proxy and returns status, fields and body.
func (r *rig) get(path string, fields ...string) (*reply, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.addr+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
		}
		req.Header.Set(fields[i], fields[i+1])
	}
	return do(r.t, req)
}

func do(t testing.TB, req *http.Request) (*reply, string) {
	t.Helper()
	return doWith(t, &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}, req)
}

func doWith(t testing.TB, client *http.Client, req *http.Request) (*reply, string) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, res)
}

// raw sends bytes as they are and returns everything that comes back until the connection ends.
func (r *rig) raw(request string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	go func() { _, _ = io.WriteString(c, request) }() // of which a refusal may not wait for the end
	all, err := io.ReadAll(c)
	if err != nil {
		r.t.Fatalf("read: %v after %q", err, all)
	}
	return string(all)
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if testPath() == splitPath {
		return splitConn{c.(*net.TCPConn)}
	}
	return c
}

// upstream is an HTTP server of the standard library.
func upstream(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog, _ = zap.NewStdLogAt(zap.NewNop(), zap.ErrorLevel)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// named answers with its name.
func named(t testing.TB, name string) string {
	return upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

// rawUpstream speaks bytes: serve gets each connection.
func rawUpstream(t testing.TB, serve func(c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				serve(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return "http://" + ln.Addr().String()
}

// answering is a rawUpstream that gives every request the same bytes and keeps what it got.
func answering(t testing.TB, response string) (url string, got <-chan string) {
	t.Helper()
	heads := make(chan string, 100)
	return rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for {
			h := head(br)
			if h == "" {
				return
			}
			heads <- h
			if _, err := io.WriteString(c, response); err != nil {
				return
			}
		}
	}), heads
}

// lineOf is the value of a field in a raw head, "" when it is not there; it fails when it is there twice.
func lineOf(t testing.TB, head, name string) string {
	t.Helper()
	value, n := "", 0
	for line := range strings.SplitSeq(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(k, name) {
			value, n = strings.TrimSpace(v), n+1
		}
	}
	if n > 1 {
		t.Errorf("%s is there %d times in %q", name, n, head)
	}
	return value
}

// answer reads one response off a client's connection.
func answer(t testing.TB, br *bufio.Reader, method string) (*reply, string) {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return finish(t, res)
}

// head reads up to the empty line.
func head(br *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// closed is a URL where nobody listens. The test keeps the port, or a server of another test could be found there.
func closed(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// scrape returns the lines of /metrics that begin with one of the prefixes and are not zero. An answer is booked when
// it has left, which its client may see first: so what still changes is asked for again.
func (r *rig) scrape(prefixes ...string) string {
	all, last := r.scrapeAll(prefixes...), ""
	for i := 0; i < 50 && (i == 0 || all != last); i++ {
		time.Sleep(20 * time.Millisecond)
		last, all = all, r.scrapeAll(prefixes...)
	}
	var out []string
	for line := range strings.SplitSeq(all, "\n") {
		if !strings.HasSuffix(line, " 0") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// scrapeAll is scrape with what is zero.
func (r *rig) scrapeAll(prefixes ...string) string {
	w := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var out []string
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				out = append(out, line)
			}
		}
	}
	return strings.Join(out, "\n")
}

const one = `services: {web: {pools: {blue: ["{{blue}}"]}, weights: {blue: 100}}}`

const two = `services: {web: {pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: %d, green: %d}}}`

func split(blue int) string { return fmt.Sprintf(two, blue, 100-blue) }

// eventually asks again until it holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func writeFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hostOf(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// inflight is how many requests are under way by the gauges.
func (r *rig) inflight() (n int64) {
	for _, s := range r.server.InFlight() {
		n += s.N
	}
	return n
}

// kind is how many requests of a kind are under way.
func kind(all []metrics.InFlightSample, name string) (n int64) {
	for _, s := range all {
		if s.Kind == name {
			n += s.N
		}
	}
	return n
}
