package router_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

func TestCompileRefuses(t *testing.T) {
	shop := func() config.Service { return service(t, "shop", "blue 95", "green 5") }
	tests := []struct {
		name     string
		services []config.Service
		in       intents
		want     []string // parts of the error
	}{
		{
			"weight of an unknown pool",
			[]config.Service{shop()},
			intents{"shop": {Weights: config.Weights{"blue": 9500, "grey": 500}}},
			[]string{"service shop: ", "grey", "5 %"},
		},
		{
			"too little",
			[]config.Service{shop()},
			intents{"shop": {Weights: config.Weights{"blue": 9500, "green": 499}}},
			[]string{"service shop: ", "99.99 %"},
		},
		{
			"too much",
			[]config.Service{shop()},
			intents{"shop": {Weights: config.Weights{"blue": 9500, "green": 501}}},
			[]string{"service shop: ", "100.01 %"},
		},
		{"nothing", []config.Service{shop()}, intents{"shop": {Weights: config.Weights{}}}, []string{"service shop: ", "0 %"}},
		{
			"below zero",
			[]config.Service{service(t, "shop", "blue 100", "green 0", "grey 0")},
			intents{"shop": {Weights: config.Weights{"blue": 6000, "green": 5000, "grey": -1000}}},
			[]string{"service shop: ", "grey", "-10 %"},
		},
		{
			"same host and path",
			[]config.Service{mounted(t, "a", "x.test shop.test", "/ /api"), mounted(t, "b", "shop.test", "/v1 /api")},
			nil,
			[]string{"service b: ", "shop.test/api", "service a"},
		},
		{
			"same host in another spelling",
			[]config.Service{mounted(t, "a", "shop.test", "/api"), mounted(t, "b", "SHOP.test", "/api/")},
			nil,
			[]string{"service b: ", "service a"},
		},
		{
			"same wildcard",
			[]config.Service{mounted(t, "a", "*.shop.test", "/"), mounted(t, "b", "*.shop.test", "/")},
			nil,
			[]string{"service b: ", "*.shop.test/", "service a"},
		},
		{
			"any host twice",
			[]config.Service{mounted(t, "a", "", "/api"), mounted(t, "b", "", "/api")},
			nil,
			[]string{"service b: ", "any host", "/api", "service a"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := router.Compile(conf(tt.services...), tt.in, nil, nil)
			if err == nil || got != nil {
				t.Fatalf("got %v, %v, want an error", got, err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

// TestCompileAccepts: what looks alike but is not.
func TestCompileAccepts(t *testing.T) {
	shop := service(t, "shop", "blue 100", "green 0")
	shop.Hosts = []string{"shop.test"}
	tab := compile(t, conf(shop, mounted(t, "wild", "*.shop.test", "/"), mounted(t, "any", "", "/"), mounted(t, "api", "shop.test", "/api")),
		intents{
			"shop":     {Weights: config.Weights{"green": config.Full, "grey": 0}},
			"vanished": {Weights: config.Weights{"grey": 1}},
		}, nil)
	s := tab.Service("shop")
	if s.Pool("blue").Weight != 0 || s.Pool("green").Weight != config.Full || s.Baseline.Name != "green" {
		t.Errorf("blue %s, green %s, baseline %s", s.Pool("blue").Weight, s.Pool("green").Weight, s.Baseline.Name)
	}
}

func TestCompiled(t *testing.T) {
	shop, blog := service(t, "shop", "blue 75", "green 25"), service(t, "blog", "one 100")
	shop.Hosts = []string{"shop.test"}
	shop.Pools[0].Version = "2.4.0"
	shop.Pools[1].Targets = []config.Target{{URL: "https://10.0.0.1:8443", Weight: 3}, {URL: "http://[::1]:80", Weight: 1}}
	c := conf(shop, blog)
	tab := compile(t, c, intents{"blog": {Weights: config.All("one")}}, nil)

	if len(tab.Services) != 2 || tab.Services[0].Name != "shop" || tab.Services[1].Name != "blog" {
		t.Fatalf("services %v", tab.Services)
	}
	if tab.Service("absent") != nil || (*router.Table)(nil).Service("shop") != nil {
		t.Error("a service that is absent was found")
	}
	s := tab.Service("shop")
	if s != tab.Services[0] || s.Config != &c.Services[0] || !s.Weights.Equal(shop.Weights) {
		t.Errorf("service %+v", s)
	}
	var names []string
	for i, p := range tab.Pools {
		names = append(names, p.Service.Name+"/"+p.Name)
		if p.Index != i || p.Service.Pool(p.Name) != p {
			t.Errorf("pool %s has index %d, want %d", p.Name, p.Index, i)
		}
	}
	if want := []string{"shop/blue", "shop/green", "blog/one"}; !slices.Equal(names, want) {
		t.Errorf("pools %v, want %v", names, want)
	}
	blue, green := s.Pool("blue"), s.Pool("green")
	if blue.Version != "2.4.0" || blue.Weight != 7500 || green.Weight != 2500 || s.Pool("grey") != nil {
		t.Errorf("blue %+v, green %+v", blue, green)
	}
	secure, local := green.Targets[0], green.Targets[1]
	if secure.URL != "https://10.0.0.1:8443" || secure.Addr != "10.0.0.1:8443" || !secure.TLS || secure.Weight != 3 || secure.Pool != green {
		t.Errorf("target %+v", secure)
	}
	if local.Addr != "[::1]:80" || local.TLS {
		t.Errorf("target %+v", local)
	}
}

// TestStateIsCarriedOver: a target keeps its State while service, pool and URL stay, whatever else
// changes around it.
func TestStateIsCarriedOver(t *testing.T) {
	before := conf(service(t, "web", "blue 100", "green 0"), mounted(t, "api", "api.test", "/"))
	before.Services[0].Pools[0].Targets = targets("blue", 1, 1, 1)
	before.Services[0].Pools[1].Targets = targets("blue", 1) // the address of blue's first target
	old := compile(t, before, nil, nil)
	since := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for _, p := range old.Pools {
		for _, target := range p.Targets {
			target.SetHealth(router.Health{Status: router.Down, Since: since, Error: "refused"})
			target.Begin()
		}
	}

	after := conf(service(t, "web", "grey 0", "green 50", "blue 50"), mounted(t, "renamed", "api.test", "/"))
	after.Services[0].Pools[2].Targets = []config.Target{
		{URL: "http://blue-2:80", Weight: 5}, {URL: "http://blue-3:80", Weight: 1}, {URL: "http://blue-0:80", Weight: 1},
	}
	after.Services[0].Pools[1].Targets = []config.Target{{URL: "https://blue-0:80", Weight: 1}}
	after.Services[0].Pools[0].Targets = targets("blue", 1)
	next := compile(t, after, intents{"web": {Weights: config.All("green")}}, old)

	was, is := old.Service("web"), next.Service("web")
	blue := is.Pool("blue").Targets
	if blue[0].State != was.Pool("blue").Targets[2].State || blue[2].State != was.Pool("blue").Targets[0].State {
		t.Error("a target that stayed in its pool lost its state")
	}
	if h := blue[0].Health(); h.Status != router.Down || h.Since != since || h.Error != "refused" || blue[0].InFlight() != 1 {
		t.Errorf("health %+v, %d in flight", h, blue[0].InFlight())
	}
	if blue[0].Weight != 5 {
		t.Errorf("weight %d, want the new one", blue[0].Weight)
	}
	fresh := map[string]*router.Target{
		"a new address":                blue[1],
		"a known address over TLS":     is.Pool("green").Targets[0],
		"a known address in a pool":    is.Pool("grey").Targets[0],
		"a pool of a renamed service":  next.Service("renamed").Baseline.Targets[0],
		"a table with nothing before":  compile(t, before, nil, nil).Pools[0].Targets[0],
		"a table after another config": compile(t, before, nil, compile(t, conf(), nil, nil)).Pools[0].Targets[0],
	}
	for what, target := range fresh {
		if h := target.Health(); h != (router.Health{}) || target.Status() != router.Unknown || target.InFlight() != 0 {
			t.Errorf("%s starts with %+v", what, h)
		}
	}
	was.Pool("blue").Targets[0].End() // a request that began on the old table
	if got := blue[2].InFlight(); got != 0 {
		t.Errorf("%d in flight after the last one ended", got)
	}
}

// TestRefusedCompileChangesNothing: the previous table decides as before.
func TestRefusedCompileChangesNothing(t *testing.T) {
	c := conf(service(t, "web", "blue 100", "green 0"))
	old := compile(t, c, nil, nil)
	before := decide(t, old, get("", "/"), chance(0))
	if _, err := router.Compile(c, intents{"web": {Weights: config.Weights{"grey": config.Full}}}, nil, old); err == nil {
		t.Fatal("a weight of no pool was compiled")
	}
	if after := decide(t, old, get("", "/"), chance(0)); after != before {
		t.Errorf("decides %+v, before %+v", after, before)
	}
}

// TestTurnIsCarriedOver: frequent reloads do not send every first turn to the first target.
func TestTurnIsCarriedOver(t *testing.T) {
	web := service(t, "web", "blue 100")
	web.Balance = config.RoundRobin
	web.Pools[0].Targets = targets("blue", 1, 1, 1)
	tab := table(t, web)
	for turn := range 9 {
		tab = compile(t, conf(web), nil, tab)
		p := tab.Pools[0]
		if got := slices.Index(p.Targets, p.Pick(0)); got != turn%3 {
			t.Fatalf("turn %d meets target %d", turn, got)
		}
	}
}

func TestStatusWords(t *testing.T) {
	for status, want := range map[router.Status]string{router.Unknown: "unknown", router.Up: "up", router.Down: "down", 7: "unknown"} {
		if got := status.String(); got != want {
			t.Errorf("status %d is %q, want %q", status, got, want)
		}
	}
}
