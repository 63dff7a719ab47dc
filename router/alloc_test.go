package router_test

import (
	"net/http"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// TestDecideAllocatesNothing: not for any cause, any balance, odd paths or refusals.
func TestDecideAllocatesNothing(t *testing.T) {
	web := service(t, "web", "blue 50", "green 30", "grey 20")
	web.Hosts = []string{"shop.test", "*.shop.test"}
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}, {Cookie: "sid"}, {IssueCookie: "sb_id"}}
	web.Rules = []config.Rule{
		{When: config.Match{Header: []config.HeaderMatch{{Name: "X-Beta", Value: "true"}}}, To: "green"},
		{When: config.Match{Users: []string{"alice", "bob"}, PathPrefix: "/api"}, To: "grey"},
	}
	dice := service(t, "dice", "blue 50", "green 50")
	dice.Balance = config.RoundRobin
	dice.Pools[0].Targets, dice.Pools[1].Targets = targets("blue", 1, 2), targets("green", 1, 2)
	tab := table(t, web, dice)

	listener, override := get("", "/"), get("", "/", "Switchback-Pool", "green")
	listener.Pool, override.Client = "baseline", trusted
	real := get("A.SHOP.test:443", "/cart")
	real.Header = http.Header{"X-User-Id": {"alice"}}
	tests := []struct {
		name  string
		q     *router.Request
		cause router.Cause
		err   error
	}{
		{"header", get("shop.test:80", "/", "X-User-Id", "alice"), router.ByKey, nil},
		{"http.Header", real, router.ByKey, nil},
		{"cookie", get("shop.test", "/", "Cookie", "a=b; sid=1; c=d"), router.ByKey, nil},
		{"quoted cookie", get("shop.test", "/", "Cookie", `sid="1"`), router.ByKey, nil},
		{"issued cookie", get("shop.test", "/", "Cookie", "sb_id="+minted), router.ByKey, nil},
		{"minted", get("shop.test", "/"), router.ByKey, nil},
		{"header rule", get("shop.test", "/", "X-Beta", "true"), router.ByRule, nil},
		{"user rule", get("shop.test", "/api/x", "X-User-Id", "bob"), router.ByRule, nil},
		{"odd path", get("shop.test", "//%61pi/./x/..", "X-User-Id", "bob"), router.ByRule, nil},
		{"chance", get("elsewhere", "/"), router.ByChance, nil},
		{"override", override, router.ByOverride, nil},
		{"listener", listener, router.ByListener, nil},
		{"bad path", get("shop.test", "/%00"), 0, router.ErrBadPath},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rnd := luck(1)
			n := testing.AllocsPerRun(200, func() {
				d, err := tab.Decide(tt.q, [2]uint64{rnd.Uint64(), rnd.Uint64()})
				if err != tt.err || d.Cause != tt.cause { //nolint:errorlint // Decide promises the error itself
					t.Fatalf("by %s, %v; want by %s, %v", d.Cause, err, tt.cause, tt.err)
				}
			})
			if n != 0 {
				t.Errorf("allocates %v times", n)
			}
		})
	}
}

// TestPickAllocatesNothing: a second try neither.
func TestPickAllocatesNothing(t *testing.T) {
	for _, balance := range []config.Balance{config.RoundRobin, config.LeastInflight} {
		p := weighted(t, balance, 1, 2, 3)
		if n := testing.AllocsPerRun(200, func() { p.Pick(7, p.Targets[0]) }); n != 0 {
			t.Errorf("%s allocates %v times", balance, n)
		}
	}
}
