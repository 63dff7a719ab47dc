package router_test

import (
	"fmt"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// benchmark decides about q again and again, with other luck each time.
func benchmark(b *testing.B, tab *router.Table, q *router.Request) {
	b.Helper()
	rnd := luck(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tab.Decide(q, [2]uint64{rnd.Uint64(), rnd.Uint64()}); err != nil {
			b.Fatal(err)
		}
	}
}

// canary is a service of two pools with four targets each.
func canary(b *testing.B, name string) config.Service {
	b.Helper()
	s := service(b, name, "blue 95", "green 5")
	s.Pools[0].Targets, s.Pools[1].Targets = targets("blue", 1, 1, 1, 1), targets("green", 1, 1, 1, 1)
	return s
}

func BenchmarkDecideRandom(b *testing.B) {
	benchmark(b, table(b, canary(b, "web")), get("shop.test", "/cart/42"))
}

func BenchmarkDecideRoundRobin(b *testing.B) {
	web := canary(b, "web")
	web.Balance = config.RoundRobin
	benchmark(b, table(b, web), get("shop.test", "/cart/42"))
}

func BenchmarkDecideSticky(b *testing.B) {
	web := canary(b, "web")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}, {Cookie: "sid"}, {IssueCookie: "sb_id"}}
	tab := table(b, web)
	b.Run("header", func(b *testing.B) { benchmark(b, tab, get("shop.test", "/cart/42", "X-User-Id", "user_alice")) })
	b.Run("cookie", func(b *testing.B) {
		benchmark(b, tab, get("shop.test", "/cart/42", "Cookie", "theme=dark; lang=en; sid=8f14e45fceea167a; seen=1"))
	})
	b.Run("minted", func(b *testing.B) { benchmark(b, tab, get("shop.test", "/cart/42")) })
}

func BenchmarkDecideRules20(b *testing.B) {
	web := canary(b, "web")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}}
	for i := range 20 {
		m := config.Match{PathPrefix: fmt.Sprint("/part-", i)}
		switch i % 3 {
		case 1:
			m = config.Match{Header: []config.HeaderMatch{{Name: "X-Beta", Value: fmt.Sprint(i)}}}
		case 2:
			m = config.Match{Users: []string{fmt.Sprint("user_", i), "user_bob"}}
		}
		web.Rules = append(web.Rules, config.Rule{When: m, To: "green"})
	}
	benchmark(b, table(b, web), get("shop.test", "/cart/42", "X-User-Id", "user_alice"))
}

func BenchmarkDecideOddPath(b *testing.B) {
	benchmark(b, table(b, canary(b, "web")), get("shop.test", "//cart/./%34%32/../43"))
}

// thousand are services told apart by host or by path.
func thousand(b *testing.B, by string) *config.Config {
	b.Helper()
	c := conf()
	for i := range 1000 {
		s := canary(b, fmt.Sprint("s", i))
		if by == "host" {
			s.Hosts = []string{fmt.Sprintf("s%d.shop.test", i), fmt.Sprintf("*.s%d.shop.test", i)}
		} else {
			s.Paths = []string{fmt.Sprintf("/api/s%d", i)}
		}
		c.Services = append(c.Services, s)
	}
	return c
}

func BenchmarkDecideThousandServices(b *testing.B) {
	byHost, byPath := compile(b, thousand(b, "host"), nil, nil), compile(b, thousand(b, "path"), nil, nil)
	b.Run("host", func(b *testing.B) { benchmark(b, byHost, get("s777.shop.test:443", "/cart/42")) })
	b.Run("wildcard", func(b *testing.B) { benchmark(b, byHost, get("eu.www.s777.shop.test", "/cart/42")) })
	b.Run("path", func(b *testing.B) { benchmark(b, byPath, get("shop.test", "/api/s777/cart/items/42/notes")) })
}

func BenchmarkCompileThousandServices(b *testing.B) {
	c := thousand(b, "host")
	tab := compile(b, c, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		tab = compile(b, c, nil, tab)
	}
}
