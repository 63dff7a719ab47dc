package router_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// mounted is a service at hosts, separated by spaces, and paths likewise.
func mounted(tb testing.TB, name, hosts, paths string) config.Service {
	tb.Helper()
	s := service(tb, name, "blue 100")
	s.Hosts, s.Paths = strings.Fields(hosts), strings.Fields(paths)
	return s
}

func TestHost(t *testing.T) {
	tab := table(t,
		mounted(t, "exact", "shop.test", "/"),
		mounted(t, "wild", "*.shop.test", "/"),
		mounted(t, "deep", "*.eu.shop.test", "/"),
		mounted(t, "four", "10.0.0.1", "/"),
		mounted(t, "six", "::1 2001:db8::a", "/"),
		mounted(t, "any", "", "/"),
	)
	long := func(n int) string { return strings.Repeat("x", n-len(".shop.test")) + ".shop.test" }
	tests := []struct{ name, host, want string }{
		{"exact", "shop.test", "exact"},
		{"any case", "SHOP.Test", "exact"},
		{"port", "shop.test:8080", "exact"},
		{"empty port", "shop.test:", "exact"},
		{"final dot", "shop.test.", "exact"},
		{"final dot and port", "shop.test.:443", "exact"},
		{"two final dots", "shop.test..", "any"},
		{"one label", "a.shop.test", "wild"},
		{"one label in capitals with port", "A.SHOP.TEST:80", "wild"},
		{"two labels", "b.a.shop.test", "wild"},
		{"the wildcard stands for something", ".shop.test", "any"},
		{"a wildcard's own host", "eu.shop.test", "wild"},
		{"longest wildcard", "a.eu.shop.test", "deep"},
		{"longest wildcard at depth", "c.b.a.eu.shop.test", "deep"},
		{"longest wildcard with final dot", "a.eu.shop.test.", "deep"},
		{"whole labels", "myshop.test", "any"},
		{"whole labels of a wildcard", "a.myshop.test", "any"},
		{"host as a prefix", "shop.test.evil.test", "any"},
		{"IPv4", "10.0.0.1:8080", "four"},
		{"IPv6", "[::1]", "six"},
		{"IPv6 with port", "[2001:DB8::A]:8080", "six"},
		{"IPv6 without brackets", "::1", "any"},
		{"IPv6 without end", "[::1", "any"},
		{"empty brackets", "[]", "any"},
		{"empty", "", "any"},
		{"port only", ":80", "any"},
		{"dot", ".", "any"},
		{"a letter outside ASCII is not folded", "ſhop.test", "any"},
		{"longest", long(255), "wild"},
		{"longest with final dot", long(255) + ".", "wild"},
		{"too long", long(256), "any"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide(t, tab, get(tt.host, "/"), [2]uint64{}).Service.Name; got != tt.want {
				t.Errorf("host %q meets %s, want %s", tt.host, got, tt.want)
			}
		})
	}
}

// TestHostInCapitals: the file's hosts are lower-case, but nothing depends on it.
func TestHostInCapitals(t *testing.T) {
	tab := table(t, mounted(t, "exact", "Shop.Test", "/"), mounted(t, "wild", "*.Shop.Test", "/"))
	for host, want := range map[string]string{"shop.test": "exact", "A.shop.test": "wild"} {
		if got := decide(t, tab, get(host, "/"), [2]uint64{}).Service.Name; got != want {
			t.Errorf("host %q meets %s, want %s", host, got, want)
		}
	}
}

func TestFallThrough(t *testing.T) {
	tab := table(t,
		mounted(t, "any", "", "/assets"),
		mounted(t, "wild", "*.test", "/api /admin"),
		mounted(t, "deep", "*.shop.test", "/api /cart"),
		mounted(t, "exact", "eu.shop.test", "/api/v2"),
	)
	tests := []struct{ host, path, want string }{
		{"eu.shop.test", "/api/v2/x", "exact"},
		{"eu.shop.test", "/api/v3", "deep"},
		{"eu.shop.test", "/cart", "deep"},
		{"eu.shop.test", "/admin", "wild"},
		{"eu.shop.test", "/assets/a.css", "any"},
		{"eu.shop.test", "/", ""},
		{"us.shop.test", "/api/v2", "deep"},
		{"shop.test", "/api", "wild"},
		{"shop.test", "/cart", ""},
		{"elsewhere", "/assets", "any"},
		{"elsewhere", "/api", ""},
	}
	for _, tt := range tests {
		t.Run(tt.host+tt.path, func(t *testing.T) {
			d, err := tab.Decide(get(tt.host, tt.path), [2]uint64{})
			if tt.want == "" {
				if !errors.Is(err, router.ErrNoService) || d.Service != nil {
					t.Fatalf("got %v, %v, want ErrNoService", d.Service, err)
				}
				return
			}
			if err != nil || d.Service.Name != tt.want {
				t.Errorf("meets %+v, %v, want %s", d.Service, err, tt.want)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	tab := table(t,
		mounted(t, "root", "", "/"),
		mounted(t, "api", "", "/api"),
		mounted(t, "v2", "", "/api/v2/ /beta"), // a final slash means nothing
		mounted(t, "deep", "", "/api/v2/users/export"),
	)
	tests := []struct{ path, want string }{
		{"/", "root"},
		{"/ap", "root"},
		{"/apix", "root"},
		{"/api-v2", "root"},
		{"/API", "root"},
		{"/api", "api"},
		{"/api/", "api"},
		{"/api/v", "api"},
		{"/api/v22", "api"},
		{"/api/v2", "v2"},
		{"/api/v2/", "v2"},
		{"/api/v2/users", "v2"},
		{"/api/v2/users/exports", "v2"},
		{"/api/v2/users/export", "deep"},
		{"/api/v2/users/export/", "deep"},
		{"/api/v2/users/export/2024/all", "deep"},
		{"/beta", "v2"},
		{"/beta/api", "v2"},
		{"/x/api", "root"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if got := decide(t, tab, get("", tt.path), [2]uint64{}).Service.Name; got != tt.want {
				t.Errorf("path %q meets %s, want %s", tt.path, got, tt.want)
			}
		})
	}
}

func TestEmptyTable(t *testing.T) {
	if _, err := table(t).Decide(get("shop.test", "/"), [2]uint64{}); !errors.Is(err, router.ErrNoService) {
		t.Errorf("got %v, want ErrNoService", err)
	}
}
