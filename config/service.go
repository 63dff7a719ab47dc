package config

import (
	"cmp"
	"fmt"

	"gopkg.in/yaml.v3"
)

// maxRoutes bounds the pairs of host and path of a file.
const maxRoutes = 100_000

type (
	route struct{ host, path string }
	owner struct {
		service string
		line    int
	}
)

func (p *parser) services(n, defaults *node) []Service {
	blank(defaults.child("rollout"))
	p.service("", defaults) // a default that every service overrides must be right all the same
	fields := p.mapping(n)
	if n != nil && n.kind == yaml.MappingNode && len(fields) == 0 {
		p.report(n, flaw{"there is no service", "name at least one with its pools"})
	}
	if defaults != nil && p.nodes+len(fields)*defaults.size() > maxNodes {
		p.report(defaults, flaw{fmt.Sprintf("inherited by %d services they make more than %d values", len(fields), maxNodes), "write fewer defaults"})
		return nil
	}
	var all []Service
	for _, f := range fields {
		own := blank(f.value.child("rollout"))
		n := inherit(f.value, defaults)
		s := p.service(p.name(f.key), n)
		if n.kind == yaml.MappingNode && !n.bad {
			p.checkService(&s, n)
			p.checkRollout(&s, n, own == nil)
		}
		all = append(all, s)
	}
	return all
}

// inherit puts the defaults below a value: mappings key by key, everything else and the checks of a
// rollout as a whole. Inherited nodes keep their place, so a problem is told where it was written.
func inherit(own, defaults *node) *node {
	if defaults == nil || isChecks(own) || own.kind != yaml.MappingNode || defaults.kind != yaml.MappingNode {
		return own
	}
	merged := *own
	merged.fields = nil
	have := map[string]bool{}
	for _, f := range own.fields {
		have[f.key.value] = true
		merged.fields = append(merged.fields, field{f.key, inherit(f.value, defaults.child(f.key.value))})
	}
	for _, f := range defaults.fields {
		if !have[f.key.value] {
			merged.fields = append(merged.fields, f)
		}
	}
	return &merged
}

func isChecks(n *node) bool { return n.segment == "checks" && n.parent.segment == "rollout" }

// service reads each key of a service for itself.
func (p *parser) service(name string, n *node) Service {
	o := p.object(n, "hosts", "paths", "pools", "weights", "balance", "sticky", "rules", "health", "timeouts", "host", "http2", "drain", "rollout", "flags")
	s := Service{
		Name:     name,
		Hosts:    p.distinct(o.at("hosts"), hostPattern),
		Paths:    p.distinct(o.at("paths"), pathPrefix),
		Pools:    p.servicePools(o.at("pools")),
		Weights:  p.weights(o.at("weights")),
		Balance:  choice(p, o.at("balance"), LeastInflight, LeastInflight, RoundRobin),
		Sticky:   p.sticky(o.at("sticky")),
		Rules:    p.rules(o.at("rules")),
		Health:   p.health(o.at("health")),
		Timeouts: p.timeouts(o.at("timeouts")),
		Host:     p.checked(o.at("host"), upstreamHost),
		HTTP2:    p.boolean(o.at("http2")),
		Drain:    p.drain(o.at("drain")),
		Rollout:  p.rollout(o.at("rollout")),
		Flags:    p.distinct(o.at("flags"), tokenName),
	}
	if paths := o.at("paths"); paths == nil {
		s.Paths = []string{defaultPath}
	} else if len(paths.items) == 0 {
		p.report(paths, flaw{"lists no path", "remove it for /"})
	}
	if s.Host == "" {
		s.Host = defaultHost
	}
	return s
}

// distinct reads a list of words, each of them once.
func (p *parser) distinct(n *node, judge func(string) (string, *flaw)) []string {
	var all []string
	lines := map[string]int{}
	for _, item := range p.list(n) {
		if s := p.checked(item, judge); s != "" {
			p.once(item, s, lines)
			all = append(all, s)
		}
	}
	return all
}

func (p *parser) timeouts(n *node) Timeouts {
	o, d := p.object(n, "connect", "response_header", "idle", "request"), defaultTimeouts()
	return Timeouts{
		Connect:        p.duration(o.at("connect"), shortest, d.Connect),
		ResponseHeader: p.duration(o.at("response_header"), 0, d.ResponseHeader),
		Idle:           p.duration(o.at("idle"), 0, d.Idle),
		Request:        p.duration(o.at("request"), 0, d.Request),
	}
}

func (p *parser) drain(n *node) Drain {
	o := p.object(n, "timeout", "long_lived", "long_lived_timeout", "spread")
	return Drain{
		Timeout:          p.duration(o.at("timeout"), shortest, defaultDrain),
		LongLived:        choice(p, o.at("long_lived"), LongLivedDrain, LongLivedKeep, LongLivedDrain, LongLivedClose),
		LongLivedTimeout: p.duration(o.at("long_lived_timeout"), 0, defaultLongLived),
		Spread:           p.duration(o.at("spread"), 0, defaultSpread),
	}
}

// checkService compares the keys of a whole service with each other and with other services.
func (p *parser) checkService(s *Service, n *node) {
	if n.child("pools") == nil {
		p.report(n, flaw{"pools is missing", "name at least one pool with its targets: {blue: [http://10.0.0.1:8080]}"})
	}
	var names []string
	for i := range s.Pools {
		names = append(names, s.Pools[i].Name)
	}
	p.pools = append(p.pools, names...)
	if len(names) > 0 {
		p.checkWeights(s, names, n)
		p.checkRules(s, names, n.child("rules"))
		p.checkFlags(s, len(names), n)
	}
	p.checkHealth(s, n.child("health"))
	p.checkRoutes(s, n)
}

// checkRoutes reports requests that two services would answer.
func (p *parser) checkRoutes(s *Service, n *node) {
	hosts, given := s.Hosts, n.child("hosts")
	if len(hosts) == 0 {
		if given != nil && (given.bad || len(given.items) > 0) {
			return // what was meant is not known
		}
		hosts = []string{""}
	}
	at := cmp.Or(given, n.child("paths"), n)
	if len(p.routes)+len(hosts)*len(s.Paths) > maxRoutes {
		p.spoil(at, flaw{fmt.Sprintf("the services have more than %d pairs of host and path", maxRoutes), "use fewer hosts or paths"})
		return
	}
	for _, host := range hosts {
		for _, path := range s.Paths {
			p.claim(route{host, path}, owner{s.Name, at.line}, at)
		}
	}
}

func (p *parser) claim(r route, by owner, at *node) {
	first, taken := p.routes[r]
	if !taken {
		p.routes[r] = by
		return
	}
	if first.service == by.service {
		return // a word given twice, reported in its list
	}
	host := "any host"
	if r.host != "" {
		host = "host " + r.host
	}
	p.report(at, flaw{
		fmt.Sprintf("service %s answers %s with path %s already (line %d), so line %d cannot", quote(first.service), host, quote(r.path), first.line, at.line),
		"give one of them another host or path",
	})
}
