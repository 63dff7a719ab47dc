//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestDrain ends the proxy under load from clients that keep their connections. Readiness fails first,
// while requests are still served; then every request that was accepted is answered in full.
func TestDrain(t *testing.T) {
	s := newSite(t)
	s.extra = "shutdown: {delay: 1s, timeout: 15s}"
	s.save(t, s.yaml(50))
	s.start(t)
	s.up(t)

	var quick, slow, lost atomic.Int64
	var clients sync.WaitGroup
	for range 12 {
		clients.Go(func() { s.until(t, "/", 0, &quick, &lost) })
	}
	for range 4 {
		clients.Go(func() { s.until(t, "/slow", slowSize, &slow, &lost) })
	}
	binary.Until(t, "traffic flows", func() bool { return quick.Load() > 1000 && slow.Load() > 0 })

	s.proc.Signal(t, syscall.SIGTERM)
	binary.Until(t, "readiness fails", func() bool { return status("http://"+s.admin+"/readyz") == http.StatusServiceUnavailable })
	if got := status("http://" + s.listen + "/"); got != http.StatusOK {
		t.Errorf("a new connection during the delay got %d, want 200", got)
	}
	clients.Wait()
	if code := s.proc.Wait(t, 20*time.Second); code != 0 {
		t.Errorf("the proxy ended with %d", code)
	}
	t.Logf("%d quick and %d slow requests", quick.Load(), slow.Load())
	if n := lost.Load(); n > 0 {
		t.Errorf("%d requests were lost", n)
	}
}

// until asks again and again until nobody listens any more. An answer that is not whole is lost, and so is
// a request that gets none, unless its connection was refused.
func (s *site) until(t *testing.T, path string, size int, done, lost *atomic.Int64) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	for {
		err := whole(c, "http://"+s.listen+path, size)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return
		case err != nil:
			lost.Add(1)
			t.Logf("lost GET %s: %v", path, err)
			return
		}
		done.Add(1)
	}
}

// whole asks once and reads the answer to its end.
func whole(c *http.Client, url string, size int) error {
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || size > 0 && n != int64(size) {
		return fmt.Errorf("status %d, %d bytes", resp.StatusCode, n)
	}
	return nil
}

// crawl begins a request that takes twenty seconds, returns once its answer has begun, and tells later how
// it ended.
func (s *site) crawl(t *testing.T) <-chan error {
	t.Helper()
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(begun)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.listen + "/crawl")
		if err != nil {
			ended <- err
			return
		}
		defer resp.Body.Close()
		begun <- struct{}{}
		_, err = io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	if _, ok := <-begun; !ok {
		t.Fatal(<-ended)
	}
	return ended
}

// TestSecondSignal does not wait for a request of twenty seconds.
func TestSecondSignal(t *testing.T) {
	s := newSite(t)
	s.extra = "shutdown: {timeout: 60s}"
	s.save(t, s.yaml(100))
	s.start(t)
	s.up(t)
	ended := s.crawl(t)
	s.proc.Signal(t, syscall.SIGTERM)
	binary.Until(t, "the listener is closed", func() bool { return status("http://"+s.listen+"/") == 0 })
	select {
	case <-s.proc.Done():
		t.Fatal("the first signal did not wait for the request in flight")
	default:
	}
	s.proc.Signal(t, syscall.SIGTERM)
	s.proc.Wait(t, 5*time.Second)
	if err := <-ended; err == nil {
		t.Error("the request ended well, so nothing was shown")
	}
}

// TestShutdownTimeout is the hard end for a request that takes longer.
func TestShutdownTimeout(t *testing.T) {
	s := newSite(t)
	s.extra = "shutdown: {timeout: 2s}"
	s.save(t, s.yaml(100))
	s.start(t)
	s.up(t)
	ended := s.crawl(t)
	s.proc.Signal(t, syscall.SIGTERM)
	s.proc.Wait(t, 10*time.Second)
	if err := <-ended; err == nil {
		t.Error("the request ended well, so nothing was shown")
	}
}
