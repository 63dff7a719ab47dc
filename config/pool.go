package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxTargetWeight = 10_000
	maxVersion      = 128 // characters
)

func (p *parser) servicePools(n *node) []Pool {
	var all []Pool
	for _, f := range p.mapping(n) {
		name := p.name(f.key)
		if IsRole(name) {
			p.report(f.key, flaw{quote(name) + " is a role, which no pool may be called", "choose another name, such as blue"})
		}
		all = append(all, p.pool(name, f.value))
	}
	if n != nil && len(all) == 0 {
		p.report(n, flaw{"there is no pool", "name at least one with its targets: {blue: [http://10.0.0.1:8080]}"})
	}
	return all
}

// pool reads the short form, a list of targets, or the long one.
func (p *parser) pool(name string, n *node) Pool {
	if n.kind != yaml.MappingNode {
		return Pool{Name: name, Targets: p.targets(n)}
	}
	o := p.object(n, "version", "targets")
	pool := Pool{Name: name, Version: p.checked(o.at("version"), version)}
	if targets := p.need(o, "targets", "list them: [http://10.0.0.1:8080]"); targets != nil {
		pool.Targets = p.targets(targets)
	}
	return pool
}

func version(s string) (string, *flaw) {
	if utf8.RuneCountInString(s) > maxVersion {
		return "", &flaw{"the version is too long", fmt.Sprintf("at most %d characters", maxVersion)}
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return "", &flaw{"the version " + quote(s) + " cannot be printed", "use letters, digits and punctuation"}
		}
	}
	return s, nil
}

func (p *parser) targets(n *node) []Target {
	var all []Target
	if n.child("dns") != nil {
		p.spoil(n, flaw{"is a mapping, not a list", "this version does not support dns; list the targets"})
	}
	lines := map[string]int{}
	for _, item := range p.list(n) {
		t, at := p.target(item)
		p.once(at, t.URL, lines)
		all = append(all, t)
	}
	if len(all) == 0 {
		p.report(n, flaw{"there is no target", "list at least one: [http://10.0.0.1:8080]"})
	}
	return all
}

// target reads a URL or {url, weight} and returns the node of the URL.
func (p *parser) target(n *node) (Target, *node) {
	t, at := Target{Weight: defaultTargetWeight}, n
	if n.kind == yaml.MappingNode {
		o := p.object(n, "url", "weight")
		at = p.need(o, "url", "write it like {url: http://10.0.0.1:8080, weight: 2}")
		t.Weight = p.count(o.at("weight"), 1, maxTargetWeight, defaultTargetWeight)
	}
	t.URL = p.checked(at, targetURL)
	return t, at
}

// weights reads percentages; whether they fit the pools is checked with the whole service.
func (p *parser) weights(n *node) Weights {
	fields := p.mapping(n)
	if len(fields) == 0 {
		return nil
	}
	all := Weights{}
	for _, f := range fields {
		all[f.key.value] = p.percent(f.value)
	}
	return all
}

func (p *parser) percent(n *node) Weight {
	text, ok := p.number(n)
	if !ok {
		return 0
	}
	_, decimals, _ := strings.Cut(text, ".")
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f > 100 {
		p.spoil(n, flaw{"is " + cut(text), "a percentage is a number from 0 to 100"})
		return 0
	}
	w, err := ParseWeight(f)
	if err != nil || len(strings.TrimRight(decimals, "0")) > 2 {
		p.spoil(n, flaw{"is " + cut(text), "a percentage has at most two decimals"})
		return 0
	}
	return w
}

// checkWeights fills in the only sensible weights of a single pool; more pools must state theirs.
func (p *parser) checkWeights(s *Service, names []string, service *node) {
	n := service.child("weights")
	if n == nil {
		if len(names) > 1 {
			p.report(service, flaw{"weights is missing", "say how traffic is split: {" + names[0] + ": 100, " + names[1] + ": 0}"})
			return
		}
		s.Weights = All(names[0])
		return
	}
	known := setOf(names)
	whole := !n.bad
	for _, f := range n.fields {
		if !known[f.key.value] {
			p.noPool(f.key, names)
		}
		whole = whole && known[f.key.value] && !f.value.bad
	}
	if sum := s.Weights.Sum(); whole && sum != Full {
		p.report(n, flaw{"sum is " + percentText(sum) + ", not 100", sumHint(sum)})
	}
}

func (p *parser) noPool(n *node, known []string) {
	p.report(n, flaw{"there is no pool " + quote(n.value), p.nearest(n.value, known)})
}

func sumHint(sum Weight) string {
	if sum < Full {
		return "add " + percentText(Full-sum) + " to a pool"
	}
	return "take " + percentText(sum-Full) + " from a pool"
}

func percentText(w Weight) string { return strconv.FormatFloat(w.Percent(), 'f', -1, 64) }

func setOf(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
}
