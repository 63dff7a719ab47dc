package router_test

import (
	"errors"
	"maps"
	"net/netip"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// TestOrderOfCauses: listener, trusted override, rules, key, chance; who comes first decides.
func TestOrderOfCauses(t *testing.T) {
	web := service(t, "web", "blue 100", "green 0", "grey 0")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}}
	web.Rules = []config.Rule{
		{When: config.Match{Header: []config.HeaderMatch{{Name: "X-Beta", Value: "true"}}}, To: "green"},
	}
	tab := table(t, web)
	all := fields{"Switchback-Pool": "grey", "X-Beta": "true", "X-User-Id": "alice"}
	without := func(names ...string) fields {
		f := fields{}
		maps.Copy(f, all)
		for _, n := range names {
			delete(f, n)
		}
		return f
	}
	tests := []struct {
		name     string
		listener string
		client   netip.Addr
		header   fields
		pool     string
		cause    router.Cause
		drawn    bool
	}{
		{"listener", "blue", trusted, all, "blue", router.ByListener, false},
		{"listener by role", "live", trusted, all, "blue", router.ByListener, false},
		{"override", "", trusted, all, "grey", router.ByOverride, false},
		{"override of a stranger", "", stranger, all, "green", router.ByRule, false},
		{"rule", "", trusted, without("Switchback-Pool"), "green", router.ByRule, false},
		{"key", "", trusted, without("Switchback-Pool", "X-Beta"), "blue", router.ByKey, true},
		{"chance", "", trusted, fields{}, "blue", router.ByChance, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &router.Request{Path: "/", Pool: tt.listener, Client: tt.client, Header: tt.header}
			d := decide(t, tab, q, [2]uint64{})
			if d.Pool.Name != tt.pool || d.Cause != tt.cause || d.Cause.Drawn() != tt.drawn {
				t.Errorf("%s by %s, drawn %v; want %s by %s", d.Pool.Name, d.Cause, d.Cause.Drawn(), tt.pool, tt.cause)
			}
			if d.Sticky != tt.header["X-User-Id"] {
				t.Errorf("sticky key %q, want %q", d.Sticky, tt.header["X-User-Id"])
			}
		})
	}
}

func TestOverride(t *testing.T) {
	two := table(t, service(t, "web", "blue 100", "green 0"))
	three := table(t, service(t, "web", "blue 100", "green 0", "grey 0"))
	tests := []struct {
		name   string
		tab    *router.Table
		client string
		value  string
		want   string // "": ErrNoPool
		cause  router.Cause
	}{
		{"pool", two, "10.20.0.0", "green", "green", router.ByOverride},
		{"last address", two, "10.20.255.255", "green", "green", router.ByOverride},
		{"IPv6", two, "fd00::1", "green", "green", router.ByOverride},
		{"IPv4 in IPv6", two, "::ffff:10.20.0.1", "green", "green", router.ByOverride},
		{"baseline", two, "10.20.0.1", "baseline", "blue", router.ByOverride},
		{"live", two, "10.20.0.1", "live", "blue", router.ByOverride},
		{"candidate", two, "10.20.0.1", "candidate", "green", router.ByOverride},
		{"idle", two, "10.20.0.1", "idle", "green", router.ByOverride},
		{"empty", two, "10.20.0.1", "", "blue", router.ByChance},
		{"unknown", two, "10.20.0.1", "grey", "", router.ByOverride},
		{"case counts", two, "10.20.0.1", "Green", "", router.ByOverride},
		{"no candidate", three, "10.20.0.1", "candidate", "", router.ByOverride},
		{"ambiguous idle", three, "10.20.0.1", "idle", "", router.ByOverride},
		{"stranger", two, "10.21.0.0", "green", "blue", router.ByChance},
		{"stranger names an unknown pool", two, "10.19.255.255", "grey", "blue", router.ByChance},
		{"IPv6 stranger", two, "fe80::1", "green", "blue", router.ByChance},
		{"no address", two, "", "green", "blue", router.ByChance},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := get("", "/", "Switchback-Pool", tt.value)
			q.Client = netip.Addr{}
			if tt.client != "" {
				q.Client = netip.MustParseAddr(tt.client)
			}
			d, err := tt.tab.Decide(q, [2]uint64{})
			if name(d.Pool) != tt.want || d.Cause != tt.cause || (tt.want == "") != errors.Is(err, router.ErrNoPool) {
				t.Errorf("got %q by %s, %v; want %q by %s", name(d.Pool), d.Cause, err, tt.want, tt.cause)
			}
			if d.Service == nil {
				t.Error("the decision does not name the service")
			}
		})
	}
}

// TestOverrideTrustsNobodyByDefault: without addresses the header is just a header.
func TestOverrideTrustsNobodyByDefault(t *testing.T) {
	c := conf(service(t, "web", "blue 100", "green 0"))
	c.Trust.Override.From = nil
	q := get("", "/", "Switchback-Pool", "green")
	q.Client = netip.MustParseAddr("127.0.0.1")
	if d := decide(t, compile(t, c, nil, nil), q, [2]uint64{}); d.Pool.Name != "blue" {
		t.Errorf("met %s", d.Pool.Name)
	}
}

// TestTrust: proxies and those who may name a pool are told apart.
func TestTrust(t *testing.T) {
	c := conf()
	c.Trust.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	tab := compile(t, c, nil, nil)
	tests := []struct {
		addr            string
		proxy, override bool
	}{
		{"10.0.0.255", true, false},
		{"::ffff:10.0.0.1", true, false},
		{"10.20.0.1", false, true},
		{"fd00::1", false, true},
		{"10.0.1.0", false, false},
		{"::1", false, false},
	}
	for _, tt := range tests {
		addr := netip.MustParseAddr(tt.addr)
		if tab.TrustsProxy(addr) != tt.proxy || tab.MayOverride(addr) != tt.override {
			t.Errorf("%s: proxy %v, override %v", addr, tab.TrustsProxy(addr), tab.MayOverride(addr))
		}
	}
	if got := tab.OverrideHeader(); got != "Switchback-Pool" {
		t.Errorf("the override header is %q", got)
	}
}

func TestRules(t *testing.T) {
	header := func(pairs ...string) (all []config.HeaderMatch) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, config.HeaderMatch{Name: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	web := service(t, "web", "blue 100", "green 0", "grey 0", "gold 0")
	web.Sticky.Key = []config.StickyKey{{Header: "X-User-Id"}, {Cookie: "sid"}}
	web.Rules = []config.Rule{
		{When: config.Match{Header: header("X-Beta", "true", "X-Region", "eu"), PathPrefix: "/cart"}, To: "gold"},
		{When: config.Match{Header: header("X-Beta", "true")}, To: "green"},
		{When: config.Match{Users: []string{"alice", "bob"}, PathPrefix: "/api/"}, To: "grey"},
		{When: config.Match{Users: []string{"alice"}}, To: "green"},
		{When: config.Match{Users: []string{}}, To: "gold"},
		{When: config.Match{PathPrefix: "/payments"}, To: "gold"},
	}
	tab := table(t, web)
	tests := []struct {
		name, path string
		header     []string
		want       string // "": no rule
	}{
		{"none", "/", nil, ""},
		{"header", "/", []string{"X-Beta", "true"}, "green"},
		{"another value", "/", []string{"X-Beta", "True"}, ""},
		{"a value that only begins so", "/", []string{"X-Beta", "true, false"}, ""},
		{"all parts", "/cart/1", []string{"X-Beta", "true", "X-Region", "eu"}, "gold"},
		{"a header is missing", "/cart", []string{"X-Beta", "true"}, "green"},
		{"the path is missing", "/carts", []string{"X-Beta", "true", "X-Region", "eu"}, "green"},
		{"user and path", "/api/x", []string{"X-User-Id", "bob"}, "grey"},
		{"user and the prefix itself", "/api", []string{"X-User-Id", "bob"}, "grey"},
		{"user by cookie", "/api", []string{"Cookie", "sid=bob"}, "grey"},
		{"a user whose key is another", "/api", []string{"X-User-Id", "carol", "Cookie", "sid=bob"}, ""},
		{"user without path", "/apix", []string{"X-User-Id", "bob"}, ""},
		{"the next rule", "/apix", []string{"X-User-Id", "alice"}, "green"},
		{"first match wins", "/payments", []string{"X-User-Id", "alice"}, "green"},
		{"path", "/payments/1", nil, "gold"},
		{"odd path", "//x/..//%70ayments", nil, "gold"},
		{"whole segments", "/paymentsx", nil, ""},
		{"an escaped slash is data", "/payments%2F1", nil, ""},
		{"no key is no user", "/api", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := decide(t, tab, get("", tt.path, tt.header...), [2]uint64{})
			want := tt.want
			if want == "" {
				want = "blue"
			}
			if d.Pool.Name != want || (d.Cause == router.ByRule) != (tt.want != "") {
				t.Errorf("got %s by %s, want %s", d.Pool.Name, d.Cause, want)
			}
		})
	}
}

func TestCauseWords(t *testing.T) {
	want := map[router.Cause]string{
		router.ByListener: "listener", router.ByOverride: "override", router.ByRule: "rule", router.ByKey: "key", router.ByChance: "chance",
	}
	for c, word := range want {
		if c.String() != word {
			t.Errorf("cause %d is %q, want %q", c, c, word)
		}
	}
}
