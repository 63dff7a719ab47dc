package router_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

const minted = "0123456789abcdef0123456789abcdef"

func TestStickyKey(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}, {Cookie: "sid"}, {IssueCookie: "sb_id"}}
	tab := table(t, web)
	long := func(n int) string { return strings.Repeat("k", n) }
	tests := []struct {
		name, header, cookies string
		want                  string // "": an id is minted
	}{
		{"header", "alice", "", "alice"},
		{"header before cookie", "alice", "sid=1; sb_id=" + minted, "alice"},
		{"header as given", " Al/ice=; ", "", " Al/ice=; "},
		{"longest header", long(256), "sid=1", long(256)},
		{"oversized header", long(257), "sid=1", "1"},
		{"only an oversized header", long(257), "", ""},
		{"empty header", "", "sid=1", "1"},

		{"cookie", "", "sid=1", "1"},
		{"cookie before issued", "", "sb_id=" + minted + "; sid=1", "1"},
		{"among others", "", "a=b; sid=1; c=d", "1"},
		{"no blanks", "", "a=b;sid=1;c=d", "1"},
		{"blanks and tabs", "", "  a=b ;\t sid=1 \t; c=d", "1"},
		{"first of two", "", "sid=1; sid=2", "1"},
		{"names that contain it", "", "xsid=1; sid2=2; sid=3", "3"},
		{"only names that contain it", "", "xsid=1; sid2=2; si=3", ""},
		{"names are exact", "", "SID=1", ""},
		{"name as a value", "", "a=sid=1", ""},
		{"value with an equals sign", "", "sid=a=b", "a=b"},
		{"quoted", "", `sid="a b"; x=y`, "a b"},
		{"half a quote", "", `sid="a`, `"a`},
		{"one quote", "", `sid="`, `"`},
		{"empty quotes", "", `sid=""`, ""},
		{"empty value", "", "sid=", ""},
		{"no value", "", "sid", ""},
		{"longest cookie", "", "sid=" + long(256), long(256)},
		{"oversized cookie", "", "sid=" + long(257) + "; sb_id=" + minted, minted},
		{"malformed", "", ";;=;= ;a;=sid=1;", ""},
		{"malformed around it", "", ";;=; sid=1;;", "1"},

		{"issued", "", "sb_id=" + minted, minted},
		{"issued in quotes", "", `sb_id="` + minted + `"`, minted},
		{"issued too short", "", "sb_id=" + minted[1:], ""},
		{"issued too long", "", "sb_id=" + minted + "0", ""},
		{"issued in capitals", "", "sb_id=" + strings.ToUpper(minted), ""},
		{"issued with a letter that is no digit", "", "sb_id=" + minted[:31] + "g", ""},
		{"a pool's name instead of an id", "", "sb_id=green", ""},
		{"oversized issued", "", "sb_id=" + long(10000), ""},
		{"no cookie", "", "", ""},
	}
	rnd := [2]uint64{0x0011223344556677, 0x8899aabbccddeeff}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, tab, get("", "/", "X-User-Id", tt.header, "Cookie", tt.cookies), rnd)
			if d.Sticky != tt.want || d.Cause != router.ByKey {
				t.Errorf("key %q by %s, want %q by key", d.Sticky, d.Cause, tt.want)
			}
			if tt.want != "" && (d.Issue != "" || d.ID != [2]uint64{}) {
				t.Errorf("mints %q %x although there is a key", d.Issue, d.ID)
			}
			if tt.want == "" && (d.Issue != "sb_id" || d.ID != rnd) {
				t.Errorf("mints %q %x, want sb_id %x", d.Issue, d.ID, rnd)
			}
		})
	}
}

// TestOrderOfKeys: an issued cookie is only minted when no key at all is present, wherever it stands.
func TestOrderOfKeys(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}, {Header: "X-User-Id"}}
	tab := table(t, web)
	tests := []struct{ cookies, header, want string }{
		{"sb_id=" + minted, "alice", minted},
		{"sb_id=torn", "alice", "alice"},
		{"", "alice", "alice"},
		{"sb_id=torn", "", ""},
	}
	for _, tt := range tests {
		d := decide(t, tab, get("", "/", "X-User-Id", tt.header, "Cookie", tt.cookies), [2]uint64{1, 2})
		if d.Sticky != tt.want || (d.Issue != "") != (tt.want == "") {
			t.Errorf("cookies %q, header %q: key %q, issue %q; want key %q", tt.cookies, tt.header, d.Sticky, d.Issue, tt.want)
		}
	}
}

// TestNoKeyIsChance: without a cookie to issue, who brings no key is drawn anew each time.
func TestNoKeyIsChance(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}, {Cookie: "sid"}}
	tab := table(t, web)
	for position, want := range map[config.Weight]string{0: "green", 4999: "green", 5000: "blue", 9999: "blue"} {
		d := decide(t, tab, get("", "/"), chance(position))
		if d.Pool.Name != want || d.Cause != router.ByChance || d.Issue != "" {
			t.Errorf("at %s: %s by %s, issue %q; want %s by chance", position, d.Pool.Name, d.Cause, d.Issue, want)
		}
	}
}

// TestMintedDecidesAtOnce: the id minted for a request chooses its pool, so the next request, which
// brings it back, meets the same one.
func TestMintedDecidesAtOnce(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}}
	tab := table(t, web)
	met := map[string]int{}
	r := luck(1)
	for range 1000 {
		first := decide(t, tab, get("", "/"), [2]uint64{r.Uint64(), r.Uint64()})
		id := string(router.AppendID(nil, first.ID))
		next := decide(t, tab, get("", "/", "Cookie", first.Issue+"="+id), [2]uint64{r.Uint64(), r.Uint64()})
		if next.Sticky != id || next.Pool != first.Pool || next.Issue != "" {
			t.Fatalf("id %s met %s first, then %s with key %q", id, first.Pool.Name, next.Pool.Name, next.Sticky)
		}
		met[first.Pool.Name]++
	}
	if met["blue"] < 400 || met["green"] < 400 {
		t.Errorf("met %v, want about half each", met)
	}
}

// TestNoCookieForWhoIsNotDrawn: an id is minted for the draw, not for listener, override and rules.
func TestNoCookieForWhoIsNotDrawn(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50")
	web.Sticky.Key = []config.StickyKey{{IssueCookie: "sb_id"}}
	web.Rules = []config.Rule{{When: config.Match{PathPrefix: "/rule"}, To: "green"}}
	tab := table(t, web)
	listener, override, rule := get("", "/"), get("", "/", "Switchback-Pool", "green"), get("", "/rule")
	listener.Pool, override.Client = "green", trusted
	for _, q := range []*router.Request{listener, override, rule} {
		if d := decide(t, tab, q, [2]uint64{1, 2}); d.Issue != "" || d.ID != [2]uint64{} || d.Cause.Drawn() {
			t.Errorf("by %s: issues %q %x", d.Cause, d.Issue, d.ID)
		}
	}
}

func TestAppendID(t *testing.T) {
	got := string(router.AppendID([]byte("id="), [2]uint64{0x0123456789abcdef, 0xf}))
	if want := "id=0123456789abcdef000000000000000f"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

//go:embed testdata/cohort.json
var cohortJSON []byte

// cohort is a case of testdata/cohort.json, which says how another implementation reads it.
type cohort struct {
	Service, Version, Baseline, Candidate string
	Seed                                  config.Seed
	Pools                                 []struct {
		Name   string
		Weight int32 // hundredths of a percent, where a config.Weight reads percent
	}
	Key  string
	Walk []struct {
		Hashed            string
		Position          uint32
		Weight, Remaining uint64
	}
	Pool string
}

func cohorts(tb testing.TB) []cohort {
	tb.Helper()
	var file struct{ Cases []cohort }
	if err := json.Unmarshal(cohortJSON, &file); err != nil {
		tb.Fatal(err)
	}
	if len(file.Cases) == 0 {
		tb.Fatal("no cases")
	}
	return file.Cases
}

// TestCohort checks the golden positions twice: their own arithmetic against the published hash, and
// the pool against what a table decides.
func TestCohort(t *testing.T) {
	for i, c := range cohorts(t) {
		t.Run(fmt.Sprint(i, " ", c.Key), func(t *testing.T) {
			for n, step := range c.Walk {
				if got := murmur(step.Hashed); got != step.Position {
					t.Errorf("%q lies at %d, want %d", step.Hashed, got, step.Position)
				}
				taken := uint64(step.Position)*step.Remaining < step.Weight<<32
				if last := n == len(c.Walk)-1; taken != (last && c.Pool != c.Baseline) {
					t.Errorf("%q: taken %v", step.Hashed, taken)
				}
			}
			web := config.Service{Name: c.Service, Paths: []string{"/"}, Weights: config.Weights{}}
			web.Sticky = config.Sticky{Key: []config.StickyKey{{Header: "X-User-Id"}}, Seed: c.Seed}
			for _, p := range c.Pools {
				pool := config.Pool{Name: p.Name, Version: "another", Targets: targets(p.Name, 1)}
				if p.Name == c.Candidate {
					pool.Version = c.Version
				}
				web.Pools = append(web.Pools, pool)
				web.Weights[p.Name] = config.Weight(p.Weight)
			}
			in := intents{c.Service: {Baseline: c.Baseline, Candidate: c.Candidate}}
			d := decide(t, compile(t, conf(web), in, nil), get("", "/", "X-User-Id", c.Key), [2]uint64{})
			if d.Pool.Name != c.Pool {
				t.Errorf("%q meets %s, want %s", c.Key, d.Pool.Name, c.Pool)
			}
		})
	}
}

// TestReferenceHash holds the second implementation to published values and to the first golden case.
func TestReferenceHash(t *testing.T) {
	for data, want := range map[string]uint32{
		"":     0,
		"test": 0xba6bd213,
		"The quick brown fox jumps over the lazy dog": 0x2e4ff723,
		"shop@2.5.0/green/user_alice":                 1545233090,
		"shop@2.5.0/green/user_bob":                   3852112443,
		"shop/green/user_alice":                       0x2d107cf3,
	} {
		if got := murmur(data); got != want {
			t.Errorf("murmur(%q) = %#08x, want %#08x", data, got, want)
		}
	}
}
