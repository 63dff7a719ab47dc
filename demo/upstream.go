package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Answer is what an upstream says of itself in every answer of GET /.
type Answer struct {
	Version string `json:"version"`
	Target  string `json:"target"`
	Error   string `json:"error,omitempty"` // with 500, on purpose
}

// Upstream is one target of one version: an HTTP server on a free port of 127.0.0.1.
//
//	GET /         its Answer, late, with 500 or never, as the fault in force says
//	GET /healthz  200, whatever the fault: a sick version passes its probes, which is why it has to be judged
//	GET /events   an event stream of Answers, one at once and one each second, until the client leaves or Close
//
// It is safe for concurrent use.
type Upstream struct {
	answer  Answer
	url     string
	server  *http.Server
	fault   atomic.Pointer[Fault]
	served  atomic.Int64
	due     atomic.Uint64 // errors owed so far, in 1/2³² of a request
	hung    atomic.Uint64 // the same for requests that are never answered
	closing chan struct{} // closed when Close begins; ends event streams
	done    chan error    // what the serving goroutine ended with
}

// OpenUpstream starts to serve a target of a version. Close ends it.
func OpenUpstream(version, target string) (*Upstream, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open upstream %s: %w", target, err)
	}
	u := &Upstream{
		answer:  Answer{Version: version, Target: target},
		url:     "http://" + ln.Addr().String(),
		closing: make(chan struct{}),
		done:    make(chan error, 1),
	}
	u.fault.Store(&Fault{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", u.serve)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /events", u.events)
	u.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	u.server.RegisterOnShutdown(func() { close(u.closing) })
	go func() { u.done <- u.server.Serve(ln) }()
	return u, nil
}

// URL is "http://127.0.0.1:port".
func (u *Upstream) URL() string { return u.url }

// Version is the version it answers with.
func (u *Upstream) Version() string { return u.answer.Version }

// Served is how many GET / it has answered.
func (u *Upstream) Served() int64 { return u.served.Load() }

// SetFault replaces the fault for every request that arrives from now on.
func (u *Upstream) SetFault(f Fault) { u.fault.Store(&f) }

// Close stops accepting, ends event streams, waits for the requests in flight until ctx ends and returns
// when nothing of the upstream runs any more. It is called once.
func (u *Upstream) Close(ctx context.Context) error {
	err := u.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("close upstream %s: %w", u.answer.Target, err), u.server.Close())
	}
	if served := <-u.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve upstream %s: %w", u.answer.Target, served))
	}
	return err
}

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	f := *u.fault.Load()
	if owed(&u.hung, f.Hang) {
		select {
		case <-r.Context().Done():
		case <-u.closing:
		}
		panic(http.ErrAbortHandler) // no answer, not even an empty one
	}
	if f.Latency > 0 {
		select {
		case <-time.After(f.Latency):
		case <-r.Context().Done():
			return
		}
	}
	a, status := u.answer, http.StatusOK
	if owed(&u.due, f.Errors) {
		a.Error, status = "broken on purpose", http.StatusInternalServerError
	}
	u.served.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a client that left meanwhile is nobody's failure
}

// owed spreads failures evenly instead of drawing them, so that a short demonstration shows the share it
// was asked for: each request adds its share of one to what is due, and whoever completes one fails.
func owed(due *atomic.Uint64, share float64) bool {
	if share <= 0 {
		return false
	}
	const whole = 1 << 32
	step := uint64(share * whole)
	after := due.Add(step)
	return after/whole != (after-step)/whole
}

func (u *Upstream) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	body, err := json.Marshal(u.answer)
	if err != nil {
		return // two strings always marshal
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", body); err != nil {
			return // the client left
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-u.closing:
			return
		case <-r.Context().Done():
			return
		}
	}
}
