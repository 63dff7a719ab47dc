package api

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"
)

// NewPipeClient is a client whose only connection is conn.
func NewPipeClient(conn net.Conn) *Client {
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	return &Client{
		name: "pipe", base: &url.URL{Scheme: "http", Host: "pipe"},
		http: &http.Client{Transport: &http.Transport{DialContext: dial}},
	}
}

// SetResendPause changes how long a client waits before it sends a write again.
func SetResendPause(c *Client, d time.Duration) { c.pause = d }
