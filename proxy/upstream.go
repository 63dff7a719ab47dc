package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// idlePerTarget is how many unused connections to one target are kept.
const idlePerTarget = 256

// expectWait is how long a target that stays silent to Expect: 100-continue is waited for before the
// body is sent all the same (RFC 9110 §10.1.1).
const expectWait = time.Second

// upstream is the connections to the targets of one pool.
type upstream struct {
	timeouts  config.Timeouts
	transport *http.Transport
}

func newUpstream(t config.Timeouts) *upstream {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &upstream{timeouts: t, transport: &http.Transport{
		Protocols:              protocols,
		DisableCompression:     true, // what the client did not ask for is not asked for
		MaxIdleConnsPerHost:    idlePerTarget,
		IdleConnTimeout:        t.Idle,
		ResponseHeaderTimeout:  t.ResponseHeader,
		ExpectContinueTimeout:  expectWait,
		MaxResponseHeaderBytes: maxHead,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, t.Connect, network, addr)
			if err != nil {
				return nil, err
			}
			return newUpstreamConn(c, c), nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialTLS(ctx, t.Connect, network, addr)
		},
	}}
}

// errLinkLocal says why a name was not dialed.
var errLinkLocal = errors.New("the name stands for a link-local address, which is not dialed")

// dial connects to a target. A name that turns out to be link-local is refused: that is where clouds keep
// the credentials of their machines. An address written as such in the file is the operator's word.
func dial(ctx context.Context, timeout time.Duration, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	if _, err := netip.ParseAddrPort(addr); err != nil {
		d.Control = func(_, resolved string, _ syscall.RawConn) error {
			if ap, err := netip.ParseAddrPort(resolved); err == nil && ap.Addr().Unmap().IsLinkLocalUnicast() {
				return errLinkLocal
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, addr)
}

// dialTLS verifies the target by its name in the file. The guard sits above TLS, where it sees HTTP.
func dialTLS(ctx context.Context, timeout time.Duration, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := dial(ctx, timeout, network, addr)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	t := tls.Client(c, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: c.RemoteAddr(), Err: err}
	}
	return newUpstreamConn(t, c), nil
}

// retire closes what is idle now, and what is in use once its exchange ended.
func (u *upstream) retire() { u.transport.CloseIdleConnections() }
