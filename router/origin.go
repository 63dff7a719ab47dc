package router

import (
	"net/netip"
	"strings"
)

// Origin is the address of who asked first, as far as trusted proxies tell: it walks the lines of X-Forwarded-For
// from the right while the addresses are trusted. Of a peer that is not trusted it is the peer.
func (t *Table) Origin(peer netip.Addr, fields []string) netip.Addr {
	addr := peer
	hops := strings.Split(strings.Join(fields, ","), ",")
	for i := len(hops) - 1; i >= 0 && t.TrustsProxy(addr); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

// parseHop reads an address; some proxies write the port, too.
func parseHop(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr, true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr(), err == nil
}
