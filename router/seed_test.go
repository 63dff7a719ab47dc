package router_test

import (
	"slices"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// TestSeeds: a new version meets other users first, unless the seed is fixed.
func TestSeeds(t *testing.T) {
	const n = 20_000
	keys := users(n)
	on := func(seed config.Seed, version string, weight config.Weight) []bool {
		s := split{weights: []config.Weight{config.Full - weight, weight}, seed: seed, versions: []string{"2.4.0", version}}
		met := make([]bool, n)
		for i, pool := range s.assign(t, keys) {
			met[i] = pool == 1
		}
		return met
	}
	both := func(a, b []bool) (k int) {
		for i := range a {
			if a[i] && b[i] {
				k++
			}
		}
		return k
	}
	for _, weight := range []config.Weight{500, 2500, 5000, 9000} {
		share := float64(weight) / float64(config.Full)
		if a, b := on(config.SeedFixed, "2.5.0", weight), on(config.SeedFixed, "2.6.0", weight); !slices.Equal(a, b) {
			t.Errorf("%s, fixed seed: 2.6.0 meets other users than 2.5.0", weight)
		}
		a, b := on(config.SeedVersion, "2.5.0", weight), on(config.SeedVersion, "2.6.0", weight)
		if k := both(a, b); !near(k, n, share*share) {
			t.Errorf("%s: %d users meet both versions, want about %.0f", weight, k, n*share*share)
		}
		if again := on(config.SeedVersion, "2.5.0", weight); !slices.Equal(a, again) {
			t.Errorf("%s: 2.5.0 meets other users the second time", weight)
		}
		if k := both(on(config.SeedVersion, "", weight), on(config.SeedFixed, "", weight)); !near(k, n, share) {
			t.Errorf("%s: without a version the seed is not the fixed one: %d in common", weight, k)
		}
	}
}

// TestServicesDrawApart: the users who meet one service's candidate are not those of the next.
func TestServicesDrawApart(t *testing.T) {
	const n = 20_000
	half := split{weights: []config.Weight{5000, 5000}, seed: config.SeedFixed}
	shop, inShop := half.service("shop")
	blog, inBlog := half.service("blog")
	shop.Paths, blog.Paths = []string{"/shop"}, []string{"/blog"}
	tab := compile(t, conf(shop, blog), intents{"shop": inShop, "blog": inBlog}, nil)
	same := 0
	for _, key := range users(n) {
		a := decide(t, tab, get("", "/shop", "X-User-Id", key), [2]uint64{}).Pool.Name
		b := decide(t, tab, get("", "/blog", "X-User-Id", key), [2]uint64{}).Pool.Name
		if a == b {
			same++
		}
	}
	if !near(same, n, 0.5) {
		t.Errorf("%d of %d users meet the same side of both services, want about half", same, n)
	}
}

// TestMintedShares: ids minted from luck are split like any other key.
func TestMintedShares(t *testing.T) {
	const n = 20_000
	web := service(t, "web", "blue 93", "green 7")
	web.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}}
	tab, q, r, green := table(t, web), get("", "/"), luck(9), 0
	for range n {
		if decide(t, tab, q, [2]uint64{r.Uint64(), r.Uint64()}).Pool.Name == "green" {
			green++
		}
	}
	if !near(green, n, 0.07) {
		t.Errorf("%d of %d met green, want 7 %%", green, n)
	}
}
