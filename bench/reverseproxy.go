//go:build linux

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
)

// reverseProxy serves with the standard library's proxy until ctx ends.
func reverseProxy(ctx context.Context, s peer.Setup) error {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: choose(s)})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true, IdleConnTimeout: 90 * time.Second},
	}
	server := &http.Server{Addr: s.Listen, Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Minute}
	end := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer end()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// choose draws a target.
func choose(s peer.Setup) string {
	pool := s.Blue
	if rand.IntN(100) < peer.GreenShare { //nolint:gosec // a share of requests
		pool = s.Green
	}
	return pool[rand.IntN(len(pool))] //nolint:gosec // a target
}
