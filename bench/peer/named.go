package peer

import (
	"fmt"
	"strings"
)

// Caddy is Caddy 2.8 or later.
func Caddy(program string) Peer {
	return Peer{
		Name: "Caddy", Program: program, Version: []string{"version"},
		Args: always("run", "--config", "Caddyfile", "--adapter", "caddyfile"),
		Env: func(s Setup) []string {
			return append(threads(s), "HOME=.", "XDG_DATA_HOME=./data", "XDG_CONFIG_HOME=./config")
		},
		Files: caddyFiles,
	}
}

func caddyFiles(s Setup) map[string]string {
	host, port, _ := strings.Cut(s.Listen, ":")
	var weights []string
	each(s, func(_ string, weight int) { weights = append(weights, fmt.Sprint(weight)) })
	return map[string]string{"Caddyfile": fmt.Sprintf(`{
  admin off
  auto_https off
  persist_config off
  log {
    level ERROR
  }
  servers {
    timeouts {
      idle 10m
    }
  }
}
http://:%s {
  bind %s
  reverse_proxy %s {
    lb_policy weighted_round_robin %s
    transport http {
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 512
    }
  }
}
`, port, host, strings.Join(append(append([]string{}, s.Blue...), s.Green...), " "), strings.Join(weights, " "))}
}

// Traefik is Traefik 3.
func Traefik(program string) Peer {
	return Peer{
		Name: "Traefik", Program: program, Version: []string{"version"},
		Args: always("--configFile=traefik.yaml"), Env: threads, Files: traefikFiles,
	}
}

func traefikFiles(s Setup) map[string]string {
	servers := func(addrs []string) string {
		var list []string
		for _, addr := range addrs {
			list = append(list, fmt.Sprintf("{url: \"http://%s\"}", addr))
		}
		return strings.Join(list, ", ")
	}
	return map[string]string{
		"traefik.yaml": fmt.Sprintf(`global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: ERROR}
entryPoints:
  web: {address: "%s", transport: {respondingTimeouts: {idleTimeout: 10m}}}
providers: {file: {filename: dynamic.yaml, watch: false}}
`, s.Listen),
		"dynamic.yaml": fmt.Sprintf(`http:
  routers: {all: {rule: "PathPrefix(`+"`/`"+`)", service: pools, entryPoints: [web]}}
  serversTransports: {kept: {maxIdleConnsPerHost: 512}}
  services:
    pools: {weighted: {services: [{name: blue, weight: %d}, {name: green, weight: %d}]}}
    blue: {loadBalancer: {serversTransport: kept, servers: [%s]}}
    green: {loadBalancer: {serversTransport: kept, servers: [%s]}}
`, BlueShare, GreenShare, servers(s.Blue), servers(s.Green)),
	}
}

// Envoy is Envoy 1.30 or later.
func Envoy(program string) Peer {
	return Peer{
		Name: "Envoy", Program: program, Version: []string{"--version"}, Files: envoyFiles,
		Args: func(s Setup) []string {
			return []string{"-c", "envoy.yaml", "--concurrency", fmt.Sprint(s.Threads), "--use-dynamic-base-id", "-l", "error"}
		},
	}
}

func envoyFiles(s Setup) map[string]string {
	socket := func(addr string) string {
		host, port, _ := strings.Cut(addr, ":")
		return fmt.Sprintf("{socket_address: {address: %s, port_value: %s}}", host, port)
	}
	var endpoints strings.Builder
	each(s, func(addr string, weight int) {
		fmt.Fprintf(&endpoints, "        - {endpoint: {address: %s}, load_balancing_weight: %d}\n", socket(addr), weight)
	})
	return map[string]string{"envoy.yaml": fmt.Sprintf(`static_resources:
  listeners:
  - address: %s
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          use_remote_address: true
          common_http_protocol_options: {idle_timeout: 600s}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: pools}}]}]
  clusters:
  - name: pools
    type: STATIC
    connect_timeout: 2s
    circuit_breakers: {thresholds: [{max_connections: 4096, max_pending_requests: 16384, max_requests: 16384}]}
    load_assignment:
      cluster_name: pools
      endpoints:
      - lb_endpoints:
%s`, socket(s.Listen), endpoints.String())}
}
