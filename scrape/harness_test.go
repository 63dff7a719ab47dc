package scrape

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/outbound"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// town is a network in virtual time with a Scraper in it.
type town struct {
	*Scraper
	t       *testing.T
	network *memnet.Network
	job     Job
}

// inTown runs a test in virtual time. A goroutine left over fails it.
func inTown(t *testing.T, f func(t *testing.T, n *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &town{t: t, network: memnet.New()}
		out := outbound.New(outbound.Options{Dial: n.network.DialContext})
		n.Scraper = New(out.Do)
		n.job = Job{
			Service: "shop", Rollout: "7", Step: 2,
			Baseline: n.pool("blue", "2.4.0", "10.0.0.1:80"), Tried: n.pool("green", "2.5.0", "10.0.1.1:80"),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- n.Run(ctx) }()
		f(t, n)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		out.Close()
	})
}

func (n *town) pool(name, version string, addrs ...string) Pool {
	p := Pool{Name: name, Version: version}
	for _, a := range addrs {
		p.Targets = append(p.Targets, &router.Target{State: new(router.State), URL: "http://" + a, Addr: a})
	}
	return p
}

// serve answers on an address until the test ends or stop is called.
func (n *town) serve(addr string, h http.HandlerFunc) (stop func()) {
	n.t.Helper()
	ln, err := n.network.Listen(addr)
	if err != nil {
		n.t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ErrorLog: zap.NewStdLog(zap.NewNop())}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(ln)
	}()
	stop = sync.OnceFunc(func() {
		_ = srv.Close()
		<-ended
	})
	n.t.Cleanup(stop)
	return stop
}

// silent takes a request and never answers.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the server notices a client that left only then
	<-r.Context().Done()
}

// process is a target with metrics that a test changes.
type process struct {
	mu     sync.Mutex
	values map[string]float64
	types  map[string]string
	more   string
}

// process serves one on an address.
func (n *town) process(addr string, pairs ...any) *process {
	p := &process{values: map[string]float64{}, types: map[string]string{"cpu": "counter", "memory": "gauge"}}
	for i := 0; i < len(pairs); i += 2 {
		p.set(pairs[i].(string), pairs[i+1].(float64))
	}
	n.serve(addr, p.ServeHTTP)
	return p
}

func (p *process) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, x := range p.values {
		if kind := p.types[name]; kind != "" {
			fmt.Fprintf(w, "# HELP %s text\n# TYPE %s %s\n", name, name, kind)
		}
		fmt.Fprintf(w, "%s %v\n", name, x)
	}
	_, _ = io.WriteString(w, p.more)
}

func (p *process) set(name string, x float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[name] = x
}

// works adds to its processor time.
func (p *process) works(x float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values["cpu"] += x
}

// want begins with the checks.
func (n *town) want(checks ...config.Check) {
	n.job.Checks = checks
	n.Want([]Job{n.job})
	synctest.Wait()
}

// after lets time pass and returns what was read meanwhile.
func (n *town) after(d time.Duration) []Reading {
	n.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	return n.Take(n.job)
}

// one demands exactly one reading.
func one(t *testing.T, all []Reading) Reading {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d readings, want 1: %+v", len(all), all)
	}
	return all[0]
}

// expect checks the values of a reading, NaN for none, and a part of what was wrong, "" for nothing.
func (r Reading) expect(t *testing.T, candidate, baseline float64, wrong string) {
	t.Helper()
	if !same(r.Candidate, candidate) || !same(r.Baseline, baseline) {
		t.Errorf("%s: got %v and %v, want %v and %v (%s)", r.Check, r.Candidate, r.Baseline, candidate, baseline, r.Err)
	}
	if !strings.Contains(r.Err, wrong) || (wrong == "") != (r.Err == "") {
		t.Errorf("%s: said %q, want %q", r.Check, r.Err, wrong)
	}
	if len(r.Err) > 4*mostSaid || strings.ContainsAny(r.Err, "\x1b\r\n") {
		t.Errorf("%q is not fit for a log", r.Err)
	}
}

func same(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(1, math.Abs(b))
}

func serveRequests(p *Pool, n int) {
	for i := range n {
		t := p.Targets[i%len(p.Targets)]
		t.Begin()
		t.End()
	}
}

var (
	cpu    = config.Check{Name: "cpu", Kind: config.KindScrape, Every: time.Second, MaxRatio: 1.25, Scrape: config.Scrape{Metric: "cpu", Per: config.PerRequest, Path: "/metrics"}}
	memory = config.Check{Name: "memory", Kind: config.KindScrape, Every: time.Second, MaxRatio: 1.3, Scrape: config.Scrape{Metric: "memory", Path: "/metrics"}}
)
