//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// slowSize is the length of the answers of GET /slow, which takes about a second, and of GET /crawl,
// which takes about twenty.
const slowSize = 200_000

// pools starts one nginx with two servers for each named pool and returns their URLs. Each answers every
// path with its pool's name, in the body and as X-Pool, but GET /slow and GET /crawl with zeros. The nginx
// ends with the test.
func pools(t *testing.T, names ...string) map[string][]string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("nginx is needed, make e2e installs it: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zeros"), make([]byte, slowSize), 0o644); err != nil {
		t.Fatal(err)
	}
	urls := make(map[string][]string)
	var servers strings.Builder
	for _, name := range names {
		for range 2 {
			addr := binary.Addr(t)
			urls[name] = append(urls[name], "http://"+addr)
			fmt.Fprintf(&servers, server, addr, name, dir)
		}
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(global, dir, servers.String())), 0o644); err != nil {
		t.Fatal(err)
	}
	binary.Start(t, dir, path, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log"))
	for _, list := range urls {
		for _, url := range list {
			binary.Until(t, url+" answers", func() bool { return status(url+"/healthz") == http.StatusOK })
		}
	}
	return urls
}

// global keeps nginx in the foreground as one process and all its files in one folder. Connections last
// as long as the proxy wants them, so no request meets one that nginx is just closing.
const global = `daemon off;
master_process off;
worker_rlimit_nofile 8192;
pid nginx.pid;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 100000000;
	keepalive_timeout 1h;
%[2]s}
`

const server = `	server {
		listen %[1]s backlog=1024;
		add_header X-Pool %[2]s;
		location / { return 200 "%[2]s\n"; }
		location = /slow { alias %[3]s/zeros; limit_rate 200000; }
		location = /crawl { alias %[3]s/zeros; limit_rate 10000; }
	}
`

// status asks once on a connection of its own; 0 means no answer.
func status(url string) int {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
