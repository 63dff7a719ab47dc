package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// client is what we know of who asks, and the target of the request as received.
type client struct {
	peer    netip.Addr // of the connection; not valid on sockets without addresses
	trusted bool       // the peer is in trust.proxies
	addr    netip.Addr // who asked first, as far as trusted peers tell; else the peer
	secure  bool       // the connection is TLS
	https   bool       // so is the one of whoever asked first

	path    string // escaped, as received, without query
	query   string
	asked   bool // there was a "?", maybe with nothing behind it
	upgrade bool
	grpc    bool
	stream  bool          // of HTTP/2
	idle    time.Duration // how long it may leave us waiting
}

func (h *handler) client(r *http.Request, snap *snapshot) client {
	c := client{secure: h.listener.TLS != nil, stream: r.ProtoMajor == 2, idle: h.listener.Timeouts.Idle}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.peer = ap.Addr().Unmap()
	}
	c.addr = c.peer
	if snap != nil && snap.table.TrustsProxy(c.peer) {
		c.trusted = true
		c.addr = snap.table.Origin(c.peer, r.Header["X-Forwarded-For"])
	}
	c.https = c.secure || c.trusted && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	c.path, c.query, c.asked = requestTarget(r)
	c.upgrade = r.ProtoMajor == 1 && r.Header.Get("Upgrade") != ""
	c.grpc = isGRPC(r)
	return c
}

// requestTarget cuts the request-target as received into path and query. The authority of the
// absolute-form is in r.Host already (RFC 9112 §3.2.2).
func requestTarget(r *http.Request) (path, query string, asked bool) {
	path, query, asked = strings.Cut(r.RequestURI, "?")
	if path == "*" || strings.HasPrefix(path, "/") {
		return path, query, asked
	}
	if _, rest, ok := strings.Cut(path, "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			return rest[slash:], query, asked
		}
	}
	if r.Method == http.MethodOptions && !asked {
		return "*", "", false
	}
	return "/", query, asked
}
