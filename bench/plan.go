//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	Rate        int // a second
}

// workloads are those whose processor time is measured, at rates that every proxy here serves with most of
// a core to spare.
var workloads = []workload{
	{Name: "GET 100 B", Path: "/100", Answer: 100, Connections: 64, Rate: 3000},
	{Name: "GET 1 KB", Path: "/1024", Answer: 1 << 10, Connections: 64, Rate: 3000},
	{Name: "GET 1 KB", Path: "/1024", Answer: 1 << 10, Connections: 512, Rate: 3000},
	{Name: "GET 10 KB", Path: "/10240", Answer: 10 << 10, Connections: 64, Rate: 3000},
	{Name: "GET 4 KB in chunks", Path: "/chunked/4096", Answer: 4 << 10, Connections: 64, Rate: 3000},
	{Name: "POST 4 KB", Path: "/100", Post: 4 << 10, Answer: 100, Connections: 64, Rate: 3000},
	{Name: "GET 1 MB", Path: "/1048576", Answer: 1 << 20, Connections: 16, Rate: 150},
}

// rates are those at which latency is measured, with requests of one kind.
var (
	rates = []int{500, 2000, 5000}
	asked = workload{Name: "GET 1 KB", Path: "/1024", Answer: 1 << 10, Connections: 64}
)

// ours is the name of the row that all ratios are to.
const ours = "switchback"

// entrants are the proxies to measure, in turn: those of Debian, those that an environment variable names,
// and switchback. Another variant of switchback is one more line.
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
	all = append(all, peer.ReverseProxy(self), peer.Switchback(switchback, ours, ""))
	for i := range all { // they run in folders of their own
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

// task makes the load for one measurement of about the given time.
func (w workload) task(addr string, each time.Duration) task {
	head := "GET %s HTTP/1.1\r\nHost: " + peer.Host + "\r\nUser-Agent: bench\r\nAccept: */*\r\n"
	if w.Post > 0 {
		head = strings.Replace(head, "GET", "POST", 1) + fmt.Sprintf("Content-Length: %d\r\n", w.Post)
	}
	request := fmt.Sprintf(head, w.Path) + "\r\n" + strings.Repeat("x", w.Post)
	return task{
		Plan: load.Plan{Addr: addr, Request: []byte(request), Body: w.Answer, Connections: w.Connections, Grace: 5 * time.Second},
		Rate: w.Rate,
		// Each connection once at least, so that the proxy has all it needs for it.
		Warm:     max(w.Connections, int(each.Seconds()*float64(w.Rate)/8)),
		Requests: max(1, int(each.Seconds()*float64(w.Rate))),
	}
}
