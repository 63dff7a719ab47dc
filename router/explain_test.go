package router_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/router"
)

// flaggedConfig is randomConfig, and some services ask flags: in rules, as seed and to tell upstream.
func flaggedConfig(tb testing.TB, seed uint64) (*config.Config, intents, *flags.Set) {
	tb.Helper()
	c, in := randomConfig(seed)
	r := luck(seed + 1<<32)
	set := flagSet(tb, fmt.Sprintf(`
  one: {strategy: percentage, value: %d, users: [alice]}
  two: {strategy: %s}
  three: {strategy: percentage, value: %d, salt: s, targeting: [{when: {attribute: targetingKey, prefix: b}}]}`,
		r.IntN(101), one(r, "all", "none"), r.IntN(101)))
	for i := range c.Services {
		s := &c.Services[i]
		for j := range s.Rules {
			s.Rules[j].When.Flag = one(r, "", "", "one", "two", "three", "absent")
		}
		if len(s.Pools) == 2 && r.IntN(3) == 0 {
			s.Sticky.Seed = config.SeedFlag + config.Seed(one(r, "one", "three"))
		}
		s.Flags = some(r, "one", "two", "three")
	}
	return c, in, set
}

func randomRequest(r *rand.Rand) *router.Request {
	q := get(
		one(r, "shop.test", "eu.shop.test:80", "A.EU.Shop.Test.", "[::1]:80", "10.0.0.1", "x.test", "other.example", ""),
		one(r, "/", "/api", "/api/v2/users/7", "//api/./v2/../v2", "/%61pi", "/admin", "/a b", "/%zz", "*", "/nowhere"),
		"Switchback-Pool", one(r, "", "", "", "green", "candidate", "idle", "absent"),
		"X-User-Id", one(r, "", "", "alice", "bob", "1", fmt.Sprint(r.Uint32())),
		"Cookie", one(r, "", "sid=s1", "a=b; sb_id="+minted, "sb_id=made-up", `sid="q"`),
		"X-Beta", one(r, "", "true", "false"))
	q.Pool = one(r, "", "", "", "", "idle", "blue", "absent")
	if r.IntN(2) == 0 {
		q.Client = trusted
	}
	return q
}

// TestExplainAgrees: for any configuration, intents, flags, health and request, Explain names the pool, the cause, the
// key and the error of Decide, and the target that Decide picks is one of those it says may serve.
func TestExplainAgrees(t *testing.T) {
	seen, causes := 0, map[router.Cause]int{}
	for seed := range uint64(500) {
		c, in, set := flaggedConfig(t, seed)
		tab, err := router.Compile(c, in, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		randomHealth(tab, seed)
		r := luck(seed + 2<<32)
		for range 12 {
			q, rnd := randomRequest(r), [2]uint64{r.Uint64(), r.Uint64()}
			x := tab.Explain(q, rnd)
			d, err := tab.Decide(q, rnd)
			if problem := disagree(&x, &d, err); problem != "" {
				t.Fatalf("seed %d, %+v: %s\nexplained %+v\ndecided   %+v, %v", seed, *q, problem, x, d, err)
			}
			if d.Pool != nil {
				seen++
				causes[d.Cause]++
			}
		}
	}
	t.Logf("%d requests with a pool, by cause %v", seen, causes)
	if seen < 2000 || len(causes) != 5 {
		t.Errorf("only %d requests with a pool, by %v: the generator is too tame", seen, causes)
	}
}

// disagree says in what an explanation differs from a decision.
func disagree(x *router.Explanation, d *router.Decision, err error) string {
	starved := errors.Is(err, router.ErrNoTarget)
	switch {
	case x.Service != d.Service || x.Pool != d.Pool || x.Cause != d.Cause:
		return "another way"
	case x.Sticky != d.Sticky || x.Issue != d.Issue || x.ID != d.ID:
		return "another key"
	case starved != (x.Err == nil && err != nil) || !starved && !errors.Is(x.Err, err):
		return "another error"
	case d.Pool != nil && d.Cause >= router.ByRule && x.Told != d.FlagsField():
		return "other flags are told"
	case d.Pool == nil:
		return ""
	}
	if n := len(x.Rules); (d.Cause == router.ByRule) != (n > 0 && !x.Rules[n-1].Nowhere && x.Rules[n-1].Missing == router.Nothing) {
		return "the last rule does not fit"
	}
	if d.Cause == router.ByKey {
		if n := len(x.Turns); (d.Pool == d.Service.Baseline) != (n == 0 || !x.Turns[n-1].Taken) || n > 0 && x.Turns[n-1].Taken && x.Turns[n-1].Pool != d.Pool {
			return "the walk ends elsewhere"
		}
	}
	for i := range x.Ends {
		if e := &x.Ends[i]; e.Pool == d.Pool && e.Cause == d.Cause {
			return wrongEnd(e, d)
		}
	}
	if x.Sampled {
		return "" // as rare as that can be
	}
	return "the pool is not among the ends"
}

func wrongEnd(e *router.End, d *router.Decision) string {
	switch {
	case d.Target == nil && e.Serves != nil || d.Target != nil && e.Serves != d.Target.Pool:
		return "another pool serves"
	case d.Target == nil || d.Fallback:
		return ""
	}
	for _, c := range e.Targets {
		if c.Target == d.Target && c.Serves {
			return ""
		}
	}
	return "the target is not among those that may serve"
}

// TestExplainOthers holds what is said of the other services to the slow reference, which sees each of them alone.
func TestExplainOthers(t *testing.T) {
	less := 0
	for seed := range uint64(300) {
		c, in := randomConfig(seed)
		tab := compile(t, c, in, nil)
		r := luck(seed + 3<<32)
		for range 10 {
			q := randomRequest(r)
			x := tab.Explain(q, [2]uint64{})
			path, ok := segments(q.Path)
			if !ok {
				continue
			}
			for _, o := range x.Others {
				alone := &reference{conf: conf(*o.Service.Config)}
				if got := alone.match(hostName(q.Host), path) != nil; got != o.Path {
					t.Fatalf("%+v: %s alone: %v, explained as %+v", *q, o.Service.Name, got, o)
				}
				if o.Path && !o.Host {
					t.Fatalf("%+v: %s has the path but not the host", *q, o.Service.Name)
				}
				if o.Path {
					less++
				}
			}
		}
	}
	if less == 0 {
		t.Error("no service was less specific than the one chosen")
	}
}

// TestExplainShares: the shares of the ends are those that Decide draws.
func TestExplainShares(t *testing.T) {
	const n = 20_000
	set := flagSet(t, `{new: {strategy: percentage, value: 30}}`)
	for name, s := range map[string]config.Service{
		"chance": service(t, "shop", "blue 70", "green 25", "grey 5"),
		"minted": func() config.Service {
			s := service(t, "shop", "blue 70", "green 25", "grey 5")
			s.Sticky.Key = []config.StickyKey{byUser, {IssueCookie: "sb_id"}}
			return s
		}(),
		"minted for a flag": func() config.Service {
			s := service(t, "shop", "blue 80", "green 20")
			s.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}}
			s.Rules = []config.Rule{{When: config.Match{Flag: "new"}, To: "green"}}
			return s
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			tab, q, r := compileFlags(t, set, s), get("", "/"), luck(5)
			x := tab.Explain(q, [2]uint64{})
			if !x.Lucky || x.Sampled != (name == "minted for a flag") {
				t.Errorf("lucky %v, sampled %v", x.Lucky, x.Sampled)
			}
			type end struct {
				pool  string
				cause router.Cause
			}
			met, sum := map[end]int{}, 0.0
			for range n {
				d := decide(t, tab, q, [2]uint64{r.Uint64(), r.Uint64()})
				met[end{d.Pool.Name, d.Cause}]++
			}
			for _, e := range x.Ends {
				sum += e.Share
				if k := met[end{e.Pool.Name, e.Cause}]; float64(k) < n*e.Share-slack(n, e.Share)*1.5 || float64(k) > n*e.Share+slack(n, e.Share)*1.5 {
					t.Errorf("%s by %s: %d of %d, explained as %v", e.Pool.Name, e.Cause, k, n, e.Share)
				}
			}
			if len(met) != len(x.Ends) || sum < 0.9999 || sum > 1.0001 {
				t.Errorf("met %v, explained as %d ends that make %v", met, len(x.Ends), sum)
			}
		})
	}
}

// TestExplainTakesNoTurn: asking between requests does not change who serves them.
func TestExplainTakesNoTurn(t *testing.T) {
	serve := func(ask bool) (urls []string) {
		web := service(t, "web", "blue 100", "green 0")
		web.Balance = config.RoundRobin
		web.Pools[0].Targets = targets("blue", 1, 2, 3)
		tab := table(t, web)
		for range 12 {
			if ask {
				tab.Explain(get("", "/"), [2]uint64{})
			}
			urls = append(urls, decide(t, tab, get("", "/"), [2]uint64{}).Target.URL)
		}
		return urls
	}
	if with, without := serve(true), serve(false); !reflect.DeepEqual(with, without) {
		t.Errorf("with questions %v, without %v", with, without)
	}
}

// TestExplainRule names the part of each rule that did not hold.
func TestExplainRule(t *testing.T) {
	set := flagSet(t, `{new: {strategy: users, users: [carol]}}`)
	s := service(t, "shop", "blue 60", "green 30", "grey 10")
	s.Sticky.Key = []config.StickyKey{byUser}
	s.Rules = []config.Rule{
		{When: config.Match{PathPrefix: "/api", Users: []string{"bob"}}, To: "green"},
		{When: config.Match{Users: []string{"alice"}, Header: []config.HeaderMatch{{Name: "X-Beta", Value: "true"}}}, To: "green"},
		{When: config.Match{Header: []config.HeaderMatch{{Name: "A", Value: "1"}, {Name: "X-Beta", Value: "true"}}}, To: "green"},
		{When: config.Match{PathPrefix: "/"}, To: "candidate"},
		{When: config.Match{Flag: "new"}, To: "grey"},
		{When: config.Match{PathPrefix: "/cart"}, To: "grey"},
		{When: config.Match{PathPrefix: "/"}, To: "blue"},
	}
	x := compileFlags(t, set, s).Explain(get("", "/cart", "X-User-Id", "dave", "A", "1", "X-Beta", "no"), [2]uint64{})
	want := []router.Part{router.ThePath, router.TheUser, router.TheHeader, router.Nothing, router.TheFlag, router.Nothing}
	if len(x.Rules) != len(want) {
		t.Fatalf("got %d rules: %+v", len(x.Rules), x.Rules)
	}
	for i, r := range x.Rules {
		if r.Missing != want[i] || r.Index != i || r.Nowhere != (i == 3) {
			t.Errorf("rule %d: %+v, want the part %d", i, r, want[i])
		}
	}
	if r := x.Rules[2]; r.Header != (config.HeaderMatch{Name: "X-Beta", Value: "true"}) || r.Got != "no" {
		t.Errorf("the header is %+v, got %q", r.Header, r.Got)
	}
	if r := x.Rules[4]; r.Flag != set.Flag("new") || r.Result.Has || r.Result.Variant.Name != "off" {
		t.Errorf("the flag: %+v", r)
	}
	if x.Pool.Name != "grey" || x.Lucky || len(x.Ends) != 1 {
		t.Errorf("goes to %s, %d ends", x.Pool.Name, len(x.Ends))
	}
}

// TestCohortMeets: who is said to meet the candidate at a weight are those who meet it once it has that weight, with
// every seed and source of keys.
func TestCohortMeets(t *testing.T) {
	set := flagSet(t, `{new: {strategy: percentage, value: 30}}`)
	keys := users(2000)
	for _, seed := range []config.Seed{config.SeedVersion, config.SeedFixed, "flag:new"} {
		for _, w := range []config.Weight{0, 1, 1000, 5000, 9999, 10000} {
			s := service(t, "shop", "blue 100", "green 0")
			s.Pools[1].Version = "2.5.0"
			s.Sticky = config.Sticky{Key: []config.StickyKey{byUser}, Seed: seed}
			c, err := compileFlags(t, set, s).Service("shop").Cohort(w)
			if err != nil {
				t.Fatal(err)
			}
			s.Weights = config.Weights{"blue": config.Full - w, "green": w}
			live, err := router.Compile(conf(s), intents{"shop": {Baseline: "blue"}}, set, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				on := decide(t, live, get("", "/", "X-User-Id", key), [2]uint64{}).Pool.Name == "green"
				if c.Has(key) != on {
					t.Fatalf("seed %s at %v: cohort says %v of %s, who meets green: %v", seed, w, !on, key, on)
				}
			}
		}
	}
}

func TestCohortRefuses(t *testing.T) {
	three := service(t, "shop", "blue 60", "green 30", "grey 10")
	three.Sticky.Key = []config.StickyKey{byUser}
	if _, err := table(t, three).Service("shop").Cohort(100); !errors.Is(err, router.ErrNoCandidate) {
		t.Errorf("three pools: %v", err)
	}
	dice := service(t, "shop", "blue 60", "green 40")
	if _, err := table(t, dice).Service("shop").Cohort(100); !errors.Is(err, router.ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
	issued := service(t, "shop", "blue 60", "green 40")
	issued.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}}
	c, err := table(t, issued).Service("shop").Cohort(config.Full)
	if err != nil || !c.Has(minted) || c.Has("alice") || c.Has("") {
		t.Errorf("issued cookies: %v, %v %v %v", err, c.Has(minted), c.Has("alice"), c.Has(""))
	}
}
