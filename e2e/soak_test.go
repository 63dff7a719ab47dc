//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// What a soak may leave behind.
const (
	leftBytes       = 10 << 20
	leftDescriptors = 10
	leftGoroutines  = 20
)

// TestSoak has every kind of traffic, targets that break, reloads and cutovers for as long as SOAK says, and
// compares what the proxy holds in the end with what it held after a minute.
func TestSoak(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("SOAK says how long, such as 30m; make soak sets it")
	}
	blue, green := []*sickly{newSickly(t, "blue"), newSickly(t, "blue")}, []*sickly{newSickly(t, "green"), newSickly(t, "green")}
	s := newSiteOf(t, map[string][]string{"blue": urls(blue), "green": urls(green)})
	s.remember(t)
	k := &soak{site: s, outcomes: map[string]map[string]int{}}
	k.edit(t, 1)
	s.start(t)
	s.up(t)

	first := k.spell(t, min(time.Minute, d/2), slices.Concat(blue, green))
	last := k.spell(t, d-min(time.Minute, d/2), slices.Concat(blue, green))
	for _, kind := range slices.Sorted(maps.Keys(k.outcomes)) {
		t.Logf("%s: %v", kind, k.outcomes[kind])
		if k.outcomes[kind]["ok"] == 0 {
			t.Errorf("%s never went well", kind)
		}
	}
	t.Logf("%d changes; held at first %s, in the end %s", k.changes, first, last)
	if last.bytes > first.bytes+leftBytes || last.descriptors > first.descriptors+leftDescriptors || last.goroutines > first.goroutines+leftGoroutines {
		t.Error("more is held than after the first spell")
	}
	if out := s.proc.Output(); strings.Contains(out, "panic") {
		t.Error("the log tells of a panic")
	}
}

// holdings is what a process holds, by its own account.
type holdings struct{ bytes, descriptors, goroutines, heap float64 }

func (h holdings) String() string {
	return fmt.Sprintf("%.1f MB, %.0f descriptors, %.0f goroutines (%.1f MB of heap are the next to be collected)",
		h.bytes/(1<<20), h.descriptors, h.goroutines, h.heap/(1<<20))
}

// soak is the traffic and what became of it.
type soak struct {
	site     *site
	changes  int
	mu       sync.Mutex // guards outcomes
	outcomes map[string]map[string]int
}

// spell soaks for a while and tells what is held once everything is quiet again.
func (k *soak) spell(t *testing.T, d time.Duration, targets []*sickly) holdings {
	t.Helper()
	end := time.Now().Add(d)
	var running sync.WaitGroup
	for kind, f := range traffic {
		for range 2 {
			running.Go(func() {
				for time.Now().Before(end) {
					k.note(kind, f(k.site.listen))
					time.Sleep(time.Duration(5+rand.IntN(20)) * time.Millisecond)
				}
			})
		}
	}
	running.Go(func() { // one target at a time falls ill
		for time.Now().Before(end) {
			v := targets[rand.IntN(len(targets))]
			v.fall(1 + rand.IntN(3))
			time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
			v.recover(t)
			time.Sleep(time.Second)
		}
	})
	for time.Now().Before(end) {
		to := []string{"blue", "green"}[k.changes/2%2]
		if _, err := k.site.api.Cutover(t.Context(), "web", api.CutoverRequest{To: to, Reason: "soak", Force: true}); err != nil {
			t.Errorf("cut over to %s: %v", to, err)
		}
		time.Sleep(100 * time.Millisecond)
		k.edit(t, 1+k.changes%5)
		if _, err := k.site.api.Reload(t.Context(), api.CommandRequest{Reason: "soak"}); err != nil {
			t.Errorf("reload: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		k.changes += 2
	}
	running.Wait()
	return k.quiet(t)
}

// edit saves a file with another time for kept connections to targets, so that all pools have new ones.
// What drains is remembered for less than the first spell.
func (k *soak) edit(t *testing.T, seconds int) {
	t.Helper()
	k.site.save(t, k.site.yaml(50)+fmt.Sprintf(`    timeouts: {response_header: 1s, idle: %ds}
    drain: {timeout: 5s, long_lived_timeout: 10s, spread: 1s}
`, seconds))
}

// quiet waits until descriptors and goroutines have been the same, but for the one or other that asks, for a few
// seconds.
func (k *soak) quiet(t *testing.T) holdings {
	t.Helper()
	h := holdings{}
	same := 0
	for range 60 {
		now := holdings{
			k.site.figure(t, "process_resident_memory_bytes"), k.site.figure(t, "process_open_fds"), k.site.figure(t, "go_goroutines"),
			k.site.figure(t, "go_memstats_next_gc_bytes"),
		}
		if same++; math.Abs(now.descriptors-h.descriptors) > 2 || math.Abs(now.goroutines-h.goroutines) > 2 {
			same = 0
		}
		if h = now; same >= 5 {
			break
		}
		time.Sleep(time.Second)
	}
	return h
}

func (k *soak) note(kind string, err error) {
	what := "ok"
	if err != nil {
		what = err.Error()
		if _, rest, found := strings.Cut(what, "->"); found { // addresses would make each of its own kind
			_, what, _ = strings.Cut(rest, ": ")
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.outcomes[kind] == nil {
		k.outcomes[kind] = map[string]int{}
	}
	k.outcomes[kind][what]++
}

// traffic is what clients do, each time on a connection of their own.
var traffic = map[string]func(addr string) error{
	"keep-alive": func(addr string) error {
		return spoken(addr, 20, "GET / HTTP/1.1\r\nHost: soak\r\n\r\n", 0)
	},
	"close": func(addr string) error {
		return spoken(addr, 1, "GET / HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n", 0)
	},
	"HTTP/1.0": func(addr string) error { return spoken(addr, 1, "GET / HTTP/1.0\r\nHost: soak\r\n\r\n", 0) },
	"POST": func(addr string) error {
		return spoken(addr, 5, "POST / HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000), 0)
	},
	"chunked": func(addr string) error {
		return spoken(addr, 5, "POST / HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n"+
			strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 50)+"0\r\n\r\n", 0)
	},
	"slow reader": func(addr string) error {
		return spoken(addr, 1, "GET /1000000 HTTP/1.1\r\nHost: soak\r\n\r\n", 2*time.Millisecond)
	},
	"abort": func(addr string) error {
		return abort(addr, "GET /1000000 HTTP/1.1\r\nHost: soak\r\n\r\n")
	},
	"abort of an upload": func(addr string) error {
		return abort(addr, "POST / HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\nbegin")
	},
	"WebSocket": webSocket,
}

// spoken sends a request so many times on one connection and reads the answers, with a pause before each piece.
func spoken(addr string, times int, request string, pause time.Duration) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	br := bufio.NewReader(c)
	for range times {
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return err
		}
		for piece := make([]byte, 16<<10); err == nil; time.Sleep(pause) {
			_, err = res.Body.Read(piece)
		}
		_ = res.Body.Close()
		if err != io.EOF { //nolint:errorlint // io.Reader's contract
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
		}
		if res.Close {
			return nil
		}
	}
	return nil
}

// abort goes away somewhere in the exchange, one time in two by a reset.
func abort(addr, request string) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, request)
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	if rand.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
	return err
}

// webSocket upgrades, and has a few bytes sent back.
func webSocket(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = res.Body.Close()
		return fmt.Errorf("%d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	for range 10 {
		if _, err := io.WriteString(c, "hello"); err != nil {
			return err
		}
		if _, err := io.ReadFull(br, make([]byte, 5)); err != nil {
			return err
		}
	}
	return nil
}

// sickly is a target that can be killed, hang, and reset what it is asked, until it recovers.
type sickly struct {
	addr, pool string

	mu      sync.Mutex // guards the rest
	server  *http.Server
	hanging chan struct{} // nil: answers
	resets  bool
}

// The ways to fall ill.
const (
	killed = 1 + iota
	hangs
	resets
)

func newSickly(t *testing.T, pool string) *sickly {
	t.Helper()
	v := &sickly{addr: binary.Addr(t), pool: pool}
	v.listen(t)
	t.Cleanup(func() {
		v.fall(killed)
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.hanging != nil {
			close(v.hanging)
		}
	})
	return v
}

func urls(all []*sickly) []string {
	var list []string
	for _, v := range all {
		list = append(list, "http://"+v.addr)
	}
	return list
}

func (v *sickly) listen(t *testing.T) {
	ln, err := net.Listen("tcp", v.addr)
	if err != nil {
		t.Errorf("a target does not come back: %v", err)
		return
	}
	v.server = &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(ln) }(v.server) // until it is closed
}

func (v *sickly) fall(ill int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ill {
	case killed:
		_ = v.server.Close() // what has been closed already
		v.server = nil
	case hangs:
		v.hanging = make(chan struct{})
	case resets:
		v.resets = true
	}
}

func (v *sickly) recover(t *testing.T) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hanging != nil {
		close(v.hanging)
	}
	v.hanging, v.resets = nil, false
	if v.server == nil {
		v.listen(t)
	}
}

func (v *sickly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	hanging, reset := v.hanging, v.resets
	v.mu.Unlock()
	if hanging != nil {
		select {
		case <-hanging:
		case <-r.Context().Done():
			return
		}
	}
	if reset || r.URL.Path == "/echo" {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		if reset {
			_ = c.(*net.TCPConn).SetLinger(0)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		_, _ = io.Copy(c, rw)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Pool", v.pool)
	if size, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
		_, _ = w.Write(make([]byte, size))
		return
	}
	_, _ = io.WriteString(w, v.pool+"\n")
}
