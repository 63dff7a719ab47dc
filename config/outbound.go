package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Outbound is about the calls that switchback makes by itself: gates, announcements, checks from outside.
type Outbound struct {
	// Allow names what may be called although it is link-local or the own admin API: "host" or
	// "host:port" in lower case, IPv6 with a port in brackets.
	Allow []string
}

func (p *parser) outbound(n *node) Outbound {
	return Outbound{Allow: p.distinct(p.object(n, "allow").at("allow"), allowedHost)}
}

// allowedHost is a host with or without a port.
func allowedHost(s string) (string, *flaw) {
	lower := strings.ToLower(s)
	host, port, err := net.SplitHostPort(lower)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(lower, "["), "]"), "80"
	}
	if n, ok := portNumber(port); !ok || n == 0 {
		return "", &flaw{"port " + quote(port) + " is not a number from 1 to 65535", ""}
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return lower, nil
	}
	return lower, domain(host)
}

// called is an address in the file that switchback will call, to be compared with the rest of the file.
type called struct {
	at         *node
	host, port string // in lower case
}

// callURL reads an address to call: http or https, with any path and query. Whether it may be called is
// known only when the whole file is: see checkCalls.
func (p *parser) callURL(n *node) string {
	return p.checked(n, func(s string) (string, *flaw) {
		u, f := callable(s)
		if f == nil {
			port := u.Port()
			if port == "" {
				port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
			}
			p.calls = append(p.calls, called{n, strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port})
		}
		return s, f
	})
}

// callable judges an address to call. What is wrong is said without it: its path may be a secret.
func callable(s string) (*url.URL, *flaw) {
	bad := func(hint string) (*url.URL, *flaw) { return nil, &flaw{"is not an address that can be called", hint} }
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "":
		return bad("write it like https://ci.example.com/hook")
	case u.User != nil:
		return bad("secrets do not belong into this file: name a file with token_file")
	case strings.Contains(s, "#"):
		return bad("an address has no fragment")
	case strings.EqualFold(u.Hostname(), "hooks.slack.com"):
		return bad("the address of a Slack webhook is a secret: put it into a file and name it with slack_file")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, ok := portNumber(port); !ok || n == 0 {
			return bad("a port is a number from 1 to 65535")
		}
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil {
		if f := domain(strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))); f != nil {
			return nil, f
		}
	}
	return u, nil
}

// checkCalls reports addresses that are called only when they are named: link-local ones, where clouds
// keep their metadata, and the own admin API. Names are looked at again when they are looked up.
func (p *parser) checkCalls(c *Config) {
	for _, call := range p.calls {
		what := ""
		ip, err := netip.ParseAddr(call.host)
		ip = ip.Unmap().WithZone("")
		switch {
		case err == nil && ip.IsLinkLocalUnicast():
			what = "is link-local"
		case err == nil && (ip.IsUnspecified() || ip.IsMulticast()):
			what = "is no address of a single machine"
		case call.reaches(c.Admin.Address):
			what = "is the own admin API"
		}
		if what == "" || call.allowed(c.Outbound.Allow) {
			continue
		}
		at := net.JoinHostPort(call.host, call.port)
		p.report(call.at, flaw{at + " " + what, fmt.Sprintf("call another address; if it is meant, write outbound: {allow: [%q]}", at)})
	}
}

func (c called) allowed(names []string) bool {
	return slices.Contains(names, c.host) || slices.Contains(names, "["+c.host+"]") ||
		slices.Contains(names, net.JoinHostPort(c.host, c.port))
}

// reaches reports whether a call would arrive at a listener of this machine.
func (c called) reaches(listener string) bool {
	host, port, err := net.SplitHostPort(listener)
	if err != nil || port != c.port {
		return false
	}
	return strings.EqualFold(host, c.host) ||
		(covers(host, c.host) || isLocal(listener)) && isLocal(net.JoinHostPort(c.host, c.port))
}
