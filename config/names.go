package config

import (
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
)

// The functions below say what is wrong with a word, nil when nothing is.

// nameFlaw judges the name of a service, pool, listener or token.
func nameFlaw(s string) *flaw {
	const hint = "a name has 1 to 63 letters, digits, '-', '_' or '.' and begins with a letter or digit"
	if s == "" || len(s) > 63 || !isAlnum(s[0]) {
		return &flaw{quote(s) + " is not a name", hint}
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && !strings.ContainsRune("-_.", rune(s[i])) {
			return &flaw{quote(s) + " is not a name", hint}
		}
	}
	return nil
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isToken reports whether s is a token of RFC 9110 §5.6.2: what a header or cookie may be called.
func isToken(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// framing are the headers that belong to one connection or to the framing of one message. They are not
// handed on, so no rule can depend on them.
var framing = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// headerName is s in canonical form.
func headerName(s string) (string, *flaw) {
	if !isToken(s) {
		return "", &flaw{quote(s) + " is not a header name", "write it like X-User-ID"}
	}
	name := textproto.CanonicalMIMEHeaderKey(s)
	if slices.Contains(framing, name) {
		return "", &flaw{name + " belongs to the connection and cannot be used here", "choose another header"}
	}
	return name, nil
}

// domain judges a lower-case DNS name. Underscores are allowed: container networks use them.
func domain(s string) *flaw {
	if s == "" || len(s) > 253 {
		return &flaw{quote(s) + " is not a host name", "a host name has 1 to 253 characters"}
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if f := labelFlaw(s, label); f != nil {
			return f
		}
	}
	// Some resolvers read 10.1, 0x7f.1 or 2130706433 as an address.
	last := labels[len(labels)-1]
	if isDigits(last) || strings.HasPrefix(last, "0x") {
		return &flaw{quote(s) + " is neither a host name nor an IP address", "an IPv4 address has four numbers up to 255"}
	}
	return nil
}

func labelFlaw(s, label string) *flaw {
	f := &flaw{quote(s) + " is not a host name", "a host name has letters, digits and '-' between dots; write other scripts as xn--…"}
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return f
	}
	for i := range len(label) {
		if !isAlnum(label[i]) && label[i] != '-' && label[i] != '_' {
			return f
		}
	}
	return nil
}

// hostPattern is a host of a service in lower case: a DNS name, "*." and a DNS name, or an IP address
// without brackets.
func hostPattern(s string) (string, *flaw) {
	host := strings.ToLower(s)
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil && ip.Zone() == "" {
		return ip.Unmap().String(), nil
	}
	name := strings.TrimPrefix(host, "*.")
	switch {
	case strings.Contains(name, "*"):
		return "", &flaw{quote(s) + " is not a host", "* stands only for the first label, as in *.example.com; leave hosts out for any host"}
	case strings.Contains(name, ":"):
		return "", &flaw{quote(s) + " is not a host", "write the host without a scheme or port"}
	}
	return host, domain(name)
}

// pathPrefix is a path on whole segments without its trailing slash. Only the plain form is accepted, so
// that one prefix has one spelling.
func pathPrefix(s string) (string, *flaw) {
	bad := func(hint string) (string, *flaw) { return "", &flaw{quote(s) + " is not a path prefix", hint} }
	switch {
	case !strings.HasPrefix(s, "/"):
		return bad("a path begins with /")
	case strings.ContainsAny(s, "?#"):
		return bad("a prefix has no query and no fragment")
	case strings.ContainsAny(s, `%\`):
		return bad("write it without escapes and backslashes")
	case strings.Contains(s, "//"):
		return bad("write one slash")
	case !visible(s):
		return bad("it has only visible ASCII characters")
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." {
			return bad("write it without . and .. segments")
		}
	}
	if len(s) > 1 {
		s = strings.TrimSuffix(s, "/")
	}
	return s, nil
}

// visible reports whether s has only visible ASCII characters, so neither spaces nor controls.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
