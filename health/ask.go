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
)

// Bounds of what is read from a target, which may be broken or hostile.
const (
	maxHead = 64 << 10
	maxBody = 4 << 10
)

// asker puts one question to a target.
//
// Each question has a connection of its own. A kept one would go on answering while the target's backlog
// is full or its listener is gone, which is just what a probe is for. The connection comes from
// NewClientConn because a dial by Transport.RoundTrip outlives the context of its request: behind a host
// that drops packets such dials would pile up.
type asker struct {
	transport *http.Transport
	agent     string
}

func newAsker(o Options) asker {
	dial := o.Dial
	if dial == nil {
		dial = dialTCP
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return asker{
		agent: "switchback-health/" + cmp.Or(o.Version, "dev"),
		transport: &http.Transport{ // no Proxy: the environment has no say in what is probed
			DialContext:            dial,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHead,
			Protocols:              protocols,
		},
	}
}

// ask returns nil when the target gave a good answer, and an error in words for people otherwise. ctx
// bounds everything. The caller calls hangUp when it has booked the answer: that reads what is left of a
// small body, so that the target sees a whole exchange, and closes the connection.
func (a asker) ask(ctx context.Context, c check) (hangUp func(), err error) {
	hangUp = func() {}
	defer func() { // a target must not be able to take the process down
		if r := recover(); r != nil {
			err = fmt.Errorf("probe broke: %.200v", r)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.scheme+"://"+c.addr+c.path, http.NoBody)
	if err != nil {
		return hangUp, errors.New("path " + printable(c.path) + " cannot be asked for")
	}
	req.Host = c.host
	req.Header.Set("User-Agent", a.agent)
	req.Close = true

	conn, err := a.transport.NewClientConn(ctx, c.scheme, c.addr)
	if err != nil {
		return hangUp, explain(err, c)
	}
	resp, err := conn.RoundTrip(req) // follows no redirect
	if err != nil {
		conn.Close()
		return hangUp, explain(err, c)
	}
	hangUp = func() {
		if resp.StatusCode != http.StatusSwitchingProtocols {
			_, _ = io.CopyN(io.Discard, resp.Body, maxBody) // the head has decided
		}
		resp.Body.Close()
		conn.Close()
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
