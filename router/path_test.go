package router_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/router"
)

func TestOddPath(t *testing.T) {
	tab := table(t,
		mounted(t, "root", "", "/"),
		mounted(t, "api", "", "/api"),
		mounted(t, "v2", "", "/api/v2"),
		mounted(t, "admin", "", "/admin"),
	)
	const bad = "refused"
	tests := []struct{ name, path, want string }{
		{"empty", "", "root"},
		{"asterisk", "*", "root"},
		{"leading slashes", "//api", "api"},
		{"slashes", "/api///v2", "v2"},
		{"final slashes", "/api//", "api"},
		{"only slashes", "///", "root"},
		{"dot", "/./api/./v2/.", "v2"},
		{"dot dot", "/api/../admin", "admin"},
		{"final dot dot", "/api/v2/..", "api"},
		{"dot dot to the root", "/api/..", "root"},
		{"dot dot twice", "/api/v2/../../admin", "admin"},
		{"above the root", "/../../api", "api"},
		{"dot dot after slashes", "/api//../admin", "admin"},
		{"three dots", "/api/.../v2", "api"},
		{"dot file", "/api/.well-known", "api"},
		{"name that begins with dots", "/..api", "root"},
		{"name that ends with dots", "/api/v2../x", "api"},

		{"escaped letter", "/%61p%69", "api"},
		{"escaped dots", "/api/%2e%2e/admin", "admin"},
		{"half escaped dots", "/api/.%2E/admin", "admin"},
		{"escaped dot", "/%2e/api", "api"},
		{"decoded once", "/api/%252e%252e/admin", "api"},
		{"an escaped slash is data", "/api%2Fv2", "root"},
		{"an escaped slash in lower case is data", "/api%2fv2", "root"},
		{"an escaped slash does not end dots", "/api/%2e%2e%2fadmin", "api"},
		{"a segment of one escaped slash is no empty one", "/api/%2F/../v2", "v2"},
		{"escaped question mark", "/api%3Fv2", "root"},
		{"backslash", `/api/..\admin`, "api"},
		{"escaped backslash", "/api%5C..%5Cadmin", "root"},
		{"plus is no space", "/api+v2", "root"},
		{"not UTF-8", "/api/%FF", "api"},
		{"semicolon", "/api;v=1/v2", "root"},
		{"dots with a parameter", "/api/..;/admin", "api"},
		{"a fragment is data", "/api#/v2", "root"},
		{"dots behind a fragment", "/api#/../admin", "admin"},

		{"escaped NUL", "/api/%00", bad},
		{"escaped NUL before dots", "/api/%00/../v2", bad},
		{"NUL", "/api/\x00", bad},
		{"percent", "/api/%", bad},
		{"half an escape", "/api/%2", bad},
		{"no escape", "/api/%zz", bad},
		{"half no escape", "/api/%2z", bad},
		{"wide escape", "/%u0061pi", bad},
		{"double percent", "/%%32e", bad},
		{"no slash", "api", bad},
		{"two asterisks", "**", bad},
		{"escaped first slash", "%2Fapi", bad},
		{"absolute form", "http://shop.test/api", bad},
		{"query only", "?x=1", bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := tab.Decide(get("shop.test", tt.path), [2]uint64{})
			if tt.want == bad {
				if !errors.Is(err, router.ErrBadPath) || d.Service != nil {
					t.Fatalf("path %q: got %+v, %v, want ErrBadPath", tt.path, d.Service, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("path %q: %v, want %s", tt.path, err, tt.want)
			}
			if d.Service.Name != tt.want {
				t.Errorf("path %q meets %s, want %s", tt.path, d.Service.Name, tt.want)
			}
		})
	}
}

func TestPathLimit(t *testing.T) {
	tab := table(t, mounted(t, "api", "", "/api"))
	fill := func(path string, n int) string { return path + strings.Repeat("x", n-len(path)) }
	tests := []struct {
		name, path string
		want       error
	}{
		{"plain", fill("/api/", router.MaxPath), nil},
		{"plain too long", fill("/api/", router.MaxPath+1), router.ErrBadPath},
		{"odd", fill("//api/", router.MaxPath), nil},
		{"odd too long", fill("//api/", router.MaxPath+1), router.ErrBadPath},
		{"escapes", "/api/" + strings.Repeat("%2f", (router.MaxPath-5)/3), nil},
		{"escapes too long", "/api/" + strings.Repeat("%2f", router.MaxPath/3), router.ErrBadPath},
		{"dots", "/api" + strings.Repeat("/.", (router.MaxPath-4)/2), nil},
		{"many segments", "/api" + strings.Repeat("/x", (router.MaxPath-4)/2), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tab.Decide(get("", tt.path), [2]uint64{}); !errors.Is(err, tt.want) {
				t.Errorf("%d bytes: got %v, want %v", len(tt.path), err, tt.want)
			}
		})
	}
}
