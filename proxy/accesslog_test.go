package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const logged = "log: {access: true}\ntrust: {override: {header: X-Pool, from: [127.0.0.1]}}\n"

func TestAccessLog(t *testing.T) {
	t.Parallel()
	green := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "broken")
	})
	r := start(t, logged+split(100), map[string]string{"blue": named(t, "blue"), "green": green})
	lines := func() []map[string]any {
		var out []map[string]any
		for _, e := range r.logs.FilterLoggerName("access").All() {
			out = append(out, e.ContextMap())
		}
		return out
	}
	r.get("/a/b?token=secret", "X-Pool", "green", "Host", "a.example", "Authorization", "Basic secret", "Cookie", "secret=1")
	eventually(t, "line", func() bool { return len(lines()) == 1 })
	got := lines()[0]
	for name, want := range map[string]any{
		"service": "web", "pool": "green", "target": green, "cause": "override", "method": "GET", "host": "a.example", "path": "/a/b",
		"client": "127.0.0.1", "status": int64(500), "outcome": "status_5xx", "bytes": int64(6),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if got["duration"] == nil || got["latency"] == nil || got["retries"] != nil || got["fallback"] != nil || got["reason"] != nil {
		t.Errorf("line is %v", got)
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Errorf("a secret is in the log: %v", got)
	}
	r.get("/", "X-Pool", "red")
	eventually(t, "line", func() bool { return len(lines()) == 2 })
	if got := lines()[1]; got["reason"] != "no-pool" || got["status"] != int64(503) || got["target"] != nil {
		t.Errorf("line is %v", got)
	}
	r.swap(split(100), map[string]string{"blue": closed(t), "green": green})
	r.get("/")
	if n := len(lines()); n != 2 {
		t.Errorf("%d lines though the log is off", n)
	}
}

// What clients send cannot make lines of its own, nor endless ones.
func TestAccessLogEscapes(t *testing.T) {
	t.Parallel()
	out := new(safeBuffer)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), out, zapcore.InfoLevel)
	r := startLog(t, core, logged+one, map[string]string{"blue": named(t, "blue")}, nil)
	long := strings.Repeat("x", 8000)
	for _, path := range []string{`/"},{"msg":"forged`, `/\u000a`, "/<script>", "/" + long} {
		r.raw("GET " + path + " HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
	}
	r.raw("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX: \x1b[31m\r\n\r\n")
	req, _ := http.NewRequestWithContext(t.Context(), strings.Repeat("M", 3000), "http://"+r.addr+"/", nil)
	do(t, req)
	r.server.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	n := 0
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("line is no JSON: %q", line)
		}
		if fields["logger"] != "access" {
			continue
		}
		n++
		if len(line) > 2000 || fields["msg"] != "request" || strings.ContainsAny(line, "\x1b") {
			t.Errorf("line is %q", line)
		}
	}
	if n != 5 {
		t.Errorf("%d lines, want 5: %q", n, lines)
	}
}

// A disk that does not take lines costs lines, not requests.
func TestAccessLogStuck(t *testing.T) {
	t.Parallel()
	stuck := &stuckWriter{release: make(chan struct{})}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(stuck), zapcore.InfoLevel)
	r := startLog(t, core, logged+strings.Replace(one, "pools:", "hosts: [a.example], pools:", 1), map[string]string{"blue": named(t, "blue")}, nil)
	defer close(stuck.release)
	const n = 4800
	go1 := "GET / HTTP/1.1\r\nHost: b.example\r\n"
	all := r.raw(strings.Repeat(go1+"\r\n", n-1) + go1 + "Connection: close\r\n\r\n")
	if got := strings.Count(all, "HTTP/1.1 404 "); got != n {
		t.Errorf("%d answers", got)
	}
	// One line is being written, 4096 wait.
	if got := r.scrape("switchback_log_dropped_total"); got != "switchback_log_dropped_total 703" {
		t.Errorf("dropped: %s", got)
	}
}

type stuckWriter struct{ release chan struct{} }

func (s *stuckWriter) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

func (s *stuckWriter) Sync() error { return nil }

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *safeBuffer) Sync() error { return nil }

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
