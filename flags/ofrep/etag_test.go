package ofrep

import (
	"maps"
	"strings"
	"testing"
)

const bulk = "/ofrep/v1/evaluate/flags"

// A tag stands for an answer: for what these flags say to this context.
func TestTagsFollowTheAnswer(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	tag := func(path, context string) string {
		t.Helper()
		w := ask(t, s, "POST", path, context)
		if w.Code != 200 || w.Header().Get("ETag") == "" {
			t.Fatalf("%s: %d, ETag %q", path, w.Code, w.Header().Get("ETag"))
		}
		return w.Header().Get("ETag")
	}
	alice, bob := `{"context":{"targetingKey":"alice"}}`, `{"context":{"targetingKey":"bob"}}`
	for _, path := range []string{bulk, single + "checkout"} {
		a, b := tag(path, alice), tag(path, bob)
		if a == b {
			t.Errorf("%s: one tag %s for alice, who is listed, and for bob", path, a)
		}
		if again := tag(path, `{"context": {"targetingKey": "alice", "unused": 1}}`); again != a {
			t.Errorf("%s: the same answer has the tags %s and %s", path, a, again)
		}
		for _, known := range []string{a, `"other", ` + a, "W/" + strings.TrimPrefix(a, "W/")} {
			w := ask(t, s, "POST", path, alice, "If-None-Match: "+known)
			if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != a {
				t.Errorf("%s, If-None-Match %s: %d %q, ETag %s", path, known, w.Code, w.Body, w.Header().Get("ETag"))
			}
		}
		for _, other := range []string{b, `"other"`, `*`} {
			if w := ask(t, s, "POST", path, alice, "If-None-Match: "+other); w.Code != 200 {
				t.Errorf("%s, If-None-Match %s: %d, want 200", path, other, w.Code)
			}
		}
	}
}

// Another flag's change is no news for who gets the same answers, but a kill is, and so is a value.
func TestTagsFollowTheFlags(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	body := `{"context":{"targetingKey":"alice"}}`
	first := ask(t, s, "POST", bulk, body)
	changed := func(name, definition string) {
		t.Helper()
		set := maps.Clone(definitions)
		set[name] = definition
		s.Swap(compile(t, set))
	}
	changed("pro", `{"strategy":"users","targeting":[{"when":{"attribute":"plan","in":["pro","max"]}}]}`)
	if w := ask(t, s, "POST", bulk, body, "If-None-Match: "+first.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("a rule that does not concern alice: %d, want 304", w.Code)
	}
	changed("limit", `{"strategy":"all","variants":{"low":10,"high":101},"off_variant":"low"}`)
	if w := ask(t, s, "POST", bulk, body, "If-None-Match: "+first.Header().Get("ETag")); w.Code != 200 || !strings.Contains(w.Body.String(), "101") {
		t.Errorf("another value: %d %s", w.Code, w.Body)
	}
	s.Swap(compile(t, definitions, "none"))
	if w := ask(t, s, "POST", bulk, body, "If-None-Match: "+first.Header().Get("ETag")); w.Code != 200 {
		t.Errorf("a killed flag, which says so: %d, want 200", w.Code)
	}
	s.Swap(compile(t, definitions))
	if w := ask(t, s, "POST", bulk, body, "If-None-Match: "+first.Header().Get("ETag")); w.Code != 304 {
		t.Errorf("as at first: %d, want 304", w.Code)
	}
}
