package peer

import (
	"fmt"
	"os"
	"strings"
)

// Nginx is nginx; its workers are processes.
func Nginx(program string) Peer {
	args := []string{"-p", ".", "-c", "nginx.conf", "-e", "error.log"}
	if os.Geteuid() == 0 {
		args = append(args, "-g", "user root;") // whose folder it is
	}
	return Peer{Name: "nginx", Program: program, Version: []string{"-v"}, Args: always(args...), Files: nginxFiles}
}

func nginxFiles(s Setup) map[string]string {
	var servers strings.Builder
	each(s, func(addr string, weight int) { fmt.Fprintf(&servers, "    server %s weight=%d;\n", addr, weight) })
	return map[string]string{"nginx.conf": fmt.Sprintf(`daemon off;
worker_processes %[1]d;
worker_rlimit_nofile %[5]d;
pid nginx.pid;
events { worker_connections %[2]d; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_timeout 1h;
  keepalive_requests 100000000;
  upstream pools {
%[3]s    keepalive 512;
    keepalive_requests 100000000;
  }
  server {
    listen %[4]s backlog=4096;
    location / {
      proxy_pass http://pools;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`, s.Threads, 2*s.Clients, servers.String(), s.Listen, 2*s.Clients+200)}
}

// HAProxy is HAProxy in one process.
func HAProxy(program string) Peer {
	return Peer{
		Name: "HAProxy", Program: program, Version: []string{"-v"},
		Args: always("-db", "-f", "haproxy.cfg"), Files: haproxyFiles,
	}
}

func haproxyFiles(s Setup) map[string]string {
	var servers strings.Builder
	n := 0
	each(s, func(addr string, weight int) {
		n++
		fmt.Fprintf(&servers, "  server s%d %s weight %d check inter 5s\n", n, addr, weight)
	})
	return map[string]string{"haproxy.cfg": fmt.Sprintf(`global
  nbthread %[1]d
  maxconn %[2]d
defaults
  mode http
  timeout connect 2s
  timeout client 10m
  timeout server 30s
  timeout http-keep-alive 10m
frontend web
  bind %[3]s backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Host %%[req.hdr(Host)]
  http-request set-header X-Forwarded-Proto http
  default_backend pools
backend pools
  balance roundrobin
  http-reuse always
  option splice-response
%[4]s`, s.Threads, s.Clients, s.Listen, servers.String())}
}

// each calls f with every target and its share of a round of 200.
func each(s Setup, f func(addr string, weight int)) {
	for _, p := range []struct {
		addrs []string
		share int
	}{{s.Blue, BlueShare}, {s.Green, GreenShare}} {
		for _, addr := range p.addrs {
			f(addr, 2*p.share/len(p.addrs))
		}
	}
}
