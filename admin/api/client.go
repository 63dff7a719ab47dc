package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// SocketHost is the Host a client names when it speaks over a socket, where there is no name to give.
const SocketHost = "switchback"

// ErrUnreachable is in the chain of every error of a request that got no answer. A command that was
// sent may have been carried out all the same.
var ErrUnreachable = errors.New("no answer")

const (
	maxAnswer   = 16 << 20 // bytes
	dialTimeout = 5 * time.Second
)

// Client speaks to the admin API of one server. Its methods block until the answer or the end of the
// context, and may be called concurrently.
//
// Their errors are an *Error when the server refused, ErrUnreachable when there was no answer, and the
// context's own when it ended first.
type Client struct {
	name  string // base as given, for people
	base  *url.URL
	token string
	match string        // tag or "*"; "": any
	keyed bool          // writes name a key
	key   string        // "": each its own
	dry   bool          // writes change nothing
	pause time.Duration // between two sendings of a write
	http  *http.Client
}

// NewClient makes a client of base: http://host:port, https://host:port or unix:/path. The token is
// sent with every request, "" sends none. It connects only when a method is called.
func NewClient(base, token string) (*Client, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	dial := dialer.DialContext
	u, err := url.Parse(base)
	if path, ok := strings.CutPrefix(base, "unix:"); ok && path != "" {
		u, err = &url.URL{Scheme: "http", Host: SocketHost}, nil
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("admin address %q: write it as http://host:port, https://host:port or unix:/path", base)
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return nil, errors.New("the token has a control character")
	}
	return &Client{name: base, base: u, token: token, pause: resendPause, http: &http.Client{
		Transport: &http.Transport{DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout},
		// A redirect would send the token, and a command, to somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Matching returns a client whose writes are refused with TypeStaleRevision unless the service is at
// that revision; 0 is any.
func (c *Client) Matching(revision int64) *Client {
	if revision == 0 {
		return c.tagged("")
	}
	return c.tagged(strconv.FormatInt(revision, 10))
}

// tagged returns a client whose writes want what is there to have that tag; "*" any, "" nothing.
func (c *Client) tagged(tag string) *Client {
	d := *c
	d.match = tag
	return &d
}

// Close ends idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Overview asks for the node and all services.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	return call[Overview](ctx, c, http.MethodGet, "v1/services", nil)
}

// Service asks for one service.
func (c *Client) Service(ctx context.Context, name string) (Service, error) {
	return call[Service](ctx, c, http.MethodGet, servicePath(name), nil)
}

// SetWeights sets the weights of a service at run time.
func (c *Client) SetWeights(ctx context.Context, service string, q WeightsRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPut, servicePath(service, "weights"), q)
}

// DropIntent returns a service to the weights of the file.
func (c *Client) DropIntent(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodDelete, servicePath(service, "weights"), q)
}

// Cutover gives one pool all traffic. With q.Wait it answers after q.Timeout at the latest.
func (c *Client) Cutover(ctx context.Context, service string, q CutoverRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "cutover"), q)
}

// Rollback restores the previous traffic state of a service.
func (c *Client) Rollback(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollback"), q)
}

// Pause keeps the file and automation from moving traffic of a service.
func (c *Client) Pause(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "pause"), q)
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "resume"), q)
}

// Reload reads the configuration file again and answers when it is in force.
func (c *Client) Reload(ctx context.Context, q CommandRequest) (Reload, error) {
	return call[Reload](ctx, c, http.MethodPost, "v1/config/reload", q)
}

// StartRollout begins a rollout.
func (c *Client) StartRollout(ctx context.Context, service string, q StartRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout"), q)
}

// Promote takes the next step of a rollout now, or with q.Full all of them.
func (c *Client) Promote(ctx context.Context, service string, q PromoteRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "promote"), q)
}

// Approve says yes to a step that wants a person's; it may come before the step is proven.
func (c *Client) Approve(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "approve"), q)
}

// OpenGate opens the gate that a rollout waits for.
func (c *Client) OpenGate(ctx context.Context, service string, q OpenGateRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "open-gate"), q)
}

// StepBack returns a rollout to the step before; from the first one it ends.
func (c *Client) StepBack(ctx context.Context, service string, q CommandRequest) (Change, error) {
	return call[Change](ctx, c, http.MethodPost, servicePath(service, "rollout", "step-back"), q)
}

// Rollout asks for the running rollout of a service or the last one; TypeNotFound when none ever ran.
func (c *Client) Rollout(ctx context.Context, service string) (Rollout, error) {
	return call[Rollout](ctx, c, http.MethodGet, servicePath(service, "rollout"), nil)
}

// Rollouts asks for what is remembered of a service's rollouts.
func (c *Client) Rollouts(ctx context.Context, service string) (Rollouts, error) {
	return call[Rollouts](ctx, c, http.MethodGet, servicePath(service, "rollouts"), nil)
}

// Plan asks what each step of a rollout will need.
func (c *Client) Plan(ctx context.Context, service string) (Plan, error) {
	return call[Plan](ctx, c, http.MethodGet, servicePath(service, "plan"), nil)
}

func servicePath(name string, rest ...string) string {
	return strings.Join(append([]string{"v1/services", url.PathEscape(name)}, rest...), "/")
}

// call makes one request and decodes its answer; a nil body sends none.
func call[A any](ctx context.Context, c *Client, method, path string, body any) (A, error) {
	var answer A
	r, err := c.request(ctx, method, path, body)
	if err != nil {
		return answer, fmt.Errorf("ask the admin API: %w", err)
	}
	res, err := c.send(r)
	if err != nil {
		return answer, unanswered(ctx, c, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer, unanswered(ctx, c, err)
	}
	if len(b) > maxAnswer {
		return answer, fmt.Errorf("%s answered more than %d bytes", c.name, maxAnswer)
	}
	if err := refusal(c, res, b); err != nil {
		return answer, err
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return answer, fmt.Errorf("%s does not answer like a switchback: %w", c.name, err)
	}
	return answer, nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	media := "application/json"
	if text, ok := body.(yamlText); ok {
		content, media = bytes.NewReader(text), "application/yaml"
	} else if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	if c.dry && writes(method, path) {
		path += "?dry_run=true"
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+"/"+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", media)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	switch {
	case body == nil || c.match == "":
	case c.match == "*":
		r.Header.Set("If-Match", c.match)
	default:
		r.Header.Set("If-Match", strconv.Quote(c.match))
	}
	return r, nil
}

// unanswered tells a context that ended from a server that did not answer.
func unanswered(ctx context.Context, c *Client, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("wait for %s: %w", c.name, context.Cause(ctx))
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the method and the address, which only we know how to say
	}
	return fmt.Errorf("%s: %w: %w", c.name, ErrUnreachable, err)
}

// refusal is the problem in an answer, nil when it is none.
func refusal(c *Client, res *http.Response, body []byte) error {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var p Error
	if media == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Detail != "" {
		p.Status = res.StatusCode
		return &p
	}
	return fmt.Errorf("%s does not answer like a switchback: %s", c.name, res.Status)
}
