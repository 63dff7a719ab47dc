package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// leastEvery keeps probes from becoming the load.
const leastEvery = 100 * time.Millisecond

func (p *parser) health(n *node) Health {
	o := p.object(n, "path", "every", "timeout", "passes", "fails", "status", "grpc", "panic_below")
	h, d := Health{}, defaultHealth()
	h.Path = p.checked(o.at("path"), probePath)
	if h.Path == "" {
		h.Path = d.Path
	}
	h.Every = p.duration(o.at("every"), leastEvery, d.Every)
	h.Timeout = p.duration(o.at("timeout"), shortest, d.Timeout)
	h.Passes = p.count(o.at("passes"), 1, 100, d.Passes)
	h.Fails = p.count(o.at("fails"), 1, 100, d.Fails)
	h.PanicBelow = p.count(o.at("panic_below"), 0, 100, d.PanicBelow)
	h.Status = d.Status
	if at := o.at("status"); at != nil {
		h.Status = p.statusRanges(at)
	}
	h.GRPC = p.grpcHealth(o)
	return h
}

// grpcHealth reads the question that stands in place of a path.
func (p *parser) grpcHealth(o object) *GRPCHealth {
	n := o.at("grpc")
	if n == nil {
		return nil
	}
	for _, other := range []string{"path", "status"} {
		if at := o.at(other); at != nil && at.parent == n.parent { // one that is inherited gives way
			p.report(at, flaw{other + " is for checks by HTTP, and grpc is given too", "remove one of them"})
		}
	}
	g := &GRPCHealth{}
	if at := p.object(n, "service").at("service"); at != nil {
		g.Service = p.checked(at, grpcService)
	}
	return g
}

// grpcService is a name like shop.v1.Shop, as its protocol file has it.
func grpcService(s string) (string, *flaw) {
	for part := range strings.SplitSeq(s, ".") {
		for i, r := range part {
			letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
			if !letter && (i == 0 || r < '0' || r > '9') {
				part = ""
				break
			}
		}
		if part == "" || len(s) > maxVersion {
			return "", &flaw{quote(s) + " is not the name of a gRPC service", "write it like shop.v1.Shop; remove the key for the whole server"}
		}
	}
	return s, nil
}

// checkHealth reports targets that cannot be asked by gRPC.
func (p *parser) checkHealth(s *Service, n *node) {
	if s.Health.GRPC == nil {
		return
	}
	for i := range s.Pools {
		for _, t := range s.Pools[i].Targets {
			if strings.HasPrefix(t.URL, "http:") {
				p.report(n.child("grpc"), flaw{"target " + t.URL + " speaks HTTP/1.1, which carries no gRPC", "write the target as h2c://… or https://…"})
				return
			}
		}
	}
}

// probePath is a path with an optional query, as it stands in a request line.
func probePath(s string) (string, *flaw) {
	if _, err := url.ParseRequestURI(s); err != nil || !strings.HasPrefix(s, "/") || !visible(s) || strings.Contains(s, "#") {
		return "", &flaw{quote(s) + " is not a path", "write it like /healthz or /healthz?full=1"}
	}
	return s, nil
}

// statusRanges reads 200-299, 204 or a list of these.
func (p *parser) statusRanges(n *node) []StatusRange {
	items := []*node{n}
	if n.kind == yaml.SequenceNode {
		items = n.items
		if len(items) == 0 {
			p.report(n, flaw{"lists no status", "remove it for 200-299"})
		}
	}
	var all []StatusRange
	for _, item := range items {
		if !p.expect(item, yaml.ScalarNode, "a status or a range") {
			continue
		}
		r, ok := statusRange(item.value)
		if !ok {
			p.spoil(item, flaw{quote(item.value) + " is not a status or a range", "write it like 204 or 200-299, from 100 to 599"})
			continue
		}
		all = append(all, r)
	}
	return all
}

func statusRange(s string) (StatusRange, bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, okFrom := status(first)
	to, okTo := status(last)
	return StatusRange{From: from, To: to}, okFrom && okTo && from <= to
}

func status(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && isDigits(s) && n >= 100 && n <= 599
}
