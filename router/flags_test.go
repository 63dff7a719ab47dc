package router_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/router"
)

// flagSet compiles flags as they stand in a file.
func flagSet(tb testing.TB, yaml string) *flags.Set {
	tb.Helper()
	c, err := config.Parse("", []byte("services: {shop: {pools: {blue: [http://b:80]}}}\nflags: "+yaml))
	if err != nil {
		tb.Fatal(err)
	}
	var all []flags.Definition
	for i := range c.Flags {
		all = append(all, flags.Definition{Flag: &c.Flags[i]})
	}
	return flags.Compile(all, nil)
}

func compileFlags(tb testing.TB, set *flags.Set, services ...config.Service) *router.Table {
	tb.Helper()
	t, err := router.Compile(conf(services...), nil, set, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func flagged(tb testing.TB, keys ...config.StickyKey) config.Service {
	s := service(tb, "shop", "blue 100", "green 0")
	s.Sticky.Key = keys
	s.Rules = []config.Rule{{When: config.Match{Flag: "new"}, To: "green"}}
	return s
}

var byUser = config.StickyKey{Header: "X-User-Id"}

func TestRuleByFlag(t *testing.T) {
	set := flagSet(t, `{new: {strategy: percentage, value: 20, users: [alice]}, maintenance: {strategy: all}}`)
	tab := compileFlags(t, set, flagged(t, byUser))
	green := 0
	for i := range 10_000 {
		user := fmt.Sprint("user", i)
		d := decide(t, tab, get("", "/", "X-User-Id", user), [2]uint64{})
		has := set.Flag("new").Evaluate(&flags.Context{Key: user}).Has
		if (d.Pool.Name == "green") != has {
			t.Fatalf("%s has the flag: %t, goes to %s", user, has, d.Pool.Name)
		}
		if want := map[bool]router.Cause{true: router.ByRule, false: router.ByKey}[has]; d.Cause != want {
			t.Fatalf("%s by %s, want %s", user, d.Cause, want)
		}
		if has {
			green++
		}
	}
	if green < 1840 || green > 2160 { // 4 sigma
		t.Errorf("%d of 10000 go by the flag, want about 2000", green)
	}
	if d := decide(t, tab, get("", "/", "X-User-Id", "alice"), [2]uint64{}); d.Pool.Name != "green" {
		t.Error("a listed user does not go by the flag")
	}
	if d := decide(t, tab, get("", "/"), [2]uint64{}); d.Pool.Name != "blue" || d.Cause != router.ByChance {
		t.Errorf("without a user %s by %s", d.Pool.Name, d.Cause)
	}
	everybody := flagged(t)
	everybody.Rules[0].When.Flag = "maintenance"
	if d := decide(t, compileFlags(t, set, everybody), get("", "/"), [2]uint64{}); d.Pool.Name != "green" {
		t.Error("a flag for everybody needs a user")
	}
	gone := flagged(t, byUser)
	gone.Rules[0].When.Flag = "gone"
	if d := decide(t, compileFlags(t, set, gone), get("", "/", "X-User-Id", "alice"), [2]uint64{}); d.Pool.Name != "blue" {
		t.Error("a flag that is not there matches")
	}
}

// What a flag says of the first request of a user holds for the next ones, which bring the minted cookie.
func TestFlagOfMintedKey(t *testing.T) {
	set := flagSet(t, `{new: {strategy: percentage, value: 50}}`)
	tab := compileFlags(t, set, flagged(t, config.StickyKey{IssueCookie: "sb_id"}))
	rnd := luck(4)
	seen := map[string]int{}
	for range 500 {
		dice := [2]uint64{rnd.Uint64(), rnd.Uint64()}
		first := decide(t, tab, get("", "/"), dice)
		if first.Issue != "sb_id" {
			t.Fatalf("issues %q", first.Issue)
		}
		user := string(first.User(nil))
		next := decide(t, tab, get("", "/", "Cookie", "sb_id="+user), dice)
		if next.Pool != first.Pool || string(next.User(nil)) != user || next.Issue != "" {
			t.Fatalf("%s went to %s first and to %s then", user, first.Pool.Name, next.Pool.Name)
		}
		seen[first.Pool.Name]++
	}
	if seen["blue"] < 200 || seen["green"] < 200 {
		t.Errorf("split %v", seen)
	}
}

// With seed flag:new the users of the candidate are those of the flag, at every weight.
func TestSeedOfFlag(t *testing.T) {
	for _, salt := range []string{"", "spring"} {
		set := flagSet(t, fmt.Sprintf(`{new: {strategy: percentage, value: 30, salt: %q}}`, salt+"x"))
		for _, weight := range []config.Weight{1, 500, 3000, 9999} {
			s := service(t, "shop", "blue 100", "green 0")
			s.Weights = config.Weights{"blue": config.Full - weight, "green": weight}
			s.Sticky = config.Sticky{Key: []config.StickyKey{byUser}, Seed: "flag:new"}
			tab, err := router.Compile(conf(s), intents{"shop": {Baseline: "blue"}}, set, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2000 {
				user := fmt.Sprint("user", i)
				position := bucket.Of(salt+"x", user)
				want := map[bool]string{true: "green", false: "blue"}[uint64(position)*10_000>>32 < uint64(weight)]
				if got := decide(t, tab, get("", "/", "X-User-Id", user), [2]uint64{}).Pool.Name; got != want {
					t.Fatalf("at %v %s goes to %s, the flag says %s", weight, user, got, want)
				}
				if weight == 3000 && set.Flag("new").Evaluate(&flags.Context{Key: user}).Has != (want == "green") {
					t.Fatalf("the flag does not say %s of %s", want, user)
				}
			}
		}
	}
}

// TestFlagsAllocateNothing: a rule and a seed by flag cost what others do.
func TestFlagsAllocateNothing(t *testing.T) {
	set := flagSet(t, `{new: {strategy: percentage, value: 50, targeting: [{when: {attribute: targetingKey, prefix: b}}]}}`)
	s := flagged(t, byUser, config.StickyKey{IssueCookie: "sb_id"})
	s.Sticky.Seed = "flag:new"
	tab := compileFlags(t, set, s)
	for name, q := range map[string]*router.Request{
		"header": get("", "/", "X-User-Id", "bob"), "minted": get("", "/"),
		"http.Header": {Path: "/", Client: stranger, Header: http.Header{"X-User-Id": {"carol"}}},
	} {
		rnd := luck(1)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := tab.Decide(q, [2]uint64{rnd.Uint64(), rnd.Uint64()}); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: allocates %v times", name, n)
		}
	}
}

// What stands for a flag is asked by nobody and compares the requests of its service.
func TestComparisons(t *testing.T) {
	c, err := config.Parse("", []byte(`
services:
  shop: {pools: {blue: [http://b:80]}, sticky: {key: [{header: X-User-ID}]}, flags: [new, other]}
flags:
  new: {strategy: percentage, value: 5, rollout: {service: shop}}
  other: {strategy: all}
`))
	if err != nil {
		t.Fatal(err)
	}
	set := flags.Compile([]flags.Definition{{Flag: &c.Flags[0]}, {Flag: &c.Flags[1]}}, nil)
	tab, err := router.Compile(c, intents{"flag:new": {Revision: 7}}, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := decide(t, tab, get("", "/", "X-User-Id", "a"), [2]uint64{}); d.Service.Name != "shop" {
		t.Errorf("a request goes to %s", d.Service.Name)
	}
	shop := tab.Service("shop")
	if len(shop.Compared) != 1 || shop.Compared[0].Of.Revision != 7 || shop.Compared[0].On.Name != "on" || shop.Compared[0].Flag != set.Flag("new") {
		t.Errorf("compared: %+v", shop.Compared)
	}
	if len(shop.Told) != 2 || shop.Told[0].Name != "new" {
		t.Errorf("told: %+v", shop.Told)
	}
}
