package router_test

import (
	"errors"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// TestFallback: what was drawn or ruled to a pool without a usable target meets the baseline, and the
// decision still names the pool it was meant for. Who named a pool by hand gets that pool or nothing.
func TestFallback(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}}
	web.Rules = []config.Rule{{When: config.Match{PathPrefix: "/rule"}, To: "green"}, {When: config.Match{PathPrefix: "/base"}, To: "blue"}}
	tab := table(t, web)
	s := tab.Service("web")
	green := ""
	for i := 0; green == ""; i++ {
		key := string(router.AppendID(nil, [2]uint64{0, uint64(i)}))
		if decide(t, tab, get("", "/", "X-User-Id", key), chance(0)).Pool == s.Candidate {
			green = key
		}
	}
	listener, override := get("", "/"), get("", "/", "Switchback-Pool", "green")
	listener.Pool, override.Client = "green", trusted
	requests := []struct {
		name string
		q    *router.Request
		pool string
		hand bool
	}{
		{"chance", get("", "/"), "green", false},
		{"key", get("", "/", "X-User-Id", green), "green", false},
		{"rule", get("", "/rule"), "green", false},
		{"rule to the baseline", get("", "/base"), "blue", false},
		{"override", override, "green", true},
		{"listener", listener, "green", true},
	}
	tests := []struct {
		name        string
		blue, green router.Status
	}{
		{"all up", up, up},
		{"candidate unknown", up, un},
		{"candidate down", up, dn},
		{"candidate down, baseline unknown", un, dn},
		{"baseline down", dn, up},
		{"all down", dn, dn},
	}
	for _, tt := range tests {
		for _, r := range requests {
			t.Run(tt.name+" by "+r.name, func(t *testing.T) {
				health(s.Baseline, tt.blue)
				health(s.Candidate, tt.green)
				own, other := tt.green, tt.blue
				if r.pool == "blue" {
					own, other = tt.blue, dn // the baseline falls back to nobody
				}
				d, err := tab.Decide(r.q, chance(0))
				if name(d.Pool) != r.pool {
					t.Fatalf("chose %q, want %s", name(d.Pool), r.pool)
				}
				switch {
				case own != dn:
					if err != nil || d.Fallback || d.Target.Pool != d.Pool {
						t.Errorf("got %+v, %v, want a target of %s", d.Target, err, r.pool)
					}
				case other != dn && !r.hand:
					if err != nil || !d.Fallback || d.Target.Pool != s.Baseline {
						t.Errorf("got %+v, fallback %v, %v, want a target of the baseline", d.Target, d.Fallback, err)
					}
				default:
					if !errors.Is(err, router.ErrNoTarget) || d.Target != nil || d.Fallback {
						t.Errorf("got %+v, fallback %v, %v, want ErrNoTarget", d.Target, d.Fallback, err)
					}
				}
			})
		}
	}
}
