package router_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// FuzzDecide holds a table to the slow reference: the same service, pool, cause, key and error for the
// same request. The seed makes configuration, intents and health; the rest is the request.
func FuzzDecide(f *testing.F) {
	paths := []string{
		"/", "/api", "//api/./v2/../v2", "/%61pi/%2e%2e/admin", "/api%2Fv2", "/api/%00", "/%zz", "*", "", "/a%252Fb", "/api;x/..;/v2",
	}
	hosts := []string{"shop.test", "A.EU.Shop.Test.:80", "[::1]:80", "10.0.0.1", "", "x.test", ".shop.test"}
	for i, path := range paths {
		for j, host := range hosts {
			seed := uint64(i*len(hosts) + j)
			f.Add(seed, host, path, "", "", "", "", "", true, seed<<56, seed)
		}
	}
	for seed := range uint64(20) {
		f.Add(seed, "shop.test", "/", "idle", "", "", "", "", false, seed<<60, seed)
		f.Add(seed, "shop.test", "/", "", "candidate", "alice", "sid=1", "", true, seed<<60, seed)
		f.Add(seed, "eu.shop.test", "/admin", "", "grey", "", `a=b; sid="bob"`, "true", false, seed<<60, seed)
		f.Add(seed, "::1", "/api/v2", "", "", "", "sb_id="+minted, "true", true, seed<<60, seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64, host, path, pool, override, user, cookie, beta string, inside bool, r0, r1 uint64) {
		c, in := randomConfig(seed)
		tab, err := router.Compile(c, in, nil, nil)
		if err != nil {
			t.Fatalf("Compile: %v", err)
		}
		statuses := randomHealth(tab, seed)
		ref := &reference{conf: c, in: in, status: func(service, pool, url string) router.Status {
			return statuses[service+" "+pool+" "+url]
		}}
		q := get(host, path, "Switchback-Pool", override, "X-User-Id", user, "Cookie", cookie, "X-Beta", beta)
		q.Pool = pool
		if inside {
			q.Client = trusted
		}
		rnd := [2]uint64{r0, r1}
		d, err := tab.Decide(q, rnd)
		got, want := summary(&d, err), ref.decide(q, rnd)
		if !errors.Is(got.err, want.err) {
			t.Fatalf("%+v\ngot  %+v\nwant %+v", *q, got, want)
		}
		got.err, want.err = nil, nil
		if got != want {
			t.Fatalf("%+v\ngot  %+v\nwant %+v", *q, got, want)
		}
		if x := tab.Explain(q, rnd); disagree(&x, &d, err) != "" {
			t.Errorf("%+v: %s\nexplained %+v\ndecided %+v", *q, disagree(&x, &d, err), x, d)
		}
		if d.Target != nil && !ref.mayServe(c.Service(want.service), want.from, d.Target.URL) {
			t.Errorf("picked %s of %s, which is %s", d.Target.URL, want.from, d.Target.Status())
		}
		if d.Issue != "" && d.ID != rnd {
			t.Errorf("minted %x, want %x", d.ID, rnd)
		}
	})
}

// summary is a decision by names, with the error as it is.
func summary(d *router.Decision, err error) answer {
	a := answer{pool: name(d.Pool), cause: d.Cause, sticky: d.Sticky, issue: d.Issue, err: err}
	if d.Service != nil {
		a.service = d.Service.Name
	}
	if d.Target != nil {
		a.from = d.Target.Pool.Name
	}
	if d.Fallback != (a.from != "" && a.from != a.pool) {
		a.from = fmt.Sprintf("%s, although fallback is %v", a.from, d.Fallback)
	}
	return a
}

// some keeps each of all with even odds.
func some[T any](r *rand.Rand, all ...T) []T {
	var kept []T
	for _, v := range all {
		if r.IntN(2) == 0 {
			kept = append(kept, v)
		}
	}
	return kept
}

func one[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// randomConfig has up to eight services that do not share a host and path.
func randomConfig(seed uint64) (*config.Config, intents) {
	r := luck(seed)
	c, in := conf(), intents{}
	if r.IntN(4) == 0 {
		c.Trust.Override.From = []netip.Prefix{}
	}
	taken := map[string]bool{}
	for i := range r.IntN(9) {
		s := randomService(r, fmt.Sprint("s", i))
		hosts := s.Hosts
		if len(hosts) == 0 {
			hosts = []string{"any"}
		}
		s.Paths = slices.DeleteFunc(s.Paths, func(path string) bool {
			if slices.ContainsFunc(hosts, func(h string) bool { return taken[h+path] }) {
				return true
			}
			for _, h := range hosts {
				taken[h+path] = true
			}
			return false
		})
		if len(s.Paths) > 0 {
			c.Services = append(c.Services, s)
			in[s.Name] = randomIntent(r, &s)
		}
	}
	return c, in
}

var poolNames = []string{"blue", "green", "grey", "gold"}

func randomService(r *rand.Rand, name string) config.Service {
	s := config.Service{
		Name:    name,
		Hosts:   some(r, "shop.test", "eu.shop.test", "*.shop.test", "*.eu.shop.test", "*.test", "::1", "10.0.0.1"),
		Paths:   some(r, "/api", "/api/v2", "/api/v2/users", "/admin", "/a b", "/;", "/"),
		Balance: one(r, config.LeastInflight, config.RoundRobin),
		Sticky: config.Sticky{
			Key:  some(r, config.StickyKey{Header: "X-User-Id"}, config.StickyKey{Cookie: "sid"}, config.StickyKey{IssueCookie: "sb_id"}),
			Seed: one(r, config.SeedVersion, config.SeedFixed),
		},
		Health: config.Health{PanicBelow: one(r, 0, 50, 100)},
	}
	if r.IntN(3) == 0 {
		s.Hosts = nil
	}
	if r.IntN(2) == 0 {
		slices.Reverse(s.Sticky.Key)
	}
	n := 1 + r.IntN(len(poolNames))
	for _, pool := range poolNames[:n] {
		s.Pools = append(s.Pools, config.Pool{
			Name: pool, Version: one(r, "", "1.0.0", "2.0.0"),
			Targets: targets(pool, slices.Repeat([]int{1 + r.IntN(3)}, r.IntN(4))...),
		})
	}
	s.Weights = byName(randomWeights(r, n))
	for range r.IntN(4) {
		s.Rules = append(s.Rules, randomRule(r))
	}
	return s
}

func byName(weights []config.Weight) config.Weights {
	w := config.Weights{}
	for i, share := range weights {
		w[poolNames[i]] = share
	}
	return w
}

func randomRule(r *rand.Rand) config.Rule {
	m := config.Match{PathPrefix: one(r, "", "/", "/api", "/admin/")}
	if r.IntN(2) == 0 {
		m.Header = []config.HeaderMatch{{Name: "X-Beta", Value: "true"}}
	}
	if r.IntN(2) == 0 {
		m.Users = some(r, "alice", "bob", "1")
	}
	to := one(r, append(slices.Clone(poolNames), config.RoleBaseline, config.RoleCandidate, config.RoleLive, config.RoleIdle)...)
	return config.Rule{When: m, To: to}
}

func randomIntent(r *rand.Rand, s *config.Service) router.Intent {
	in := router.Intent{
		Baseline:  one(r, "", "blue", "green", "absent"),
		Candidate: one(r, "", "", "green", "grey", "absent"),
	}
	if r.IntN(2) == 0 {
		in.Weights = byName(randomWeights(r, len(s.Pools)))
	}
	return in
}

// randomHealth sets every target's status and says which by service, pool and URL.
func randomHealth(tab *router.Table, seed uint64) map[string]router.Status {
	r := luck(^seed)
	set := map[string]router.Status{}
	for _, p := range tab.Pools {
		for _, target := range p.Targets {
			s := one(r, router.Unknown, router.Up, router.Down, router.Down)
			target.SetHealth(router.Health{Status: s})
			set[p.Service.Name+" "+p.Name+" "+target.URL] = s
		}
	}
	return set
}
