package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dialTime bounds a connection's way into being, also for calls that may take long to be answered.
const dialTime = 10 * time.Second

// connect looks a name up once, checks every address it stands for and dials those very addresses: a
// name server cannot show one address to the check and another to the dial.
func (c *Client) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errURL
	}
	end := time.Now().Add(dialTime)
	if until, ok := ctx.Value(deadline{}).(time.Time); ok && until.Before(end) {
		end = until
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, errURL
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
		if err := c.check(host, netip.AddrPortFrom(addrs[i], uint16(n))); err != nil {
			return nil, err
		}
	}
	var failed error
	for i, a := range addrs {
		conn, err := c.try(ctx, network, netip.AddrPortFrom(a, uint16(n)).String(), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	addrs, err := c.lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return slices.Clone(addrs), err
}

// try dials one address with its part of the time that is left.
func (c *Client) try(ctx context.Context, network, address string, tries int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && tries > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(tries))
		defer cancel()
	}
	return c.dial(ctx, network, address)
}

// check says why an address is not called, nil when it may be. host is what the URL calls it.
func (c *Client) check(host string, at netip.AddrPort) error {
	what := ""
	switch ip := embedded(at.Addr()); {
	case ip.IsLinkLocalUnicast():
		what = "link-local"
	case ip.IsUnspecified():
		what = "unspecified"
	case ip.IsMulticast():
		what = "multicast"
	case own(*c.admin.Load(), netip.AddrPortFrom(ip, at.Port())):
		what = "this node's own admin API"
	}
	if what == "" || c.allowed(host, at) {
		return nil
	}
	return fmt.Errorf("%w: %s is %s", ErrDenied, at, what)
}

func (c *Client) allowed(host string, at netip.AddrPort) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, name := range *c.allow.Load() {
		h, port, err := net.SplitHostPort(name)
		if err != nil {
			h, port = strings.Trim(name, "[]"), ""
		}
		if port != "" && port != strconv.Itoa(int(at.Port())) {
			continue
		}
		ip, err := netip.ParseAddr(h)
		if err == nil && ip.Unmap() == at.Addr() || strings.EqualFold(strings.TrimSuffix(h, "."), host) {
			return true
		}
	}
	return false
}

// nat64 is the prefix under which a network may translate IPv6 to IPv4 (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// embedded is the IPv4 address that an IPv6 one leads to, or the address itself without its zone.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// own reports whether at leads to a listener of this node. One that listens everywhere is reached by every
// address the machine has.
func own(listener net.Addr, at netip.AddrPort) bool {
	tcp, ok := listener.(*net.TCPAddr)
	if !ok || tcp == nil || tcp.Port != int(at.Port()) {
		return false
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	if ok && !ip.IsUnspecified() {
		return ip.Unmap() == at.Addr()
	}
	return at.Addr().IsLoopback() || local(at.Addr())
}

// local reports whether the machine has the address. When it cannot be told, it has.
func local(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		have, ok := netip.AddrFromSlice(n.IP)
		return ok && have.Unmap() == ip
	})
}
