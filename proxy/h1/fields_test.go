package h1

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestValidToken(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "a": true, "X-Y_z.1": true, "!#$%&'*+-.^_`|~": true,
		"a b": false, "a:": false, "a\r": false, "a\x00": false, "\xc3\xa9": false, "a(": false, "\x7f": false,
	} {
		if got := ValidToken(s); got != want {
			t.Errorf("ValidToken(%q) = %v", s, got)
		}
	}
}

func TestValidFieldValue(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a b\tc": true, "\x80\xff": true,
		"a\r\nb": false, "a\rb": false, "a\nb": false, "\x00": false, "\x7f": false, "\x1b": false,
	} {
		if got := ValidFieldValue(s); got != want {
			t.Errorf("ValidFieldValue(%q) = %v", s, got)
		}
	}
}

func TestValidHost(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "a.example": true, "A-b_c~d.": true, "a:0": true, "a:65535": true, "127.0.0.1:80": true,
		"[::1]": true, "[::1]:80": true, "[::ffff:1.2.3.4]": true, strings.Repeat("a", 255): true,
		"": false, ":80": false, "a:": false, "a:65536": false, "a:000080": false, "a:-1": false, "a:8 0": false,
		"a:80:80": false, "a b": false, "a,b": false, "a/b": false, "a?b": false, "a@b": false, "a%62": false,
		"::1": false, "[::1": false, "[]": false, "[::1]80": false, "[::1]x": false, "[fe80::1%25a]": false,
		"[v1.a]": false, "[1.2.3.4]": false, "a]": false, "\xc3\xa9": false, strings.Repeat("a", 256): false,
	} {
		if got := ValidHost(s); got != want {
			t.Errorf("ValidHost(%q) = %v", s, got)
		}
	}
}

func TestIPv6AgainstNetip(t *testing.T) {
	for _, s := range []string{
		"::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3::5:6:7:8",
		"::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4", "abcd:EF01::", "::ffff:255.255.255.255",
		"", ":", ":::", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2:3:4:5:6:7:8", "1::2::3", "12345::",
		"g::", "1:", ":1", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::256.1.1.1",
		"::1.2.3.04", "::1.2.3.", "::.1.2.3", "::1..2.3", "1.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "::1234.1.1.1",
		"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6::1.2.3.4", "::1:2:3:4:5:1.2.3.4", "::a.1.1.1",
	} {
		checkIPv6(t, s)
	}
}

func checkIPv6(t *testing.T, s string) {
	t.Helper()
	addr, err := netip.ParseAddr(s)
	want := err == nil && addr.Is6() && addr.Zone() == ""
	if got := validIPv6(s); got != want {
		t.Errorf("validIPv6(%q) = %v, netip says %v", s, got, want)
	}
}

func FuzzIPv6(f *testing.F) {
	f.Add("::ffff:1.2.3.4")
	f.Fuzz(checkIPv6)
}

func TestConnectionTokens(t *testing.T) {
	values := []string{"close, X-One ,,\tx-two\t", "", "a b, X-Three", "\x00, (, é"}
	got := slices.Collect(ConnectionTokens(values))
	if want := []string{"close", "X-One", "x-two", "X-Three"}; !slices.Equal(got, want) {
		t.Errorf("ConnectionTokens(%q) = %q, want %q", values, got, want)
	}
	for range ConnectionTokens(values) {
		break // stopping early must not panic
	}
}

func TestRefusals(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	got := (&Refusal{Status: 400, Reason: "bare-lf", Detail: "x"}).Error()
	if got != "bare-lf: x" {
		t.Errorf("Error() = %q", got)
	}
	up := errBareLF.upstream()
	if up.Status != 502 || up.Reason != errBareLF.Reason || errBareLF.Status != 400 {
		t.Errorf("upstream() = %+v of %+v", up, errBareLF)
	}
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if !slug.MatchString(r) || seen[r] {
			t.Errorf("reason %q is not in kebab-case, or there twice", r)
		}
		seen[r] = true
	}
	src, err := os.ReadFile("refusal.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), "= &Refusal{"); n != len(seen) {
		t.Errorf("refusal.go has %d refusals, Reasons %d", n, len(seen))
	}
}
