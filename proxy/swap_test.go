package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

// A request that begins after Swap returned never meets the pool from before, and none fails.
func TestSwapIsEffective(t *testing.T) {
	t.Parallel()
	urls := map[string]string{"blue": named(t, "blue"), "green": named(t, "green")}
	r := start(t, split(100), urls)
	pools := [2]string{"blue", "green"}
	var began, done atomic.Int64 // number of the swap that was begun, and that returned
	var stable atomic.Int64      // requests that ran within one number
	var stop atomic.Bool
	var clients sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	defer transport.CloseIdleConnections()
	for n := range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			for !stop.Load() {
				first := done.Load()
				method, body := http.MethodGet, io.Reader(nil)
				if n%2 == 0 {
					method, body = http.MethodPost, strings.NewReader("hello")
				}
				req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+"/", body)
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				last := began.Load()
				if res.StatusCode != 200 {
					t.Errorf("answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
				}
				if first == last {
					stable.Add(1)
					if want := pools[first%2]; string(got) != want {
						t.Errorf("after swap %d the answer came from %s", first, got)
					}
				}
			}
		})
	}
	for n := range int64(500) {
		began.Store(n + 1)
		r.swap(split(100*int(n%2)), urls)
		done.Store(n + 1)
		if n%5 == 0 { // the others come as fast as they can
			enough := stable.Load() + 4
			eventually(t, "requests between two swaps", func() bool { return stable.Load() >= enough || t.Failed() })
		}
	}
	stop.Store(true)
	clients.Wait()
	t.Logf("%d requests ran between two swaps", stable.Load())
	inFlightZero(t, r)
}

// sockets counts the connections of an upstream.
type sockets struct{ opened, open atomic.Int64 }

func (s *sockets) watch(srv *http.Server) {
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
}

// Connections survive swaps that do not concern their pool; those of a pool that left are closed.
func TestSwapKeepsConnections(t *testing.T) {
	t.Parallel()
	const file = `services:
  one: {paths: [/one], pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: 50, green: 50}}
  two: {paths: [/two], pools: {red: ["{{red}}"]}, weights: {red: 100}}
`
	all := map[string]*sockets{}
	urls := map[string]string{}
	for _, name := range []string{"blue", "green", "red"} {
		s := new(sockets)
		all[name] = s
		urls[name] = watched(t, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }, s.watch)
	}
	r := start(t, file, urls)
	met := func() {
		seen := map[string]bool{}
		for len(seen) < 3 {
			for _, path := range []string{"/one", "/two"} {
				_, body := r.get(path)
				seen[body] = true
			}
		}
	}
	met()
	for _, change := range []func(string) string{
		func(f string) string { return strings.ReplaceAll(f, "50", "40") }, // does not sum up; see below
		func(f string) string { return strings.Replace(f, "paths: [/two]", "paths: [/two, /zwei]", 1) },
		func(f string) string {
			return strings.Replace(f, "paths: [/two]", "paths: [/two], timeouts: {idle: 5s}", 1)
		},
	} {
		next := strings.Replace(change(file), "{blue: 40, green: 40}", "{blue: 40, green: 60}", 1)
		if next == file {
			t.Fatal("nothing changed")
		}
		r.swap(next, urls)
		met()
	}
	for name, want := range map[string]int64{"blue": 1, "green": 1, "red": 3} { // red's timeouts came and went
		if n := all[name].opened.Load(); n > want || n == 0 {
			t.Errorf("%s was connected to %d times, want %d", name, n, want)
		}
	}
	if got := r.scrape("switchback_attempts_total"); !strings.Contains(got, `pool="green"`) {
		t.Fatalf("no series of green in %s", got)
	}
	r.swap(strings.NewReplacer(`, green: ["{{green}}"]`, "", ", green: 50", "", "blue: 50", "blue: 100").Replace(file), urls)
	eventually(t, "green's connections close", func() bool { return all["green"].open.Load() == 0 })
	if n := all["blue"].open.Load(); n != 1 {
		t.Errorf("blue has %d connections left", n)
	}
	for line := range strings.SplitSeq(r.scrapeAll("switchback_"), "\n") {
		if strings.Contains(line, `pool="green"`) {
			t.Errorf("a series is left: %s", line)
		}
	}
}

// draining is a rig whose pool blue holds what it gets: plain requests, and a stream of events.
type draining struct {
	*rig
	urls    map[string]string
	arrived chan string
}

const drainFile = `trust: {override: {header: X-Pool, from: [127.0.0.1]}}
services: {web: {drain: {timeout: 300ms}, pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: %d, green: %d}}}`

func startDraining(t *testing.T) *draining {
	d := &draining{arrived: make(chan string, 10)}
	d.urls = map[string]string{"green": named(t, "green"), "blue": upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		d.arrived <- r.URL.Path
		select {
		case <-r.Context().Done():
		case <-time.After(800 * time.Millisecond):
			_, _ = io.WriteString(w, "done")
		}
	})}
	d.rig = start(t, fmt.Sprintf(drainFile, 100, 0), d.urls)
	return d
}

// ask begins a request and returns what will become of it.
func (d *draining) ask(path string, fields string) <-chan string {
	d.t.Helper()
	c := d.dial()
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\n"+host+fields+"\r\n")
	result := make(chan string, 1)
	go func() {
		defer c.Close()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			result <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		result <- fmt.Sprintf("%d %s%s", res.StatusCode, res.Header.Get("Switchback-Reason"), body)
	}()
	if got := <-d.arrived; got != path {
		d.t.Errorf("%s arrived, want %s", got, path)
	}
	return result
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	d := startDraining(t)
	plain, events := d.ask("/plain", ""), d.ask("/events", "")
	d.swap(fmt.Sprintf(drainFile, 0, 100), d.urls)
	later := d.ask("/later", "X-Pool: blue\r\n")
	if got := <-plain; got != "503 pool-drainedThe pool was taken out of service.\n" {
		t.Errorf("an ordinary request ended with %q", got)
	}
	if got := <-events; got != "200 done" {
		t.Errorf("a stream of events ended with %q", got)
	}
	if got := <-later; got != "200 done" {
		t.Errorf("a request from after the swap ended with %q", got)
	}
	if n := d.logs.FilterMessage("requests cut at the drain timeout").Len(); n != 1 {
		t.Errorf("cut %d times", n)
	}
}

func TestDrainEndsWhenTrafficReturns(t *testing.T) {
	t.Parallel()
	d := startDraining(t)
	plain := d.ask("/plain", "")
	d.swap(fmt.Sprintf(drainFile, 0, 100), d.urls)
	d.swap(fmt.Sprintf(drainFile, 100, 0), d.urls)
	if got := <-plain; got != "200 done" {
		t.Errorf("the request ended with %q", got)
	}
}

// A pool that left the file drains like one that lost its weight.
func TestDrainOfARemovedPool(t *testing.T) {
	t.Parallel()
	d := startDraining(t)
	plain := d.ask("/plain", "")
	d.swap(strings.NewReplacer(`blue: ["{{blue}}"], `, "", "blue: 0, ", "").Replace(fmt.Sprintf(drainFile, 0, 100)), d.urls)
	if got := <-plain; !strings.HasPrefix(got, "503 pool-drained") {
		t.Errorf("the request ended with %q", got)
	}
}

// Nothing keeps a table from before a swap once its requests have ended: no timer of a drain that runs for long, and
// no exchange that waits to be used again.
func TestOldTablesAreLetGo(t *testing.T) {
	t.Parallel()
	const file = `services: {web: {drain: {timeout: 1h, long_lived: drain, long_lived_timeout: 1h}, pools: {blue: ["{{blue}}"], green: ["{{green}}"]}, weights: {blue: %d, green: %d}}}`
	urls := map[string]string{"blue": named(t, "blue"), "green": named(t, "green")}
	r := start(t, fmt.Sprintf(file, 100, 0), urls)
	c := r.dial()
	defer c.Close()
	_, _ = io.WriteString(c, get("/"))
	answer(t, bufio.NewReader(c), "GET")
	table, pool, service := weak.Make(r.table), weak.Make(r.table.Pools[0]), weak.Make(&r.table.Config.Services[0])
	r.swap(fmt.Sprintf(file, 0, 100), urls)
	eventually(t, "let go", func() bool {
		runtime.GC()
		return table.Value() == nil && pool.Value() == nil && service.Value() == nil
	})
}
