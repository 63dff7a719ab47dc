package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/proxy"
	"go.uber.org/goleak"
)

// Clients that keep their connections busy hear that they end before they do.
func TestShutdownLosesNothing(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		blue := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Millisecond)
			_, _ = io.WriteString(w, "ok")
		})
		r := start(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
		var http2 *http.Client
		if secure {
			r = startTLS(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
			http2 = tlsClient(t, true)
		}
		var served atomic.Int64
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				if secure {
					hammer(t, http2, "https://"+r.addr, &served)
					return
				}
				c := r.dial()
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+"Content-Length: 3\r\n\r\nabc")
					res, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Errorf("a request was lost: %v", err)
						return
					}
					if body, err := io.ReadAll(res.Body); string(body) != "ok" || err != nil {
						t.Errorf("answer is %d %q %v", res.StatusCode, body, err)
					}
					_ = res.Body.Close()
					served.Add(1)
					if res.Close {
						return
					}
				}
			})
		}
		eventually(t, "load", func() bool { return served.Load() > 200 })
		r.stop()
		clients.Wait()
		<-r.finished
		if n := r.inflight(); n != 0 {
			t.Errorf("%d in flight", n)
		}
	}
}

// hammer asks over one client until new connections are refused.
func hammer(t *testing.T, client *http.Client, url string, served *atomic.Int64) {
	for {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		res, err := client.Do(req)
		if err != nil {
			if !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("a request was lost: %v", err)
			}
			return
		}
		if body, err := io.ReadAll(res.Body); string(body) != "ok" || err != nil {
			t.Errorf("answer is %d %q %v", res.StatusCode, body, err)
		}
		_ = res.Body.Close()
		served.Add(1)
	}
}

func TestShutdownWaitsForRequests(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	blue := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "late")
	})
	r := start(t, "shutdown: {timeout: 10s}\n"+one, map[string]string{"blue": blue})
	idle := r.dial()
	defer idle.Close()
	busy := r.dial()
	defer busy.Close()
	_, _ = io.WriteString(busy, "GET / HTTP/1.1\r\n"+host+"\r\n")
	<-arrived
	r.stop()
	eventually(t, "socket is closed", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case <-r.finished:
		t.Fatal("Serve did not wait")
	case <-time.After(700 * time.Millisecond): // longer than idle connections may stay
	}
	close(release)
	res, body := answer(t, bufio.NewReader(busy), http.MethodGet)
	if body != "late" || !res.Close {
		t.Errorf("answer is %d %q, close %v", res.StatusCode, body, res.Close)
	}
	<-r.finished
	_ = idle.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // io.Reader's contract
		t.Errorf("an idle connection was left: %v", err)
	}
}

func TestShutdownCutsAtTheEnd(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	r := start(t, "shutdown: {timeout: 300ms}\n"+one, map[string]string{"blue": blue})
	var ends []net.Conn
	for _, path := range []string{"/", "/begun"} {
		c := r.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\n"+host+"\r\n")
		ends = append(ends, c)
		<-arrived
	}
	began := time.Now()
	r.stop()
	if res, _ := answer(t, bufio.NewReader(ends[0]), http.MethodGet); res.StatusCode != 503 || res.Header.Get("Switchback-Reason") != "shutting-down" {
		t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	if all, _ := io.ReadAll(ends[1]); strings.HasSuffix(string(all), "0\r\n\r\n") || !strings.Contains(string(all), "begin") {
		t.Errorf("what had begun ended with %q", all)
	}
	<-r.finished
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("shutdown took %v", d)
	}
	if n := r.logs.FilterMessage("requests cut at the shutdown timeout").Len(); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	blue := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	r := start(t, "shutdown: {timeout: 30s}\n"+one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
	<-arrived
	r.stop()
	r.server.Abort()
	if res, _ := answer(t, bufio.NewReader(c), http.MethodGet); res.StatusCode != 503 {
		t.Errorf("answer is %d", res.StatusCode)
	}
	<-r.finished
}

// Two listeners end together, and nothing is left running.
func TestShutdownLeavesNothing(t *testing.T) { // not parallel: it counts goroutines
	leaks := goleak.IgnoreCurrent()
	t.Run("", func(t *testing.T) {
		blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "ok")
		})
		r := start(t, "shutdown: {timeout: 300ms}\n"+one, map[string]string{"blue": blue})
		second, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- r.server.Serve(ctx, proxy.Listener{Listener: second, Config: r.table.Config.Listeners[0]})
		}()
		for _, addr := range []string{r.addr, second.Addr().String()} {
			for _, request := range []string{
				"GET / HTTP/1.1\r\n" + host + "\r\n",
				"POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nhalf",
				"POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\n",
				"GET / HT", "bad\r\n\r\n", "",
			} {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_, _ = io.WriteString(c, request)
			}
		}
		if _, body := r.get("/"); body != "ok" {
			t.Errorf("answer is %q", body)
		}
		r.stop()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		<-r.finished
		if got := r.scrapeAll("switchback_connections{"); !strings.HasSuffix(got, " 0") {
			t.Errorf("connections are left: %s", got)
		}
	})
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
}

// A listener that fails ends its Serve with an error that names it.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	r := start(t, one, map[string]string{"blue": named(t, "blue")})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	for _, certs := range []*proxy.Certificates{nil, startTLS(t, one, map[string]string{"blue": named(t, "blue")}).certs} {
		err = r.server.Serve(t.Context(), proxy.Listener{Listener: ln, Config: r.table.Config.Listeners[0], Certificates: certs})
		if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "listener web: ") {
			t.Errorf("Serve: %v", err)
		}
	}
}

// exhausted is a socket that has no descriptor for the first connections.
type exhausted struct {
	net.Listener
	left atomic.Int64
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return e.Listener.Accept()
}

func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	r := start(t, one, map[string]string{"blue": named(t, "blue")})
	for _, certs := range []*proxy.Certificates{nil, startTLS(t, one, map[string]string{"blue": named(t, "blue")}).certs} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		poor := &exhausted{Listener: ln}
		poor.left.Store(3)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- r.server.Serve(ctx, proxy.Listener{Listener: poor, Certificates: certs, Config: r.table.Config.Listeners[0]})
		}()
		scheme := "http"
		if certs != nil {
			scheme = "https"
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+ln.Addr().String(), nil)
		if _, body := doWith(t, tlsClient(t, false), req); body != "blue" {
			t.Errorf("answer is %q", body)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// Before the first table there is an answer, too.
func TestNotReady(t *testing.T) {
	t.Parallel()
	s := proxy.New(proxy.Options{Log: nop(), Metrics: registry()})
	defer s.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, proxy.Listener{Listener: ln}) }()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String(), nil)
	if res, _ := do(t, req); res.StatusCode != 503 || res.Header.Get("Switchback-Reason") != "not-ready" {
		t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
