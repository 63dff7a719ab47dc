package main

import (
	"context"
	"net"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags/ofrep"
	"github.com/switchback-proxy/switchback/proxy"
	"github.com/switchback-proxy/switchback/secret"
	"golang.org/x/sync/errgroup"
)

// applications is an open listener that serves flags, with the certificates that follow their files.
type applications struct {
	ofrep.Listener
	certificates *proxy.Certificates // nil: cleartext
}

// listenFlags reads tokens and certificates of a listener that serves flags and binds its address.
func (n *node) listenFlags(l config.Listener) error {
	open := applications{Listener: ofrep.Listener{Config: l}}
	var err error
	if len(l.Tokens) > 0 {
		if open.Tokens, err = secret.Open(l.Tokens, n.log); err != nil {
			return err
		}
	}
	if l.TLS != nil {
		if open.certificates, err = proxy.LoadCertificates(l.TLS, n.log); err != nil {
			return err
		}
		open.TLS = open.certificates.TLS()
	}
	if open.Listener.Listener, err = net.Listen("tcp", l.Address); err != nil {
		return err
	}
	n.applications = append(n.applications, open)
	return nil
}

// serveFlags answers applications until ctx ends.
func (n *node) serveFlags(ctx context.Context, g *errgroup.Group) {
	for _, l := range n.applications {
		if l.certificates != nil {
			g.Go(func() error { return l.certificates.Run(ctx) })
		}
		g.Go(func() error { return n.flags.Serve(ctx, l.Listener) })
	}
}
