package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

func roles() []string { return []string{RoleBaseline, RoleCandidate, RoleLive, RoleIdle} }

func (p *parser) sticky(n *node) Sticky {
	o := p.object(n, "key", "seed")
	s := Sticky{Seed: p.seed(o.at("seed"))}
	items := p.list(o.at("key"))
	lines := map[string]int{}
	for i, item := range items {
		key := p.stickyKey(item)
		if key.IssueCookie != "" && i < len(items)-1 {
			p.report(item, flaw{"issue_cookie must be the last key", "it gives every request a key, so those after it would never count"})
		}
		p.once(item, source(key), lines)
		s.Key = append(s.Key, key)
	}
	return s
}

// seed reads version, fixed or flag:NAME; whether there is such a flag is checked with the whole service.
func (p *parser) seed(n *node) Seed {
	if n != nil && Seed(n.value).Flag() != "" {
		return Seed(p.text(n))
	}
	return choice(p, n, SeedVersion, SeedVersion, SeedFixed, SeedFlag+"NAME")
}

// source is a key as people write it, "" when it is broken. A cookie that is read and issued is no
// repetition.
func source(k StickyKey) string {
	switch {
	case k.Header != "":
		return "header " + k.Header
	case k.Cookie != "":
		return "cookie " + k.Cookie
	}
	return ""
}

func (p *parser) stickyKey(n *node) StickyKey {
	const sources = "one of {header: NAME}, {cookie: NAME} and {issue_cookie: NAME}"
	o := p.object(n, "header", "cookie", "issue_cookie")
	if n.kind == yaml.MappingNode && len(n.fields) != 1 {
		p.report(n, flaw{fmt.Sprintf("has %d sources", len(n.fields)), "write " + sources + " for each entry"})
	}
	return StickyKey{
		Header:      p.checked(o.at("header"), headerName),
		Cookie:      p.checked(o.at("cookie"), cookieName),
		IssueCookie: p.checked(o.at("issue_cookie"), cookieName),
	}
}

func cookieName(s string) (string, *flaw) {
	if !isToken(s) {
		return "", &flaw{quote(s) + " is not a cookie name", "write it like session_id"}
	}
	return s, nil
}

func (p *parser) rules(n *node) []Rule {
	var all []Rule
	for _, item := range p.list(n) {
		o := p.object(item, "when", "to")
		when := p.need(o, "when", `say which requests: {header: {X-Beta: "true"}}`)
		to := p.need(o, "to", "name a pool or a role")
		all = append(all, Rule{When: p.match(when), To: p.text(to)})
	}
	return all
}

func (p *parser) match(n *node) Match {
	o := p.object(n, "header", "users", "flag", "path_prefix")
	m := Match{
		Flag:       p.text(o.at("flag")),
		Header:     p.headerMatches(o.at("header")),
		PathPrefix: p.checked(o.at("path_prefix"), pathPrefix),
	}
	for _, item := range p.list(o.at("users")) {
		if user := p.text(item); user != "" {
			m.Users = append(m.Users, user)
		}
	}
	if n != nil && n.kind == yaml.MappingNode && len(n.fields) == 0 {
		p.report(n, flaw{"matches every request", "name a header, users, a flag or a path_prefix; weights split the rest"})
	}
	for _, key := range []string{"header", "users"} {
		if at := o.at(key); at != nil && len(at.fields)+len(at.items) == 0 {
			p.report(at, flaw{"is empty, so nothing can match", "remove it or fill it in"})
		}
	}
	return m
}

func (p *parser) headerMatches(n *node) []HeaderMatch {
	var all []HeaderMatch
	lines := map[string]int{}
	for _, f := range p.mapping(n) {
		name, bad := headerName(f.key.value)
		if bad != nil {
			p.spoil(f.key, *bad)
		}
		p.once(f.key, name, lines)
		all = append(all, HeaderMatch{Name: name, Value: p.checked(f.value, headerValue)})
	}
	slices.SortFunc(all, func(a, b HeaderMatch) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// headerValue is a value that can arrive: RFC 9110 §5.5 removes the blanks around it and forbids controls.
func headerValue(s string) (string, *flaw) {
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	if strings.Trim(s, " \t") != s || strings.ContainsFunc(s, control) {
		return "", &flaw{"no header has the value " + quote(s), "remove the blanks around it and control characters"}
	}
	return s, nil
}

// checkRules looks for the pools and the sticky key that rules speak of.
func (p *parser) checkRules(s *Service, names []string, n *node) {
	if n == nil || n.bad {
		return
	}
	known := setOf(names)
	for _, item := range n.items {
		if to := item.child("to"); to != nil && !known[to.value] && to.kind == yaml.ScalarNode {
			p.checkTo(to, names)
		}
		if flag := item.child("when").child("flag"); flag != nil {
			p.checkFlag(flag, flag.value)
			if p.keyed[flag.value] && len(s.Sticky.Key) == 0 {
				p.report(flag, flaw{"a flag that tells users apart needs sticky.key", "say what names a user: sticky: {key: [{header: X-User-ID}]}"})
			}
		}
		if users := item.child("when").child("users"); users != nil && len(s.Sticky.Key) == 0 {
			p.report(users, flaw{"users need sticky.key", "say what names a user: sticky: {key: [{header: X-User-ID}]}"})
		}
	}
}

func (p *parser) checkTo(to *node, names []string) {
	switch to.value {
	case RoleBaseline, RoleLive:
	case RoleCandidate, RoleIdle:
		if len(names) != 2 {
			p.report(to, flaw{"no pool has the role " + to.value + ", since there are not exactly two pools", "name the pool: " + oneOf(names)})
		}
	default:
		p.noPool(to, slices.Concat(names[:min(len(names), maxSuggestNames)], roles()))
	}
}

// checkFlag looks for the flag that n names.
func (p *parser) checkFlag(n *node, name string) {
	if !slices.Contains(p.flagNames, name) && !n.bad {
		p.spoil(n, flaw{"there is no flag " + quote(name), p.noFlag(name)})
	}
}

func (p *parser) noFlag(name string) string {
	if len(p.flagNames) == 0 {
		return "define it: flags: {" + cut(name) + ": {strategy: percentage, value: 5}}"
	}
	return p.nearest(name, p.flagNames)
}

// checkFlags looks for the flags that a service speaks of and for the users they are about.
func (p *parser) checkFlags(s *Service, pools int, n *node) {
	seed := n.child("sticky").child("seed")
	if flag := s.Sticky.Seed.Flag(); flag != "" && seed != nil {
		p.checkFlag(seed, flag)
		if pools > 2 {
			p.report(seed, flaw{"a flag has two sides, but there are more pools", "write seed: version, or keep two pools"})
		}
	}
	list := n.child("flags")
	if list == nil {
		return
	}
	for _, item := range list.items {
		p.checkFlag(item, item.value)
	}
	if len(list.items) > maxToldFlags {
		p.report(list, flaw{fmt.Sprintf("lists %d flags", len(list.items)), fmt.Sprintf("at most %d are told upstream", maxToldFlags)})
	}
}

// maxToldFlags keeps the header small that tells upstream.
const maxToldFlags = 64
