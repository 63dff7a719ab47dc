package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// A write that got no answer is sent again so often, after such a pause, when it has a key.
const (
	resends     = 5
	resendPause = 300 * time.Millisecond
)

// Keyed returns a client whose writes name a key. The server gives the same request with the same key, within a
// day, the answer of the first and does nothing twice, so a write that was sent and got no answer is sent again a
// few times. With key "" every write gets a key of its own.
func (c *Client) Keyed(key string) *Client {
	d := *c
	d.keyed, d.key = true, key
	return &d
}

// DryRun returns a client whose writes change nothing: their answers, and refusals, are those that the writes would
// get.
func (c *Client) DryRun() *Client {
	d := *c
	d.dry = true
	return &d
}

// writes reports whether a request may change something. Asking for the value of a flag does not.
func writes(method, path string) bool {
	return method != http.MethodGet && !strings.HasSuffix(path, "/evaluate")
}

// send sends a request and, when it has a key, sends it again as long as there is no answer. A server that was
// not there from the start is not waited for.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	if !c.keyed || !writes(r.Method, r.URL.Path) || c.dry {
		return c.http.Do(r)
	}
	key := c.key
	if key == "" {
		key = rand.Text()
	}
	r.Header.Set("Idempotency-Key", key)
	sent := false
	for try := 0; ; try++ {
		res, err := c.http.Do(r)
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			sent = true
		}
		if err == nil || !sent || try == resends || !wait(r.Context(), c.pause) {
			return res, err
		}
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// wait reports whether a context lasted so long.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
