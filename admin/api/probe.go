package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Live returns nil when the process answers, an *Error when it says that it does not live. It needs no
// token.
func (c *Client) Live(ctx context.Context) error { return c.probe(ctx, "livez") }

// Ready returns nil when a table is in force and the listeners are open, and an *Error with status 503
// while the server starts or stops. It says nothing about targets and needs no token.
func (c *Client) Ready(ctx context.Context) error { return c.probe(ctx, "readyz") }

func (c *Client) probe(ctx context.Context, path string) error {
	r, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("ask the admin API: %w", err)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return unanswered(ctx, c, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return unanswered(ctx, c, err)
	}
	return refusal(c, res, b)
}
