package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
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
	dialer := &net.Dialer{Timeout: t.Connect, KeepAlive: 30 * time.Second}
	return &upstream{timeouts: t, transport: &http.Transport{
		Protocols:              protocols,
		DisableCompression:     true, // what the client did not ask for is not asked for
		MaxIdleConnsPerHost:    idlePerTarget,
		IdleConnTimeout:        t.Idle,
		ResponseHeaderTimeout:  t.ResponseHeader,
		ExpectContinueTimeout:  expectWait,
		MaxResponseHeaderBytes: maxHead,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return newUpstreamConn(c), nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialTLS(ctx, dialer, network, addr)
		},
	}}
}

// dialTLS verifies the target by its name in the file. The guard sits above TLS, where it sees HTTP.
func dialTLS(ctx context.Context, dialer *net.Dialer, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout)
	defer cancel()
	c, err := dialer.DialContext(ctx, network, addr)
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
	return newUpstreamConn(t), nil
}

// retire closes what is idle now, and what is in use once its exchange ended.
func (u *upstream) retire() { u.transport.CloseIdleConnections() }
