package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// address judges host:port as something to listen on. The host may be empty and the port 0, which lets
// the system choose.
func address(s string) (string, *flaw) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", &flaw{quote(s) + " is not an address", `write host:port, such as "127.0.0.1:8080" or ":8080"`}
	}
	if _, ok := portNumber(port); !ok {
		return "", &flaw{"port " + quote(port) + " is not a number from 0 to 65535", ""}
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return s, nil
	}
	return s, domain(strings.ToLower(host))
}

func portNumber(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && isDecimal(s)
}

// collide reports whether two valid addresses cannot be listened on at once.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return strings.EqualFold(hostA, hostB) || covers(hostA, hostB) || covers(hostB, hostA)
}

// covers reports whether listening on every address of a takes b as well.
func covers(a, b string) bool {
	switch a {
	case "", "::":
		return true
	case "0.0.0.0":
		return !strings.Contains(b, ":")
	}
	return false
}

// isLocal reports whether only this machine can reach an address.
func isLocal(s string) bool {
	if strings.HasPrefix(s, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// prefix reads an address range or a single address.
func prefix(s string) (netip.Prefix, *flaw) {
	bad := func(hint string) (netip.Prefix, *flaw) {
		return netip.Prefix{}, &flaw{quote(s) + " is not an address range", hint}
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	r, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return bad("write it like 10.0.0.0/8 or 10.0.0.1")
	case r.Addr().Is4In6():
		return bad("write IPv4 ranges as IPv4")
	case r != r.Masked():
		return bad("its first address is " + r.Masked().String())
	}
	return r, nil
}

// targetURL is a target in canonical form: scheme, lower-case host and port, nothing else.
func targetURL(s string) (string, *flaw) {
	bad := func(hint string) (string, *flaw) { return "", &flaw{quote(withoutUser(s)) + " is not a target", hint} }
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme == "" || u.Hostname() == "":
		return bad("write it like http://10.0.0.1:8080")
	case !slices.Contains([]string{"http", "https", "h2c"}, u.Scheme):
		return bad("the scheme is http, https or h2c")
	case u.User != nil:
		return bad("a target has no user and password")
	case u.Path != "" && u.Path != "/" || strings.ContainsAny(s, "?#"):
		return bad("a target is scheme, host and port, without a path, query or fragment")
	}
	host, f := targetHost(u.Hostname())
	if f != nil {
		return "", f
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "h2c": "80"}[u.Scheme]
	}
	if n, ok := portNumber(port); !ok || n == 0 || strings.HasSuffix(u.Host, ":") {
		return bad("a port is a number from 1 to 65535")
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port), nil
}

// withoutUser hides what may be a password from messages, which end up in logs.
func withoutUser(s string) string {
	at := strings.LastIndex(s, "@")
	if at < 0 {
		return s
	}
	scheme, _, found := strings.Cut(s[:at], "://")
	if !found {
		scheme = "http"
	}
	return scheme + "://…@" + s[at+1:]
}

// targetHost refuses addresses no service of the operator's lives at. Link-local ones are where clouds
// keep their metadata and its credentials.
func targetHost(s string) (string, *flaw) {
	host := strings.ToLower(s)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host, domain(strings.TrimSuffix(host, "."))
	}
	ip = ip.Unmap()
	bad := func(what string) (string, *flaw) {
		return "", &flaw{what + " address " + ip.String() + " cannot be a target", "name the address the service listens on"}
	}
	switch {
	case ip.IsLinkLocalUnicast():
		return bad("link-local")
	case ip.IsUnspecified():
		return bad("unspecified")
	case ip.IsMulticast():
		return bad("multicast")
	case ip.Zone() != "":
		return bad("scoped")
	}
	return ip.String(), nil
}

// upstreamHost is preserve, target or the Host to send.
func upstreamHost(s string) (string, *flaw) {
	words := []string{"preserve", "target"}
	if slices.Contains(words, s) {
		return s, nil
	}
	if lower := strings.ToLower(s); slices.Contains(words, lower) {
		return "", &flaw{quote(s) + " is not known here", "did you mean " + quote(lower) + "?"}
	}
	literal := func(hint string) (string, *flaw) { return "", &flaw{quote(s) + " is not a host", hint} }
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "80"
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			host = s[1 : len(s)-1]
		}
	}
	if n, ok := portNumber(port); !ok || n == 0 {
		return literal("a port is a number from 1 to 65535")
	}
	ip, err := netip.ParseAddr(host)
	brackets := strings.HasPrefix(s, "[")
	switch {
	case err == nil && (ip.Zone() != "" || ip.Is6() != brackets):
		return literal("write IPv6 addresses in brackets and without a zone, IPv4 without brackets")
	case err != nil && (brackets || domain(strings.ToLower(host)) != nil):
		return literal("write preserve, target or the host to send, such as shop.internal:8080")
	}
	return s, nil
}
