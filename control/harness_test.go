package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// node is a Loop that runs in a test, with a prober and a swapper that tell what they saw.
type node struct {
	*Loop
	t       testing.TB
	store   store.Store
	prober  *prober
	swapper *swapper
	logs    *observer.ObservedLogs
	cancel  context.CancelFunc
	done    chan error
	stopped bool
}

// start runs a Loop until the test or stop ends it. It must be called in a synctest bubble.
func start(t testing.TB, st store.Store, c *config.Config, down ...string) *node {
	t.Helper()
	return startWith(t, Options{Config: c, Store: st}, down...)
}

func startWith(t testing.TB, o Options, down ...string) *node {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	n := &node{t: t, store: o.Store, prober: newProber(down...), swapper: &swapper{store: o.Store}, logs: logs, done: make(chan error, 1)}
	if tr, ok := o.Sampler.(*traffic); ok {
		n.swapper.seen = tr.swapped
	}
	o.Swapper, o.Prober, o.Log = n.swapper, n.prober, zap.New(core)
	n.Loop = New(o)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, n.cancel = context.WithCancel(context.Background())
	go func() { n.done <- n.Run(ctx) }()
	t.Cleanup(n.stop)
	return n
}

// stop ends the Loop, as the end of the process would.
func (n *node) stop() {
	n.t.Helper()
	if n.stopped {
		return
	}
	n.stopped = true
	n.cancel()
	if err := <-n.done; err != nil {
		n.t.Errorf("Run: %v", err)
	}
}

// weights is the weights in force of shop: what the proxy has, and what readers are told.
func (n *node) weights() string {
	n.t.Helper()
	return n.weightsOf("shop")
}

func (n *node) weightsOf(service string) string {
	n.t.Helper()
	got := say(n.swapper.last().Service(service))
	s, err := n.Service(service)
	if err != nil {
		n.t.Fatal(err)
	}
	var shown []string
	for _, name := range s.Order {
		if w := s.Weights.InForce[name]; w > 0 {
			shown = append(shown, fmt.Sprintf("%s=%v", name, w))
		}
	}
	if shown := strings.Join(shown, " "); shown != got {
		n.t.Errorf("the proxy has %s, readers are told %s", got, shown)
	}
	return got
}

func say(s *router.Service) string {
	var said []string
	for _, p := range s.Pools {
		if p.Weight > 0 {
			said = append(said, fmt.Sprintf("%s=%v", p.Name, p.Weight.Percent()))
		}
	}
	return strings.Join(said, " ")
}

func (n *node) want(want string) {
	n.t.Helper()
	if got := n.weights(); got != want {
		n.t.Fatalf("%s is in force, want %s", got, want)
	}
}

// service is shop as readers see it.
func (n *node) service() api.Service {
	n.t.Helper()
	s, err := n.Service("shop")
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n *node) cutover(to string) api.Change {
	n.t.Helper()
	c, err := n.Cutover(n.t.Context(), "shop", api.CutoverRequest{To: to, Reason: "release"}, api.Call{By: "ci", From: "127.0.0.1"})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) set(blue float64) api.Change {
	n.t.Helper()
	w := api.Weights{"blue": blue, "green": 100 - blue}
	c, err := n.SetWeights(n.t.Context(), "shop", api.WeightsRequest{Weights: w}, api.Call{By: "ann"})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) rollback() api.Change {
	n.t.Helper()
	c, err := n.Rollback(n.t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) apply(c *config.Config) api.Reload {
	n.t.Helper()
	r, err := n.Apply(n.t.Context(), c)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// refused demands an *api.Error of a type.
func refused(t testing.TB, err error, typ string) *api.Error {
	t.Helper()
	var p *api.Error
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem of type %s", err, typ)
	}
	if p.Type != typ {
		t.Fatalf("got %s (%s), want %s", p.Type, p.Detail, typ)
	}
	return p
}

// logged counts the lines with a message.
func (n *node) logged(message string) int { return n.logs.FilterMessage(message).Len() }

// swapper is the proxy: it keeps every table. With a store it demands that what it is given is durable.
type swapper struct {
	store store.Store
	loose bool // what it is given need not be durable

	seen func(*router.Table)

	mu     sync.Mutex
	tables []*router.Table
	wrong  []string
}

func (s *swapper) Swap(t *router.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = append(s.tables, t)
	if s.seen != nil {
		s.seen(t)
	}
	if s.loose {
		return
	}
	for _, svc := range t.Services {
		e, err := s.store.Get(context.Background(), prefix+svc.Name)
		if err != nil {
			s.wrong = append(s.wrong, err.Error())
			continue
		}
		state, err := rollout.Decode(e.Value)
		if err != nil || !state.InForce().Equal(svc.Weights) {
			s.wrong = append(s.wrong, fmt.Sprintf("swapped %v, durable %v (%v)", svc.Weights, state.InForce(), err))
		}
	}
}

// loosen has the proxy take what is not durable from now on.
func (s *swapper) loosen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loose = true
}

func (s *swapper) last() *router.Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[len(s.tables)-1]
}

func (s *swapper) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tables)
}

// prober probes at once: a target is up unless it is told otherwise. Those in unknown get no probe yet.
type prober struct {
	mu      sync.Mutex
	down    map[string]bool
	unknown map[string]bool
	tables  []*router.Table
	news    chan struct{}
}

func newProber(down ...string) *prober {
	p := &prober{down: map[string]bool{}, unknown: map[string]bool{}, news: make(chan struct{})}
	for _, url := range down {
		p.down[url] = true
	}
	return p
}

func (p *prober) Sync(tables ...*router.Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tables = slices.Clone(tables)
	p.probe()
}

func (p *prober) probe() {
	for _, t := range p.tables {
		for _, pool := range t.Pools {
			for _, target := range pool.Targets {
				h := router.Health{Status: router.Up, Since: time.Now()}
				switch {
				case p.unknown[target.URL]:
					continue
				case p.down[target.URL]:
					h.Status, h.Error = router.Down, "connection refused"
				}
				if target.Status() != h.Status {
					target.SetHealth(h)
				}
			}
		}
	}
	close(p.news)
	p.news = make(chan struct{})
}

// set makes targets good or bad; the next probe is now.
func (p *prober) set(down bool, urls ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, url := range urls {
		p.down[url] = down
		delete(p.unknown, url)
	}
	p.probe()
}

func (p *prober) synced() []*router.Table {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tables)
}

func (p *prober) Wait(ctx context.Context, cond func() bool) error {
	for {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pool describes a pool of a file: "blue@2.4.0 a b" has two targets.
func poolOf(text string) config.Pool {
	words := strings.Fields(text)
	name, version, _ := strings.Cut(words[0], "@")
	p := config.Pool{Name: name, Version: version}
	for _, host := range words[1:] {
		p.Targets = append(p.Targets, config.Target{URL: "http://" + host + ":80", Weight: 1})
	}
	return p
}

// file is a file with one service, shop.
func file(weights config.Weights, pools ...string) *config.Config {
	return files(service("shop", weights, pools...))
}

func service(name string, weights config.Weights, pools ...string) config.Service {
	s := config.Service{
		Name: name, Paths: []string{"/" + name}, Weights: weights,
		Health: config.Health{Path: "/", Every: 5 * time.Second, Timeout: time.Second},
		Drain:  config.Drain{Timeout: 30 * time.Second},
	}
	for _, p := range pools {
		s.Pools = append(s.Pools, poolOf(p))
	}
	return s
}

func files(services ...config.Service) *config.Config {
	c := &config.Config{File: "switchback.yaml", Services: services}
	c.Digest = config.Digest(fmt.Appendf(nil, "%+v", services))
	return c
}

// blueGreen is the file most tests start from.
func blueGreen(blue config.Weight) *config.Config {
	return file(config.Weights{"blue": blue * 100, "green": (100 - blue) * 100}, "blue@2.4.0 b1 b2", "green@2.5.0 g1 g2")
}

// withTimeout is an edit that is not about weights.
func withTimeout(c *config.Config) *config.Config {
	services := slices.Clone(c.Services)
	for i := range services {
		services[i].Timeouts.Request = time.Minute
	}
	return files(services...)
}

// bubble runs a test in virtual time; a goroutine left over fails it.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// checkSwaps demands that nothing was swapped before it was durable.
func (n *node) checkSwaps() {
	n.t.Helper()
	n.swapper.mu.Lock()
	defer n.swapper.mu.Unlock()
	for _, w := range n.swapper.wrong {
		n.t.Error(w)
	}
}
