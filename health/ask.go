package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Bounds of what is read from a target, which may be broken or hostile.
const (
	maxHead  = 64 << 10
	maxBody  = 4 << 10
	bodyTime = 100 * time.Millisecond // after the head has decided
)

// asker puts one question to a target.
//
// Each question has a connection of its own. A kept one would go on answering while the target's backlog
// is full or its listener is gone, which is just what a probe is for. The connection comes from
// NewClientConn, whose RoundTrip follows no redirect and whose dial ends with its context: one begun by
// Transport.RoundTrip outlives its request, and behind a host that drops packets they would pile up.
type asker struct {
	http1, h2c, http2 *http.Transport // http2 is by TLS, for gRPC
	agent             string
}

func newAsker(o Options) asker {
	dial := o.Dial
	if dial == nil {
		dial = dialTCP
	}
	transport := func(speak func(*http.Protocols, bool)) *http.Transport {
		protocols := new(http.Protocols)
		speak(protocols, true)
		return &http.Transport{ // no Proxy: the environment has no say in what is probed
			DialContext:            dial,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHead,
			Protocols:              protocols,
		}
	}
	return asker{
		agent: "switchback-health/" + cmp.Or(o.Version, "dev"),
		http1: transport((*http.Protocols).SetHTTP1),
		h2c:   transport((*http.Protocols).SetUnencryptedHTTP2),
		http2: transport((*http.Protocols).SetHTTP2),
	}
}

// transport is by what a check speaks with its target.
func (a asker) transport(c check) *http.Transport {
	switch {
	case c.h2c:
		return a.h2c
	case c.grpc != nil:
		return a.http2
	}
	return a.http1
}

func (a asker) request(ctx context.Context, c check) (*http.Request, error) {
	if c.grpc != nil {
		return grpcRequest(ctx, c, a.agent)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.scheme+"://"+c.addr+c.path, http.NoBody)
	if err != nil {
		return nil, errors.New("path " + printable(c.path) + " cannot be asked for")
	}
	req.Header.Set("User-Agent", a.agent)
	req.Close = true
	return req, nil
}

// ask returns nil when the target gave a good answer, and an error in words for people otherwise. ctx
// bounds everything. The caller calls hangUp when it has booked the answer: that reads what is left of a
// small body, so that the target sees a whole exchange, and closes the connection. It waits briefly at most.
func (a asker) ask(ctx context.Context, c check) (hangUp func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	hangUp = cancel
	defer func() { // a target must not be able to take the process down
		if r := recover(); r != nil {
			err = fmt.Errorf("probe broke: %.200v", r)
		}
	}()
	req, err := a.request(ctx, c)
	if err != nil {
		return hangUp, err
	}
	req.Host = c.host

	conn, err := a.transport(c).NewClientConn(ctx, c.scheme, c.addr)
	if err != nil {
		return hangUp, explain(err, c)
	}
	resp, err := conn.RoundTrip(req) //nolint:bodyclose // hangUp closes it, after the answer is booked
	if err != nil {
		_ = conn.Close()
		return hangUp, explain(err, c)
	}
	hangUp = func() {
		defer time.AfterFunc(bodyTime, cancel).Stop()
		if resp.StatusCode != http.StatusSwitchingProtocols {
			_, _ = io.CopyN(io.Discard, resp.Body, maxBody) // the head has decided
		}
		_ = resp.Body.Close()
		_ = conn.Close()
		cancel()
	}
	if c.grpc != nil {
		return hangUp, grpcVerdict(resp, c)
	}
	if !c.good(resp.StatusCode) {
		return hangUp, refuse(resp, c)
	}
	return hangUp, nil
}

// dialTCP connects to a target. A name that turns out to be link-local is refused: that is where clouds
// keep the credentials of their machines. An address written as such in the file is the operator's word.
func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if _, err := netip.ParseAddrPort(address); err != nil {
		d.ControlContext = notLinkLocal
	}
	return d.DialContext(ctx, network, address)
}

// errLinkLocal says why a name was not dialed.
var errLinkLocal = errors.New("the name stands for a link-local address, which is not probed")

// notLinkLocal looks at the address a name was resolved to, just before it is dialed.
func notLinkLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().Unmap().IsLinkLocalUnicast() {
		return errLinkLocal
	}
	return nil
}
