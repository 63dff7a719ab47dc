package control

import (
	"cmp"
	"context"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// Explain says what becomes of a request now and why. It changes nothing.
func (l *Loop) Explain(_ context.Context, q api.ExplainRequest) (api.Explanation, error) {
	return Explain(l.view.Load().table, q)
}

// FirstTable is the table that would be in force if a file were started with no state. It opens and probes
// nothing, so every target is unknown.
func FirstTable(c *config.Config) (*router.Table, error) {
	p, err := New(Options{Config: c}).plan(c, time.Time{}, nil)
	if err != nil {
		return nil, err
	}
	return p.table, nil
}

// Explain says what becomes of a request under a table and why. An error is an *api.Error.
func Explain(t *router.Table, q api.ExplainRequest) (api.Explanation, error) {
	e := explainer{table: t, q: q}
	r, err := e.request()
	if err != nil {
		return api.Explanation{}, err
	}
	e.x = t.Explain(r, [2]uint64{})
	return e.answer(), nil
}

// explainer turns what the router says into words.
type explainer struct {
	table    *router.Table
	q        api.ExplainRequest
	listener *config.Listener
	peer     netip.Addr
	client   netip.Addr
	header   fields
	x        router.Explanation
}

// fields is the header of a request that is only asked about.
type fields map[string]string

// Get implements router.Header.
func (f fields) Get(name string) string { return f[name] }

// request is what the proxy would ask the router.
func (e *explainer) request() (*router.Request, error) {
	if err := e.listen(); err != nil {
		return nil, err
	}
	if err := e.address(); err != nil {
		return nil, err
	}
	e.header = make(fields, len(e.q.Headers))
	for name, value := range e.q.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if canonical == "Host" {
			return nil, api.Problem(api.TypeInvalid, "Host is no header here; write it as host")
		}
		if _, twice := e.header[canonical]; twice {
			return nil, api.Problem(api.TypeInvalid, "header %s is there twice", canonical)
		}
		e.header[canonical] = strings.Trim(value, " \t")
	}
	e.client = e.table.Origin(e.peer, []string{e.header["X-Forwarded-For"]})
	host, path, err := e.place()
	if err != nil {
		return nil, err
	}
	return &router.Request{Host: host, Path: path, Pool: e.listener.Pool, Client: e.client, Header: e.header}, nil
}

func (e *explainer) listen() error {
	var names []string
	for i := range e.table.Config.Listeners {
		l := &e.table.Config.Listeners[i]
		if l.Serve != "" {
			continue
		}
		names = append(names, l.Name)
		if l.Name == e.q.Listener || e.q.Listener == "" && l.Pool == "" && e.listener == nil {
			e.listener = l
		}
	}
	if e.listener == nil {
		return api.Problem(api.TypeInvalid, "no listener for traffic is called %q; there are %s", e.q.Listener, strings.Join(names, ", "))
	}
	return nil
}

func (e *explainer) address() error {
	if e.q.Client == "" {
		return nil
	}
	var err error
	if e.peer, err = netip.ParseAddr(e.q.Client); err != nil {
		return api.Problem(api.TypeInvalid, "client %q is not an IP address", e.q.Client)
	}
	e.peer = e.peer.Unmap()
	return nil
}

// place is host and path, those of the service where the request names none.
func (e *explainer) place() (host, path string, err error) {
	host = e.q.Host
	path, _, _ = strings.Cut(e.q.Path, "?")
	if name := e.q.Service; name != "" {
		svc := e.table.Config.Service(name)
		if svc == nil || svc.Of != "" {
			return "", "", unknownService(name)
		}
		if host == "" && len(svc.Hosts) > 0 {
			host = strings.Replace(svc.Hosts[0], "*", "any", 1)
		}
		path = cmp.Or(path, svc.Paths[0])
	}
	return host, cmp.Or(path, "/"), nil
}
