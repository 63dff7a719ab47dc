// Package notify lets people and pipelines take part: it asks gates whether a rollout may go on, and
// announces decisions to whoever is to be told. It speaks HTTP through package outbound and tries again
// where an answer is missing. It decides nothing and remembers nothing: which gate is asked and what is
// still to be announced is durable state, kept elsewhere.
package notify

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/outbound"
	"go.uber.org/zap"
)

// Between two tries: the first pause, and the longest.
const (
	firstPause        = time.Second
	longestGatePause  = 15 * time.Second
	longestPause      = time.Minute
	announceTime      = 10 * time.Second
	mostAnswer        = 64 << 10 // bytes of an answer, of which only the status counts
	contentType       = "application/json"
	lastTryBefore     = time.Second // the end of a gate's time
	pauseGrowsByTimes = 2
)

// Client asks and announces. Make one with New; its methods are safe for concurrent use.
type Client struct {
	out *outbound.Client
	log *zap.Logger
}

// New returns a client that calls through out.
func New(out *outbound.Client, log *zap.Logger) *Client { return &Client{out: out, log: log} }

// post makes one call. The bearer token is read for each: a new one needs no restart.
func (c *Client) post(ctx context.Context, call outbound.Call, tokenFile string) (outbound.Answer, error) {
	if tokenFile != "" {
		token, err := outbound.ReadSecret(tokenFile)
		if err != nil {
			return outbound.Answer{}, err
		}
		call.Bearer = token
	}
	call.Method, call.MaxBody = http.MethodPost, mostAnswer
	call.Header = http.Header{"Content-Type": {contentType}}
	return c.out.Do(ctx, call)
}

// verdict says what an answer means, in words.
func verdict(a outbound.Answer, err error) (ok bool, said string) {
	switch {
	case err != nil:
		return false, err.Error()
	case a.OK():
		return true, fmt.Sprintf("answered %d", a.Status)
	case a.Status >= 300 && a.Status <= 399:
		return false, fmt.Sprintf("answered %d, and redirects are not followed", a.Status)
	}
	return false, strings.TrimSpace(fmt.Sprintf("answered %d %s", a.Status, http.StatusText(a.Status)))
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// brief is a duration for people.
func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	said := d.Round(time.Second).String()
	if strings.HasSuffix(said, "m0s") {
		said = strings.TrimSuffix(said, "0s")
	}
	return said
}
