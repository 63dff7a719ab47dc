//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/bench/load"
	"github.com/switchback-proxy/switchback/bench/peer"
)

// workload is a kind of request and how many clients send how many.
type workload struct {
	Name        string
	Path        string
	Post        int // bytes of the request's body, 0 for GET
	Answer      int // bytes of the answer's body
	Connections int
	Rate        int      // a second
	Saturate    bool     // as many as are answered; the rate is that of warming up
	User        bool     // each connection sends a cookie of its own
	Only        []string // columns that are measured; nil for all
	Must        float64  // what the share of the better of nginx and HAProxy must not exceed; 0: no target
}

// of reports whether a column is measured.
func (w workload) of(name string) bool { return w.Only == nil || slices.Contains(w.Only, name) }

// plan is what is measured.
type plan struct {
	workloads []workload // whose processor time is measured
	latency   []workload
	sticky    bool // what users with a cookie cost
}

// asked is what is asked for where the kind of request does not matter.
var asked = workload{Name: "GET 1 KB", Path: "/1024", Answer: 1 << 10, Connections: 64, Rate: 3000}

// Other requests. All rates leave every proxy most of a core.
var (
	chunked = workload{Name: "GET 4 KB in chunks", Path: "/chunked/4096", Answer: 4 << 10, Connections: 64, Rate: 3000}
	post    = workload{Name: "POST 4 KB", Path: "/100", Post: 4 << 10, Answer: 100, Connections: 64, Rate: 3000}
	big     = workload{Name: "GET 1 MB", Path: "/1048576", Answer: 1 << 20, Connections: 16, Rate: 150}
)

// full is what shows what a core does that is busy.
var full = saturating(asked, 0.85)

// targeted are those that have a target, which is one for cores that are busy.
var targeted = []workload{
	full,
	saturating(with(asked, func(w *workload) { w.Connections = 512 }), 0.75),
	saturating(chunked, 0.90),
	saturating(post, 0.85),
	saturating(big, 0.80),
}

// saturating is the same of clients that ask as soon as they are answered; without a target for 0.
func saturating(w workload, must float64) workload {
	return with(w, func(w *workload) { w.Saturate, w.Must = true, must })
}

// Rates whose latency has a target.
const (
	calm = 2000
	busy = 10_000
)

// wholePlan is that of the page. At the highest rate only those are measured that two processors serve.
var wholePlan = plan{
	workloads: append(
		targeted,
		saturating(workload{Name: "GET 100 B", Path: "/100", Answer: 100, Connections: 64, Rate: 3000}, 0),
		saturating(workload{Name: "GET 10 KB", Path: "/10240", Answer: 10 << 10, Connections: 64, Rate: 3000}, 0),
		asked, chunked, post, big,
	),
	latency: []workload{at(500), at(calm), at(5000), at(busy, "nginx", "HAProxy", ours, direct)},
	sticky:  true,
}

// loopPlan is what the two paths of switchback differ in, quickly.
var loopPlan = plan{
	workloads: append(targeted, asked),
	latency:   []workload{at(calm)},
}

func with(w workload, change func(*workload)) workload {
	change(&w)
	return w
}

// at is what is asked for at another rate.
func at(rate int, only ...string) workload {
	return with(asked, func(w *workload) { w.Rate, w.Only = rate, only })
}

// Names of columns. All ratios are to ours; direct is the way without a proxy.
const (
	ours    = "switchback"
	general = "switchback, general"
	keeping = "switchback, sticky"
	direct  = "no proxy"
)

// paths are switchback's two paths, and ReverseProxy, which is as net/http makes one.
func paths(self, switchback string) []peer.Peer {
	return []peer.Peer{
		peer.ReverseProxy(self),
		peer.Switchback(switchback, general, ", fast: false", ""),
		peer.Switchback(switchback, ours, "", ""),
	}
}

// stickyPeer is switchback for users who stay.
func stickyPeer(p peer.Peer) peer.Peer {
	return peer.Switchback(p.Program, keeping, "", "    sticky: {key: [{cookie: user}]}\n")
}

// entrants are the proxies to measure, in turn: those of Debian, those that an environment variable names,
// and switchback. Another variant of switchback is one more line in paths.
func entrants(self, switchback string) ([]peer.Peer, error) {
	var all []peer.Peer
	for _, p := range []struct {
		name string
		make func(string) peer.Peer
	}{{"nginx", peer.Nginx}, {"haproxy", peer.HAProxy}} {
		path, err := find(p.name)
		if err != nil {
			return nil, err
		}
		all = append(all, p.make(path))
	}
	for _, p := range []struct {
		variable string
		make     func(string) peer.Peer
	}{{"CADDY", peer.Caddy}, {"TRAEFIK", peer.Traefik}, {"ENVOY", peer.Envoy}} {
		if path := os.Getenv(p.variable); path != "" {
			all = append(all, p.make(path))
		}
	}
	return absolute(append(all, paths(self, switchback)...))
}

// absolute is for peers that run in folders of their own.
func absolute(all []peer.Peer) ([]peer.Peer, error) {
	for i := range all {
		path, err := filepath.Abs(all[i].Program)
		if err != nil {
			return nil, err
		}
		all[i].Program = path
	}
	return all, nil
}

// find looks where Debian puts servers, too: for users that is not in PATH.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, second := exec.LookPath("/usr/sbin/" + name); second == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is needed, make bench-peers installs it: %w", name, err)
}

// number stands for that of a connection in a request.
const number = "########"

// task makes the load for one measurement of about the given time.
func (w workload) task(addr string, each time.Duration) task {
	head := "GET %s HTTP/1.1\r\nHost: " + peer.Host + "\r\nUser-Agent: bench\r\nAccept: */*\r\n"
	if w.Post > 0 {
		head = strings.Replace(head, "GET", "POST", 1) + fmt.Sprintf("Content-Length: %d\r\n", w.Post)
	}
	p := load.Plan{Addr: addr, Body: w.Answer, Connections: w.Connections, Grace: 5 * time.Second}
	if w.User {
		head += "Cookie: user=" + number + "\r\n"
		p.Number = number
	}
	p.Request = []byte(fmt.Sprintf(head, w.Path) + "\r\n" + strings.Repeat("x", w.Post))
	t := task{
		Plan: p, Rate: w.Rate,
		// Each connection once at least, so that the proxy has all it needs for it.
		Warm:     max(w.Connections, int(each.Seconds()*float64(w.Rate)/8)),
		Requests: max(1, int(each.Seconds()*float64(w.Rate))),
	}
	if w.Saturate {
		t.Requests, t.Saturate = 0, each
	}
	return t
}
