//go:build e2e

package e2e

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestDescriptorsExhausted has more clients than a proxy of 256 descriptors can have. Those that it has are served, it
// does not spin, the API answers, and everybody is served once the others have left.
func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.limit = "256"
	s.start(t)
	s.up(t)
	load := startSteady(t, s.listen, 200, 8)
	binary.Until(t, "traffic flows", func() bool { return load.sent.Load() > 200 })

	var crowd []net.Conn
	leave := func() {
		for _, c := range crowd {
			_ = c.Close()
		}
		crowd = nil
	}
	t.Cleanup(leave)
	for range 400 {
		c, err := net.DialTimeout("tcp", s.listen, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	used, met := processorTime(t, s.proc.Pid()), load.sent.Load()
	began := time.Now()
	const watched = 2 * time.Second
	for time.Since(began) < watched {
		asked := time.Now()
		if got := status("http://" + s.admin + "/readyz"); got != http.StatusOK {
			t.Fatalf("the admin address answers with %d", got)
		}
		if d := time.Since(asked); d > time.Second {
			t.Errorf("the admin address took %v", d)
		}
		<-time.After(100 * time.Millisecond)
	}
	used = processorTime(t, s.proc.Pid()) - used
	if n := load.sent.Load() - met; n < 100 {
		t.Errorf("only %d requests in %v", n, watched)
	}
	if v := s.view(t); v.Pools["blue"].Up != 2 {
		t.Errorf("%d targets are up: probes had no descriptors", v.Pools["blue"].Up)
	}
	t.Logf("%v of processor time in %v, with requests on 8 kept connections", used, watched)
	if used > time.Second {
		t.Errorf("%v of processor time in %v", used, watched)
	}

	late := asked(t, s.listen)
	left := time.Now()
	leave()
	if err := <-late; err != nil {
		t.Errorf("a client that had waited: %v", err)
	}
	t.Logf("a client that had waited is served %v after the others left", time.Since(left))
	load.p99(t, "requests on kept connections")
}

// asked sends a request on a new connection and tells how it ended.
func asked(t *testing.T, addr string) <-chan error {
	t.Helper()
	c := &keptClient{addr: addr}
	var err error
	if c.conn, err = net.Dial("tcp", addr); err != nil {
		t.Fatal(err)
	}
	c.br = bufio.NewReader(c.conn)
	ended := make(chan error, 1)
	go func() {
		defer c.close()
		_, err := c.exchange("/")
		ended <- err
	}()
	return ended
}
