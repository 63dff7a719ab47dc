// Package outbound is the one way in which switchback calls somebody by itself: gates, announcements,
// webhooks, scrapes and queries. Whoever writes the file names the addresses, so a client here reaches
// neither link-local addresses nor the node's own admin API unless they are named, follows no redirect,
// asks no proxy, and takes neither more bytes nor more time than it was told. What a call carries may be
// secret: errors name the host and nothing behind it.
//
// It knows nothing of gates, checks or services.
package outbound

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// What a call may take when it does not say otherwise.
const (
	DefaultTimeout = 10 * time.Second // from the first look-up to the last byte
	DefaultMaxBody = 1 << 20
)

const (
	maxHead  = 64 << 10
	keepIdle = 30 * time.Second
)

// Errors that callers branch on. A call whose time is over gives context.DeadlineExceeded.
var (
	// ErrDenied is an address that must be named before it is called.
	ErrDenied = errors.New("address is not called unless outbound.allow names it")
	// ErrTooLarge is an answer with more bytes than the call takes.
	ErrTooLarge = errors.New("the answer is too large")
)

// Options make a Client. The zero value is usable.
type Options struct {
	Agent string   // User-Agent; "" for switchback
	Admin net.Addr // where this node's admin API listens; nil or a socket: nowhere that could be called
	Allow []string // see Client.Allow
	Roots *x509.CertPool

	// Lookup and Dial replace the network, for tests. Dial gets addresses that were looked up and checked.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client calls addresses outside. Make one with New; its methods are safe for concurrent use.
type Client struct {
	agent     string
	transport *http.Transport
	admin     atomic.Pointer[net.Addr]
	allow     atomic.Pointer[[]string]
	lookup    func(ctx context.Context, host string) ([]netip.Addr, error)
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns a client. Nothing is called before Do.
func New(o Options) *Client {
	c := &Client{agent: cmp.Or(o.Agent, "switchback"), lookup: o.Lookup, dial: o.Dial}
	if c.lookup == nil {
		c.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if c.dial == nil {
		c.dial = new(net.Dialer).DialContext
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	c.transport = &http.Transport{ // no Proxy: the environment has no say in what is called
		DialContext:            c.connect,
		TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // what we do not unpack cannot grow
		MaxResponseHeaderBytes: maxHead,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        keepIdle,
		Protocols:              protocols,
	}
	c.Admin(o.Admin)
	c.Allow(o.Allow)
	return c
}

// Admin says where the admin API of this node listens, which is often known only after New.
func (c *Client) Admin(at net.Addr) { c.admin.Store(&at) }

// Allow names what may be called although it is link-local or the node's own admin API: "host" or
// "host:port", where host is written as in the URL or is the address it stands for. It replaces what
// was allowed before; kept connections are closed.
func (c *Client) Allow(names []string) {
	if was := c.allow.Swap(&names); was != nil && slices.Equal(*was, names) {
		return
	}
	c.transport.CloseIdleConnections()
}

// Close ends kept connections. Calls under way go on.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Call is one request.
type Call struct {
	Method  string // "" for GET
	URL     string // http or https, without user and password
	Name    string // what errors call it; "" for Mask(URL)
	Header  http.Header
	Bearer  string // sent as a bearer token; "" for none
	Body    []byte
	Timeout time.Duration // 0: DefaultTimeout
	MaxBody int64         // of the answer; 0: DefaultMaxBody
}

// Answer is what came back, whole. A redirect is an answer like any other.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK reports a status from 200 to 299.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Do calls and blocks until the answer is complete, ctx ends or the call's time is over. Every status is an
// answer; an error means that there is none. It names the host, or Call.Name, and no other part of the call.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	name := cmp.Or(call.Name, Mask(call.URL))
	timeout := cmp.Or(call.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := c.do(ctx, call)
	if err != nil {
		return Answer{}, fmt.Errorf("call %s: %w", name, explain(ctx, err, timeout))
	}
	return answer, nil
}

func (c *Client) do(ctx context.Context, call Call) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(call.Method, http.MethodGet), call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, errURL
	}
	for name, values := range call.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if call.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+call.Bearer)
	}
	resp, err := guarded{c, cmp.Or(call.MaxBody, DefaultMaxBody)}.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// HTTP is the same client for libraries that want one: every guard holds, redirects are answers, and a
// body longer than maxBody ends with ErrTooLarge. Its errors hold the URL, as those of net/http do: give
// it no secret ones. Zero means the defaults.
func (c *Client) HTTP(timeout time.Duration, maxBody int64) *http.Client {
	return &http.Client{
		Transport:     guarded{c, cmp.Or(maxBody, DefaultMaxBody)},
		Timeout:       cmp.Or(timeout, DefaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded is a round trip that looks at the URL first and bounds the body.
type guarded struct {
	client  *Client
	maxBody int64
}

// RoundTrip is that of http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := callable(req.URL); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", g.client.agent)
	}
	resp, err := g.client.transport.RoundTrip(timed(req))
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > g.maxBody {
		_ = resp.Body.Close()
		return nil, tooLarge(g.maxBody)
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: g.maxBody, most: g.maxBody}
	return resp, nil
}

// deadline is the key under which a call's end reaches its dial: net/http lets a dial outlive its request.
type deadline struct{}

func timed(req *http.Request) *http.Request {
	end, ok := req.Context().Deadline()
	if !ok {
		return req
	}
	return req.WithContext(context.WithValue(req.Context(), deadline{}, end))
}

// errURL says no more than that: the URL may be a secret.
var errURL = errors.New("it is not a URL that can be called; write it like https://host/path")

func callable(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" || u.User != nil {
		return errURL
	}
	return nil
}

// limited is a body that must not be longer than it may be. A cut one is never taken for a whole.
type limited struct {
	io.ReadCloser
	left, most int64
}

// Read is that of io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if int64(n) > l.left {
		return int(l.left), tooLarge(l.most)
	}
	l.left -= int64(n)
	return n, err
}

func tooLarge(most int64) error { return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most) }
