package health_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// usual is the check most tests use.
var usual = config.Health{
	Path:    "/healthz",
	Every:   5 * time.Second,
	Timeout: time.Second,
	Passes:  2,
	Fails:   3,
	Status:  []config.StatusRange{{From: 200, To: 299}},
}

// newTable has one service, shop, with one pool, green. Targets that prev has keep their State.
func newTable(prev *router.Table, h config.Health, urls ...string) *router.Table {
	s := &router.Service{Name: "shop", Config: &config.Service{Name: "shop", Host: "preserve", Health: h}}
	p := &router.Pool{Service: s, Name: "green"}
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil {
			panic(err)
		}
		p.Targets = append(p.Targets, &router.Target{
			State: stateOf(prev, u), Pool: p, URL: u, Addr: parsed.Host, TLS: parsed.Scheme == "https", Weight: 1,
		})
	}
	s.Pools = []*router.Pool{p}
	return &router.Table{Services: []*router.Service{s}, Pools: s.Pools}
}

func stateOf(t *router.Table, u string) *router.State {
	if t != nil {
		for _, target := range t.Pools[0].Targets {
			if target.URL == u {
				return target.State
			}
		}
	}
	return new(router.State)
}

// target is the i-th one of the table's only pool.
func target(t *router.Table, i int) *router.Target { return t.Pools[0].Targets[i] }

// run starts the checker until the test ends, or until stop is called, which waits for its end.
func run(tb testing.TB, c *health.Checker) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// upstream is a target in memory that remembers when it was asked.
type upstream struct {
	url string

	mu      sync.Mutex
	times   []time.Time
	answers []int         // one for each probe; the last one stays
	delay   time.Duration // before each answer
	last    *http.Request
}

// serve makes a target at addr that gives these answers in turn.
func serve(tb testing.TB, n *memnet.Network, addr string, answers ...int) *upstream {
	tb.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		tb.Fatal(err)
	}
	u := &upstream{url: "http://" + addr, answers: answers}
	srv := &http.Server{Handler: u}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	tb.Cleanup(func() { srv.Shutdown(context.Background()); wg.Wait() }) // waits for answers under way
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.times = append(u.times, time.Now())
	u.last = r.Clone(context.Background())
	code := u.answers[0]
	if len(u.answers) > 1 {
		u.answers = u.answers[1:]
	}
	delay := u.delay
	u.mu.Unlock()
	time.Sleep(delay)
	w.WriteHeader(code)
}

func (u *upstream) asked() []time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]time.Time(nil), u.times...)
}

func (u *upstream) answer(codes ...int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers = codes
}

func inMemory(n *memnet.Network) health.Options {
	return health.Options{Dial: n.DialContext, Version: "1.2.3"}
}
