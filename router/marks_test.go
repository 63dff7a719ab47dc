package router_test

import (
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

func TestMarks(t *testing.T) {
	web := service(t, "web", "blue 100", "green 0")
	web.Rollout = &config.Rollout{Checks: []config.Check{
		{Name: config.CheckErrors},
		{Name: "conversion", Kind: config.KindRatio, Good: config.Pattern{Method: "POST", Path: "/checkout"}, Of: config.Pattern{Method: "GET", Path: "/cart"}},
		{Name: "paid", Kind: config.KindRatio, Good: config.Pattern{Path: "/pay", Below: true}, Of: config.Pattern{Method: "POST", Path: "/", Below: true}},
	}}
	s := table(t, web).Service("web")
	of, good := func(i int) router.Marks { return 1 << i }, func(i int) router.Marks { return 1 << (i + config.MaxRatios) }
	for _, tt := range []struct {
		method, path string
		want         router.Marks
	}{
		{"GET", "/cart", of(0)},
		{"GET", "/cart/", of(0)},
		{"GET", "/cart/1", 0},
		{"GET", "/carts", 0},
		{"GET", "/%63art", of(0)},
		{"GET", "//./cart", of(0)},
		{"HEAD", "/cart", 0},
		{"POST", "/checkout", good(0) | of(1)},
		{"GET", "/checkout", 0},
		{"PUT", "/pay", good(1)},
		{"PUT", "/pay/card/7", good(1)},
		{"PUT", "/payment", 0},
		{"POST", "/pay/x", good(1) | of(1)},
		{"POST", "/", of(1)},
		{"GET", "/%00", 0},
		{"GET", "", 0},
		{"OPTIONS", "*", 0},
	} {
		got := s.Mark(tt.method, tt.path)
		if got != tt.want {
			t.Errorf("%s %s: got %08b, want %08b", tt.method, tt.path, got, tt.want)
		}
		if n := testing.AllocsPerRun(50, func() { s.Mark(tt.method, tt.path) }); n != 0 {
			t.Errorf("%s %s: %v allocations", tt.method, tt.path, n)
		}
	}
	if m := of(1) | good(0); m.Of(0) || !m.Of(1) || !m.Good(0) || m.Good(1) {
		t.Errorf("%08b is told wrong", m)
	}
	if got := len(s.Ratios()); got != 2 {
		t.Errorf("%d ratios", got)
	}
}

func TestRequestsOfATarget(t *testing.T) {
	var s router.State
	s.Begin()
	s.End()
	s.Begin()
	if s.Begun() != 2 || s.InFlight() != 1 {
		t.Errorf("%d begun, %d in flight", s.Begun(), s.InFlight())
	}
}
