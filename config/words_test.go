package config

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	known := []string{"weights", "health", "host", "hosts", "pools"}
	tests := []struct{ word, want string }{
		{"wights", "weights"},
		{"weight", "weights"},
		{"Hosts", "hosts"},
		{"hostz", "host"}, // as near as hosts; the first one counts
		{"pool", "pools"},
		{"helth", "health"},
		{"timeouts", ""},
		{"x", ""},
		{strings.Repeat("pools", 100), ""},
	}
	for _, tt := range tests {
		if got := suggest(tt.word, known); got != tt.want {
			t.Errorf("suggest(%q): got %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"abc", "abd", 1},
		{"kitten", "sitting", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q): got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestOneOf(t *testing.T) {
	for want, words := range map[string][]string{
		"":          nil,
		"a":         {"a"},
		"a or b":    {"a", "b"},
		"a, b or c": {"a", "b", "c"},
	} {
		if got := oneOf(words); got != want {
			t.Errorf("oneOf(%q): got %q, want %q", words, got, want)
		}
	}
}

// What the file says must not be able to forge a line of output or to flood it.
func TestQuote(t *testing.T) {
	if got := quote("a\nb\x1b[31m"); got != `"a\nb\x1b[31m"` {
		t.Errorf("got %s", got)
	}
	if got := quote(strings.Repeat("ü", 5000)); got != `"`+strings.Repeat("ü", 80)+`…"` {
		t.Errorf("got %s", got)
	}
	if got := cut("30"); got != "30" {
		t.Errorf("cut: got %s", got)
	}
	if got := cut(strings.Repeat("9", 100)); !strings.HasSuffix(got, `…"`) {
		t.Errorf("cut: got %s", got)
	}
}

func TestCollide(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{":80", ":80", true},
		{":80", ":81", false},
		{":0", ":0", false},
		{":80", "127.0.0.1:80", true},
		{"[::]:80", "10.0.0.1:80", true},
		{"0.0.0.0:80", "10.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"10.0.0.1:80", "10.0.0.2:80", false},
		{"LOCALHOST:80", "localhost:80", true},
		{"", ":80", false},
	}
	for _, tt := range tests {
		if collide(tt.a, tt.b) != tt.want || collide(tt.b, tt.a) != tt.want {
			t.Errorf("collide(%q, %q): want %v in both orders", tt.a, tt.b, tt.want)
		}
	}
}

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:9900":          true,
		"127.8.8.8:9900":          true,
		"[::1]:9900":              true,
		"[::ffff:127.0.0.1]:9900": true,
		"localhost:9900":          true,
		"Localhost:9900":          true,
		"unix:/run/sb.sock":       true,
		":9900":                   false,
		"0.0.0.0:9900":            false,
		"[::]:9900":               false,
		"10.0.0.1:9900":           false,
		"localhost.example:9900":  false,
		"127.0.0.1.example:9900":  false,
		"nonsense":                false,
	} {
		if got := isLocal(address); got != want {
			t.Errorf("isLocal(%q): got %v, want %v", address, got, want)
		}
	}
}

func TestTargetURL(t *testing.T) {
	tests := []struct{ in, want string }{
		{"http://10.0.0.1", "http://10.0.0.1:80"},
		{"https://10.0.0.1/", "https://10.0.0.1:443"},
		{"HTTP://Shop.Example:8080", "http://shop.example:8080"},
		{"http://[2001:DB8:0::1]:8080", "http://[2001:db8::1]:8080"},
		{"http://[::ffff:10.0.0.1]:8080", "http://10.0.0.1:8080"},
		{"http://shop_blue", "http://shop_blue:80"},
		{"http://shop.internal.", "http://shop.internal.:80"},
		{"http://10.0.0.1:080", ""},
		{"http://10.0.0.1:8080#", ""},
		{"http://10.0.0.1:8080?", ""},
		{"http:10.0.0.1", ""},
		{"//10.0.0.1", ""},
		{"http://", ""},
		{"http://:8080", ""},
		{"http://[2001:db8::1%25eth0]:8080", ""},
		{"http://10.0.0.1 :8080", ""},
		{"unix:/run/app.sock", ""},
	}
	for _, tt := range tests {
		got, f := targetURL(tt.in)
		if got != tt.want || (f == nil) != (tt.want != "") {
			t.Errorf("targetURL(%q): got %q, %v, want %q", tt.in, got, f, tt.want)
		}
	}
}

func TestTargetURLHidesPasswords(t *testing.T) {
	for _, s := range []string{"http://me:secret@10.0.0.1:8080", "me:secret@10.0.0.1", "http://me:secret@[", "http://a@b:secret@c/d"} {
		if _, f := targetURL(s); f == nil || strings.Contains(f.msg+f.hint, "secret") {
			t.Errorf("targetURL(%q): got %v, want a flaw without the password", s, f)
		}
	}
}

func TestUpstreamHost(t *testing.T) {
	for s, ok := range map[string]bool{
		"preserve":           true,
		"target":             true,
		"shop.internal":      true,
		"shop.internal:8080": true,
		"10.0.0.1":           true,
		"10.0.0.1:80":        true,
		"[2001:db8::1]":      true,
		"[2001:db8::1]:80":   true,
		"[10.0.0.1]":         false,
		"TARGET":             false,
		"2001:db8::1":        false,
		"[fe80::1%eth0]":     false,
		"shop.internal:":     false,
		"shop.internal:http": false,
		"http://shop":        false,
		"[shop]":             false,
		"shop]":              false,
		"[2001:db8::1":       false,
		"a b":                false,
	} {
		if _, f := upstreamHost(s); (f == nil) != ok {
			t.Errorf("upstreamHost(%q): got %v, want good: %v", s, f, ok)
		}
	}
}

func TestIsDecimal(t *testing.T) {
	for s, want := range map[string]bool{
		"0": true, "7": true, "100": true, "12.5": true, "0.25": true, "-3": true,
		"": false, "-": false, "010": false, "1e2": false, "0x10": false, "1_000": false, ".5": false, "5.": false, "+1": false, "1.2.3": false, ".nan": false,
	} {
		if got := isDecimal(s); got != want {
			t.Errorf("isDecimal(%q): got %v, want %v", s, got, want)
		}
	}
}
