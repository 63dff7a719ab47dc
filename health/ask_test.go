package health_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// patient is long enough for a busy machine.
const patient = time.Minute

// first probes one target over real sockets and returns the first finding.
func first(tb testing.TB, url string, timeout time.Duration, roots *x509.CertPool) router.Health {
	tb.Helper()
	h := usual
	h.Timeout = timeout
	table := newTable(nil, h, url)
	c := health.New(health.Options{Roots: roots})
	stop := run(tb, c)
	c.Sync(table)
	if err := c.Wait(tb.Context(), func() bool { return target(table, 0).Status() != router.Unknown }); err != nil {
		tb.Fatal(err)
	}
	stop()
	return target(table, 0).Health()
}

// raw answers every connection with do and closes it.
func raw(tb testing.TB, do func(net.Conn)) (url string) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			do(c)
			c.Close()
		}
	}()
	tb.Cleanup(func() { ln.Close(); <-ended })
	return "http://" + ln.Addr().String()
}

// readHead waits for a whole request head.
func readHead(c net.Conn) {
	buf := make([]byte, 4096)
	n := 0
	for !strings.Contains(string(buf[:n]), "\r\n\r\n") {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
	}
}

// says answers with these bytes.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		io.WriteString(c, text)
	}
}

func TestFindings(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	backlog, err := net.Listen("tcp", "127.0.0.1:0") // connects, but nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer backlog.Close()

	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	plain.Start()
	defer plain.Close()

	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	tests := []struct {
		name, url string
		want      string // part of the error; "": up
	}{
		{"good", raw(t, says(ok)), ""},
		{"refused", "http://" + gone.Addr().String(), "connection refused"},
		{"nobody accepts", "http://" + backlog.Addr().String(), "no answer within 300ms"},
		{"silent", raw(t, func(c net.Conn) { io.Copy(io.Discard, c) }), "no answer within 300ms"},
		{"dripping head", raw(t, drip("HTTP/1.1 200 OK\r\nX-Long: ")), "no answer within 300ms"},
		{"reset", raw(t, func(c net.Conn) { readHead(c); c.(*net.TCPConn).SetLinger(0) }), "connection reset by peer"},
		{"closed after the question", raw(t, readHead), "connection closed before an answer"},
		{"half a head", raw(t, says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")), "connection closed before an answer"},
		{"not HTTP", raw(t, says("\x1b[31mSSH-2.0-OpenSSH\r\n\r\n")), "malformed HTTP"},
		{"huge head", raw(t, says("HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 70<<10)+"\r\n\r\n")), "headers exceeded"},
		{"slow body", raw(t, drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")), ""},
		{"truncated body", raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")), ""},
		{"early hints first", raw(t, says("HTTP/1.1 103 Early Hints\r\n\r\n"+ok)), ""},
		{"unasked upgrade", raw(t, says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")), "GET /healthz: 101, expected 200–299"},
		{"redirect", raw(t, says("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")), "redirect to http://169.254.169.254/ not followed: 302"},
		{"redirect to nowhere", raw(t, says("HTTP/1.1 304 Not Modified\r\n\r\n")), "GET /healthz: 304, expected 200–299"},
		{"TLS expected", strings.Replace(plain.URL, "http:", "https:", 1), "the target does not speak TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			timeout := patient
			if strings.HasPrefix(tt.want, "no answer") {
				timeout = 300 * time.Millisecond
			}
			expect(t, first(t, tt.url, timeout, nil), tt.want)
		})
	}
}

// expect checks a first finding: up when want is empty, else down with an error that contains want.
func expect(tb testing.TB, got router.Health, want string) {
	tb.Helper()
	status := router.Up
	if want != "" {
		status = router.Down
	}
	if got.Status != status || !strings.Contains(got.Error, want) || (want == "") != (got.Error == "") {
		tb.Errorf("%v %q, want %v %q", got.Status, got.Error, status, want)
	}
	if len(got.Error) > 300 || strings.ContainsAny(got.Error, "\x1b\r\n") {
		tb.Errorf("error %q is not fit for a log", got.Error)
	}
}

// drip answers with head and then a byte every few milliseconds until the client has gone.
func drip(head string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		io.WriteString(c, head)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			io.Copy(io.Discard, c)
		}()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-gone:
				return
			case <-tick.C:
				if _, err := c.Write([]byte("x")); err != nil {
					<-gone
					return
				}
			}
		}
	}
}

func TestHugeBodyIsNotRead(t *testing.T) {
	sent := make(chan int64, 1)
	url := raw(t, func(c net.Conn) {
		readHead(c)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(1)<<40)
		n, _ := io.Copy(c, endless{}) // until the probe hangs up
		sent <- n
	})
	expect(t, first(t, url, patient, nil), "")
	if n := <-sent; n > 64<<20 {
		t.Errorf("the target could send %d bytes", n)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSlowBodyDelaysNothing(t *testing.T) {
	asked := make(chan struct{}, 100)
	slow := drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
	url := raw(t, func(c net.Conn) {
		asked <- struct{}{}
		slow(c)
	})
	h := usual
	h.Every, h.Timeout = 10*time.Millisecond, time.Hour
	table := newTable(nil, h, url)
	c := health.New(health.Options{})
	run(t, c)
	c.Sync(table)
	if err := c.Wait(t.Context(), func() bool { return target(table, 0).Status() == router.Up }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-asked
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.ProtoMajor != 1 {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	srv.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	localhost := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)

	tests := []struct {
		name, url string
		roots     *x509.CertPool
		want      string
	}{
		{"verified", srv.URL, roots, ""},
		{"unknown authority", srv.URL, nil, "certificate not accepted: certificate signed by unknown authority"},
		{"other name", localhost, roots, "certificate not accepted: certificate is valid for example.com, *.example.com, not localhost"},
		{"plain question", strings.Replace(srv.URL, "https:", "http:", 1), nil, "GET /healthz: 400, expected 200–299"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, first(t, tt.url, patient, tt.roots), tt.want) })
	}
}

func TestEnvironmentProxyIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("NO_PROXY", "")
	expect(t, first(t, raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), patient, nil), "")
}

func TestPanicIsABadProbe(t *testing.T) {
	table := newTable(nil, usual, "http://10.0.0.1:80")
	c := health.New(health.Options{Dial: func(context.Context, string, string) (net.Conn, error) { panic("boom") }})
	run(t, c)
	c.Sync(table)
	if err := c.Wait(t.Context(), func() bool { return target(table, 0).Status() != router.Unknown }); err != nil {
		t.Fatal(err)
	}
	expect(t, target(table, 0).Health(), "probe broke: boom")
}
