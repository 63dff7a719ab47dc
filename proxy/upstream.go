package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/loop"
	"github.com/switchback-proxy/switchback/router"
)

// expectWait is how long a target that stays silent to Expect: 100-continue is waited for before the
// body is sent all the same (RFC 9110 §10.1.1).
const expectWait = time.Second

// upstream is the connections to the targets of one pool.
type upstream struct {
	timeouts config.Timeouts
	http1    *http1Transport
	fast     loop.Upstream // of event loops
	http2    overHTTP2
	calls    overHTTP2 // of gRPC: the time until the head of an answer is for client and target to settle
	retired  atomic.Bool
}

// overHTTP2 is connections by HTTP/2.
type overHTTP2 struct{ h2c, tls *http.Transport }

func newUpstream(t config.Timeouts, counts *metrics.Recorder) *upstream {
	calls := t
	calls.ResponseHeader = 0
	return &upstream{
		timeouts: t,
		fast: loop.Upstream{
			Dial:  func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, t.Connect, "tcp", addr) },
			Idle:  t.Idle,
			Count: counted(counts),
		},
		http1: newHTTP1Transport(t, counts),
		http2: newStreams(t, counts),
		calls: newStreams(calls, counts),
	}
}

// counted books what happens to the connections of event loops.
func counted(r *metrics.Recorder) func(loop.Event) {
	return func(e loop.Event) {
		switch e {
		case loop.Opened:
			r.ConnectionOpened()
		case loop.Reused:
			r.ConnectionReused()
		case loop.Stale:
			r.ConnectionStale()
		case loop.Poisoned:
			r.ConnectionPoisoned()
		}
	}
}

func newStreams(t config.Timeouts, counts *metrics.Recorder) overHTTP2 {
	return overHTTP2{
		h2c: newTransport(t, speaks{h2c: true}, counts),
		tls: newTransport(t, speaks{http1: true, http2: true}, counts),
	}
}

// transport is what reaches a target; nil when it has to upgrade and cannot.
func (u *upstream) transport(t *router.Target, http2 bool, c client) http.RoundTripper {
	s := &u.http2
	if c.grpc {
		s = &u.calls
	}
	switch {
	case t.H2C && c.upgrade:
		return nil
	case t.H2C:
		return s.h2c
	case t.TLS && (http2 || c.grpc) && !c.upgrade:
		return s.tls
	}
	return u.http1
}

// speaks is the protocols of a transport: http1 and http2 by TLS are agreed on by ALPN.
type speaks struct{ http1, http2, h2c bool }

func newTransport(t config.Timeouts, s speaks, counts *metrics.Recorder) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(s.http1)
	protocols.SetHTTP2(s.http2)
	protocols.SetUnencryptedHTTP2(s.h2c)
	return &http.Transport{
		Protocols:              protocols,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer},
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
			if s.h2c {
				counts.ConnectionOpened()
				return c, nil
			}
			return newUpstreamConn(c, c, counts), nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialTLS(ctx, t.Connect, network, addr, s.http2, counts)
		},
	}
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

// dialTLS verifies the target by its name in the file. The guard sits above TLS, where it sees HTTP/1.1;
// frames of HTTP/2 need none.
func dialTLS(ctx context.Context, timeout time.Duration, network, addr string, http2 bool, counts *metrics.Recorder) (net.Conn, error) {
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
	offer := []string{"http/1.1"}
	if http2 {
		offer = []string{"h2", "http/1.1"}
	}
	t := tls.Client(c, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: offer})
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: c.RemoteAddr(), Err: err}
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		counts.ConnectionOpened()
		return t, nil
	}
	return newUpstreamConn(t, c, counts), nil
}

// retire closes what is idle now, and what is in use once its exchange ended.
func (u *upstream) retire() {
	u.retired.Store(true)
	u.http1.retire()
	u.fast.Retire()
	for _, t := range []*http.Transport{u.http2.h2c, u.http2.tls, u.calls.h2c, u.calls.tls} {
		t.CloseIdleConnections()
	}
}

// released follows every exchange: transports of HTTP/2 do not remember to close what comes back.
func (u *upstream) released() {
	if u.retired.Load() {
		u.retire()
	}
}
