package router_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

var _ router.Header = http.Header(nil)

// fields is the header of a request, with canonical names.
type fields map[string]string

func (f fields) Get(name string) string { return f[name] }

// service is a service of any host and path. Each pool is name and percent, "blue 95", and has one
// target of weight 1.
func service(tb testing.TB, name string, pools ...string) config.Service {
	tb.Helper()
	s := config.Service{
		Name:    name,
		Paths:   []string{"/"},
		Weights: config.Weights{},
		Balance: config.LeastInflight,
		Sticky:  config.Sticky{Seed: config.SeedVersion},
		Health:  config.Health{PanicBelow: 50},
	}
	for _, p := range pools {
		pool, text, _ := strings.Cut(p, " ")
		percent, err := strconv.ParseFloat(text, 64)
		if err != nil {
			tb.Fatalf("pool %q: %v", p, err)
		}
		if s.Weights[pool], err = config.ParseWeight(percent); err != nil {
			tb.Fatalf("pool %q: %v", p, err)
		}
		s.Pools = append(s.Pools, config.Pool{Name: pool, Targets: targets(pool, 1)})
	}
	return s
}

// targets are the addresses of a pool, one for each weight: http://blue-0:80, http://blue-1:80, ….
func targets(pool string, weights ...int) []config.Target {
	var all []config.Target
	for i, w := range weights {
		all = append(all, config.Target{URL: fmt.Sprintf("http://%s-%d:80", pool, i), Weight: w})
	}
	return all
}

// conf is a configuration that lets 10.20.0.0/16 and fd00::/8 name a pool in Switchback-Pool.
func conf(services ...config.Service) *config.Config {
	return &config.Config{
		Services: services,
		Trust: config.Trust{Override: config.Override{
			Header: "Switchback-Pool",
			From:   []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd00::/8")},
		}},
	}
}

var (
	trusted  = netip.MustParseAddr("10.20.1.2")
	stranger = netip.MustParseAddr("192.0.2.1")
)

type intents = map[string]router.Intent

func compile(tb testing.TB, c *config.Config, in intents, prev *router.Table) *router.Table {
	tb.Helper()
	table, err := router.Compile(c, in, nil, prev)
	if err != nil {
		tb.Fatalf("Compile: %v", err)
	}
	return table
}

// table compiles services without intents. Its targets are unknown, so they serve.
func table(tb testing.TB, services ...config.Service) *router.Table {
	tb.Helper()
	return compile(tb, conf(services...), nil, nil)
}

// get is a request of a stranger, with header names and values in turn.
func get(host, path string, header ...string) *router.Request {
	f := fields{}
	for i := 0; i < len(header); i += 2 {
		f[header[i]] = header[i+1]
	}
	return &router.Request{Host: host, Path: path, Client: stranger, Header: f}
}

func decide(tb testing.TB, t *router.Table, q *router.Request, rnd [2]uint64) router.Decision {
	tb.Helper()
	d, err := t.Decide(q, rnd)
	if err != nil {
		tb.Fatalf("Decide(%+v): %v", *q, err)
	}
	return d
}

// chance is the luck that lies at a position of the split, in hundredths of a percent.
func chance(position config.Weight) [2]uint64 {
	return [2]uint64{(uint64(position)<<32/uint64(config.Full) + 1) << 32, 0}
}

// health gives the targets of a pool their statuses in order.
func health(p *router.Pool, statuses ...router.Status) {
	for i, s := range statuses {
		p.Targets[i].SetHealth(router.Health{Status: s})
	}
}

// name is the name of a pool, "" for none.
func name(p *router.Pool) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// luck is the same in every run.
func luck(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
