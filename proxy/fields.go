package proxy

import (
	"net/http"
	"strings"

	"github.com/switchback-proxy/switchback/proxy/h1"
	"github.com/switchback-proxy/switchback/router"
)

// hopByHop are the fields of one connection (RFC 9110 §7.6.1), and Proxy, which CGI programs take for
// their outgoing proxy.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// removeHopByHop deletes the fields of one connection, those that Connection names included.
func removeHopByHop(h http.Header) {
	for name := range h1.ConnectionTokens(h["Connection"]) {
		h.Del(name)
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// ours are the names that only we set on the way upstream. Each is deleted whatever a client sends,
// apart from what trusted proxies say of the client.
func ours(name string) bool {
	return strings.HasPrefix(name, "Switchback-") || name == "Proxy" || name == "Proxy-Connection"
}

// told are the names by which proxies tell of the client.
func told(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "X-Real-Ip"
}

// shadows reports whether a name becomes one of ours, or one that frames a message, once a program
// takes "_" for "-", as CGI does.
func shadows(name string) bool {
	if !strings.Contains(name, "_") {
		return false
	}
	canonical := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	switch canonical {
	case "Content-Length", "Transfer-Encoding", "Host", "Connection", "Via", "Upgrade", "Te", "Trailer":
		return true
	}
	return ours(canonical) || told(canonical)
}

// upstreamFields are the fields of r as the target receives them: no hop-by-hop fields, nobody's word
// but that of trusted proxies about the client, our own set last.
func upstreamFields(r *http.Request, c client, t *router.Table) http.Header {
	h := make(http.Header, len(r.Header)+6)
	for name, values := range r.Header {
		if ours(name) || shadows(name) || told(name) && !c.trusted {
			continue
		}
		h[name] = values
	}
	trailers := hasToken(r.Header["Te"], "trailers")
	removeHopByHop(h)
	if trailers {
		h["Te"] = []string{"trailers"} // RFC 9110 §10.1.4
	}
	if o := t.OverrideHeader(); !t.MayOverride(c.addr) {
		delete(h, o)
	}
	if !r.ProtoAtLeast(1, 1) {
		delete(h, "Expect") // RFC 9110 §10.1.1
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // or the transport names itself
	}
	delete(h, "Host")
	addForwarded(h, r, c)
	return h
}

func hasToken(values []string, token string) bool {
	for v := range h1.ConnectionTokens(values) {
		if strings.EqualFold(v, token) {
			return true
		}
	}
	return false
}

// addForwarded tells the target who asked, by both conventions, and that we are on the way. Several lines
// of a list become one.
func addForwarded(h http.Header, r *http.Request, c client) {
	values := make([]string, 0, 5) // one piece of memory for all
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	add := func(name, value string) {
		if old := h[name]; len(old) > 0 {
			value = strings.Join(old, ", ") + ", " + value
		}
		set(name, value)
	}
	proto := "http"
	if c.secure {
		proto = "https"
	}
	peer := "unknown"
	if c.peer.IsValid() {
		peer = c.peer.String()
		add("X-Forwarded-For", peer)
	}
	if !c.trusted || h.Get("X-Forwarded-Proto") == "" {
		set("X-Forwarded-Proto", proto)
	}
	if (!c.trusted || h.Get("X-Forwarded-Host") == "") && r.Host != "" {
		set("X-Forwarded-Host", r.Host)
	}
	add("Forwarded", forwardedElement(peer, r.Host, proto))
	switch {
	case r.ProtoMajor == 2:
		add("Via", "2.0 switchback")
	case r.ProtoMinor == 0:
		add("Via", "1.0 switchback")
	default:
		add("Via", "1.1 switchback")
	}
}

// forwardedElement is one element of RFC 7239: addresses with colons and hosts are quoted.
func forwardedElement(peer, host, proto string) string {
	if strings.Contains(peer, ":") {
		peer = `"[` + peer + `]"`
	}
	if host == "" { // HTTP/1.0 may come without
		return "for=" + peer + ";proto=" + proto
	}
	return "for=" + peer + `;host="` + host + `";proto=` + proto
}

// copyFields copies a response's fields to the client without those of the connection.
func copyFields(dst, src http.Header) {
	removeHopByHop(src)
	for name, values := range src {
		if have := dst[name]; have != nil {
			values = append(have, values...)
		}
		dst[name] = values
	}
	if _, ok := dst["Content-Type"]; !ok {
		dst["Content-Type"] = nil // or the server guesses one
	}
}

// trailerAllowed keeps what frames or routes a message out of trailers (RFC 9110 §6.5.1).
func trailerAllowed(name string) bool {
	switch name {
	case "Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer", "Te", "Upgrade",
		"Authorization", "Cookie", "Set-Cookie", "Content-Encoding", "Content-Type", "Content-Range":
		return false
	}
	return h1.ValidToken(name) && !ours(name) && !told(name) && !shadows(name)
}
