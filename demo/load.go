package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// LoadOptions say what a Load sends. Every field is needed but Host and Timeout.
type LoadOptions struct {
	URL     string            // where to, http://127.0.0.1:port/
	Host    string            // the Host that is sent; "": that of the URL
	Rate    int               // requests a second
	Clients int               // requests in flight at most, each on a kept-alive connection
	Users   int               // how many different X-User-ID are sent
	Pools   map[string]string // pool by the version that answers
	Timeout time.Duration     // of one request; 5 s when zero
}

// Load sends requests at a fixed rate whether or not answers come back, as people do, and counts who
// answered. A request that finds every client busy is not sent but counted as missed, so a slow proxy
// shows instead of slowing the load down.
type Load struct {
	o      LoadOptions
	client *http.Client
	busy   chan struct{} // one token per request in flight

	mu    sync.Mutex // guards the three below
	win   Window
	since time.Time
	begun int // how often Begin was called; a request of an earlier time does not count
}

// NewLoad prepares a load; nothing is sent before Run.
func NewLoad(o LoadOptions) (*Load, error) {
	if o.Rate < 1 || o.Rate > 10_000 || o.Clients < 1 || o.Users < 1 {
		return nil, errors.New("load: rate must be 1 to 10000 requests a second, clients and users at least 1")
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if _, err := http.NewRequest(http.MethodGet, o.URL, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	transport := &http.Transport{
		MaxIdleConns: o.Clients, MaxIdleConnsPerHost: o.Clients, MaxConnsPerHost: o.Clients,
		IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	return &Load{
		o:      o,
		client: &http.Client{Transport: transport, Timeout: o.Timeout},
		busy:   make(chan struct{}, o.Clients),
		since:  time.Now(),
	}, nil
}

// Run sends until ctx ends and returns when the last request has been answered or has timed out.
// Requests in flight are not cut off, so ending the load makes none of them fail.
func (l *Load) Run(ctx context.Context) {
	l.Begin()
	var flying sync.WaitGroup
	defer l.client.CloseIdleConnections()
	defer flying.Wait()

	gap := time.Second / time.Duration(l.o.Rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := time.Now(); ; due = due.Add(gap) {
		// A due time in the past fires at once: after a stall the load catches up.
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case l.busy <- struct{}{}:
			flying.Go(func() {
				defer func() { <-l.busy }()
				l.send(context.WithoutCancel(ctx), due)
			})
		default:
			l.miss()
		}
	}
}

// Begin drops what was counted and begins a new window. Requests sent before do not count, whenever they
// end, so what the next Takes return happened after whatever the caller did before Begin.
func (l *Load) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.win, l.since = Window{}, time.Now()
	l.begun++
}

// Take returns what was counted since the last Take and begins a new window. A request belongs to the
// window in which it ended.
func (l *Load) Take() Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	w := l.win
	w.Elapsed = now.Sub(l.since)
	l.win, l.since = Window{}, now
	return w
}

// send makes one request. Latency counts from when it was due, so time lost before sending shows too.
func (l *Load) send(ctx context.Context, due time.Time) {
	l.mu.Lock()
	begun := l.begun
	l.mu.Unlock()
	pool, err := l.ask(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if begun == l.begun {
		l.win.Record(pool, err != nil, time.Since(due))
	}
}

// ask returns the pool that answered, "" when none did, and why the request counts as failed.
func (l *Load) ask(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.o.URL, nil)
	if err != nil {
		return "", err
	}
	req.Host = l.o.Host                                                     // "": the URL's
	req.Header.Set("X-User-ID", "user-"+strconv.Itoa(rand.IntN(l.o.Users))) //nolint:gosec // which user asks is no secret
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil {
		return "", fmt.Errorf("status %d without an upstream's answer: %w", resp.StatusCode, err)
	}
	pool, known := l.o.Pools[a.Version]
	if !known {
		return "", fmt.Errorf("unknown version %q", a.Version)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return pool, fmt.Errorf("status %d", resp.StatusCode)
	}
	return pool, nil
}

func (l *Load) miss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.win.Missed++
}
