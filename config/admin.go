package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// maxSocketPath is what fits into the address of a socket on every system (macOS has the least).
const maxSocketPath = 103

func (p *parser) admin(n *node, services []Service) Admin {
	o := p.object(n, "address", "url", "hosts", "tokens")
	a := Admin{Address: defaultAdminAddress}
	if s := p.checked(o.at("address"), adminAddress); s != "" {
		a.Address = s
	}
	a.URL = p.checked(o.at("url"), adminURL)
	for _, item := range p.list(o.at("hosts")) {
		if host := p.checked(item, adminHost); host != "" {
			a.Hosts = append(a.Hosts, host)
		}
	}
	a.Tokens = p.tokens(o.at("tokens"), services)
	if len(a.Tokens) == 0 && !isLocal(a.Address) {
		p.report(o.at("address"), flaw{
			quote(a.Address) + " can be reached by others and there are no tokens",
			"add tokens: [{name: ci, role: operator, file: ci.token}], or listen on 127.0.0.1 or a unix: socket",
		})
	}
	return a
}

func adminAddress(s string) (string, *flaw) {
	path, socket := strings.CutPrefix(s, "unix:")
	switch {
	case !socket:
		return address(s)
	case !filepath.IsAbs(path):
		return "", &flaw{quote(s) + " is not an address", "write an absolute path, such as unix:/run/switchback.sock"}
	case len(path) > maxSocketPath:
		return "", &flaw{"the path of a socket has at most 103 bytes", "choose a shorter one"}
	}
	return s, nil
}

// adminURL is where links for people begin.
func adminURL(s string) (string, *flaw) {
	u, f := callable(s)
	if f != nil || u.RawQuery != "" || u.ForceQuery {
		return "", &flaw{"is not where an admin API could be", "write it like https://switchback.internal"}
	}
	return strings.TrimSuffix(s, "/"), nil
}

func adminHost(s string) (string, *flaw) {
	host, f := hostPattern(s)
	if f == nil && strings.HasPrefix(host, "*.") {
		f = &flaw{quote(s) + " is not a host", "write every name out; wildcards would let foreign pages in"}
	}
	return host, f
}

func (p *parser) tokens(n *node, services []Service) []Token {
	var all []Token
	lines := map[string]int{}
	for _, item := range p.list(n) {
		o := p.object(item, "name", "role", "file", "services", "flags", "expires")
		name := p.need(o, "name", "a name tells in the history who did it")
		role := p.need(o, "role", "it is viewer or operator")
		file := p.need(o, "file", "name the file that holds the secret")
		t := Token{
			Name: p.checked(name, tokenName),
			Role: choice(p, role, Viewer, Viewer, Operator),
			File: p.filename(file),

			Services: p.tokenServices(o.at("services"), services),
			Flags:    p.tokenFlags(o.at("flags")),
			Expires:  p.expiry(o.at("expires")),
		}
		p.once(name, t.Name, lines)
		all = append(all, t)
	}
	return all
}

func tokenName(s string) (string, *flaw) { return s, nameFlaw(s) }

// once reports a value that was there before, and remembers the line of a new one.
func (p *parser) once(n *node, value string, lines map[string]int) {
	if n == nil || value == "" {
		return
	}
	if line, twice := lines[value]; twice {
		msg := quote(value) + " is given twice"
		if line > 0 {
			msg += fmt.Sprintf(", first in line %d", line)
		}
		p.report(n, flaw{msg, "remove one"})
		return
	}
	lines[value] = n.line
}
