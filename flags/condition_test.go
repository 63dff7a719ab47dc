package flags

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	tests := []struct {
		when     string
		holds    []string // attributes
		holdsNot []string
	}{
		{
			`{"attribute":"plan","equals":"pro"}`,
			[]string{`{"plan":"pro"}`, `{"plan":["free","pro"]}`},
			[]string{``, `{}`, `{"plan":"Pro"}`, `{"plan":""}`, `{"plan":null}`, `{"plan":[]}`, `{"plan":[["pro"]]}`, `{"plan":{"pro":"pro"}}`, `{"Plan":"pro"}`, `{"plan":true}`},
		},
		{`{"attribute":"n","equals":1}`, []string{`{"n":1}`, `{"n":1.0}`, `{"n":1e0}`, `{"n":[0,1]}`}, []string{`{"n":"1"}`, `{"n":true}`, `{"n":1.5}`}},
		{`{"attribute":"n","equals":"1"}`, []string{`{"n":"1"}`}, []string{`{"n":1}`}},
		{`{"attribute":"n","equals":-0.25}`, []string{`{"n":-0.25}`}, []string{`{"n":0.25}`}},
		{`{"attribute":"b","equals":false}`, []string{`{"b":false}`}, []string{`{}`, `{"b":true}`, `{"b":"false"}`, `{"b":0}`, `{"b":null}`}},
		{
			`{"attribute":"a","in":["x",2,true]}`,
			[]string{`{"a":"x"}`, `{"a":2}`, `{"a":true}`, `{"a":["y",2]}`},
			[]string{`{"a":"2"}`, `{"a":"true"}`, `{"a":false}`, `{"a":[]}`, `{"a":["y",null,{}]}`},
		},
		{`{"attribute":"m","prefix":"user_"}`, []string{`{"m":"user_"}`, `{"m":"user_alice"}`, `{"m":["x","user_"]}`}, []string{`{"m":"User_"}`, `{"m":"a user_"}`, `{"m":1}`, `{"m":"user"}`}},
		{`{"attribute":"m","suffix":"@example.com"}`, []string{`{"m":"a@example.com"}`}, []string{`{"m":"a@example.com.evil.org"}`, `{"m":"example.com"}`, `{"m":true}`}},
		{`{"attribute":"user.plan","equals":"pro"}`, []string{`{"user":{"plan":"pro"}}`, `{"user.plan":"pro"}`}, []string{`{"user":"pro"}`, `{"plan":"pro"}`, `{"user":[{"plan":"pro"}]}`, `{"user":null}`}},
		{`{"attribute":"a.b.c","equals":1}`, []string{`{"a":{"b":{"c":1}}}`, `{"a":{"b.c":1}}`, `{"a.b.c":1}`}, []string{`{"a.b":{"c":1}}`, `{"a":{"b":1}}`}},
		{`{"attribute":"user.plan","equals":"pro"}`, []string{`{"user":{"plan":"pro"},"user.plan":"pro"}`}, []string{`{"user":{"plan":"pro"},"user.plan":"free"}`}},
		{`{"attribute":"targetingKey","equals":"user_alice"}`, []string{``, `{"targetingKey":"other"}`}, nil},
		{`{"attribute":"targetingKey","in":["user_bob"]}`, nil, []string{``, `{"targetingKey":"user_bob"}`}},
		{`{"attribute":"targetingKey","prefix":"user_"}`, []string{``}, nil},
		{`{"all":[{"attribute":"a","equals":1},{"attribute":"b","equals":2}]}`, []string{`{"a":1,"b":2}`}, []string{`{"a":1}`, `{"b":2}`, `{}`}},
		{`{"any":[{"attribute":"a","equals":1},{"attribute":"b","equals":2}]}`, []string{`{"a":1}`, `{"b":2}`}, []string{`{}`, `{"a":2,"b":1}`}},
		{`{"all":[{"attribute":"a","equals":1},{"any":[{"attribute":"b","equals":2},{"attribute":"c","equals":3}]}]}`, []string{`{"a":1,"c":3}`}, []string{`{"a":1}`, `{"b":2,"c":3}`}},
	}
	for _, tt := range tests {
		f := one(t, "x", `{"strategy":"users","targeting":[{"when":`+tt.when+`}]}`)
		for _, attributes := range append(slices.Clone(tt.holds), tt.holdsNot...) {
			want := slices.Contains(tt.holds, attributes)
			if got := f.Evaluate(context(t, "user_alice", attributes)).Has; got != want {
				t.Errorf("%s of %s: got %v, want %v", tt.when, attributes, got, want)
			}
		}
	}
}

// A caller in this process may hand on numbers that are no float64.
func TestNumbersOfThisProcess(t *testing.T) {
	f := one(t, "x", `{"strategy":"users","targeting":[{"when":{"attribute":"n","in":[7]}}]}`)
	for v, want := range map[any]bool{7: true, int64(7): true, 7.0: true, 8: false, int64(8): false, "7": false, int8(7): false} {
		if got := f.Evaluate(&Context{Attributes: map[string]any{"n": v}}).Has; got != want {
			t.Errorf("%T %v: got %v, want %v", v, v, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	tests := []struct{ versions, in, out string }{
		{"2.1.0", "2.1.0 v2.1.0 2.1 2.1.0+build", "2.1.1 2.1.0-rc.1 2"},
		{"!=2.1.0", "2.1.1 2.1.0-rc.1", "2.1.0 v2.1"},
		{">=2.1.0 <3.0.0", "2.1.0 2.10.0 2.99.99 2.1.1-rc.1 3.0.0-rc.1", "2.0.9 2.1.0-rc.1 3.0.0"},
		{">=2.1.0-rc.2", "2.1.0-rc.2 2.1.0-rc.10 2.1.0", "2.1.0-rc.1 2.1.0-beta 2.0.0"},
		{">2.1.0", "2.1.1", "2.1.0 2.1.0-rc.1"},
		{"<=2.1.0", "2.1.0 2.1.0-rc.1 0.0.1", "2.1.1"},
		{"<2.1.0", "2.0.99 2.1.0-rc.1", "2.1.0"},
		{"^2.1", "2.1.0 2.2.0-rc.1 2.99.0", "2.0.9 3.0.0-rc.1 3.0.0 2.1.0-rc.1"},
		{"^0.2.3", "0.2.3 0.2.99", "0.2.2 0.3.0-rc.1 0.3.0 1.0.0"},
		{"^0.0.3", "0.0.3", "0.0.2 0.0.4"},
		{"~2.1.3", "2.1.3 2.1.99", "2.1.2 2.2.0-rc.1 2.2.0"},
		{"~2", "2.0.0 2.9.9", "1.9.9 3.0.0-0"},
		{">=1 !=1.5.0 <2", "1.4.9 1.5.1", "1.5.0 2.0.0"},
	}
	never := []string{"", "v", "x", "1.2.3.4", "01.2.3", "vv2.1.0", " 2.1.0", "2.1.0 ", "2.1.0-", "2.1.0-" + strings.Repeat("a", 100), strings.Repeat("9", 70)}
	for _, tt := range tests {
		f := one(t, "x", fmt.Sprintf(`{"strategy":"users","targeting":[{"when":{"attribute":"v","semver":%q}}]}`, tt.versions))
		check := func(version string, want bool) {
			t.Helper()
			if got := f.Evaluate(&Context{Attributes: map[string]any{"v": version}}).Has; got != want {
				t.Errorf("%q in %q: got %v, want %v", version, tt.versions, got, want)
			}
		}
		for version := range strings.FieldsSeq(tt.in) {
			check(version, true)
		}
		for _, version := range append(strings.Fields(tt.out), never...) {
			check(version, false)
		}
		if f.Evaluate(&Context{Attributes: map[string]any{"v": 2.1}}).Has {
			t.Errorf("a number is in %q", tt.versions)
		}
	}
}

func TestReferences(t *testing.T) {
	asks := func(names ...string) string {
		return `{"strategy":"users","targeting":[{"when":{"any":[{"flag":"` + strings.Join(names, `"},{"flag":"`) + `"},{"attribute":"open","equals":true}]}}]}`
	}
	set := compiled(t, map[string]string{
		"all": `{"strategy":"all"}`, "none": `{"strategy":"none"}`, "killed": `killed {"strategy":"all"}`, "alice": `{"strategy":"users","users":["user_alice"]}`,
		"half": `{"strategy":"percentage","value":50}`, "variants": `{"strategy":"all",` + colours + `}`,
		"asks-all": asks("all"), "asks-none": asks("none"), "asks-killed": asks("killed"), "asks-alice": asks("alice"), "asks-half": asks("half"),
		"asks-variants": asks("variants"), "asks-twice": asks("asks-alice", "none"), "asks-gone": asks("gone", "none", "gone"), "asks-gone-or-all": asks("gone", "all"),
		"a": asks("b"), "b": asks("c", "all"), "c": asks("a"), "self": asks("self"), "outside": asks("a", "all"),
	})
	// For Alice, for somebody without a key, and for one whose attribute opens every condition.
	for name, want := range map[string][3]bool{
		"asks-all": {true, true, true}, "asks-none": {false, false, true}, "asks-killed": {false, false, true}, "asks-alice": {true, false, true},
		"asks-half":     {place("half", "user_alice") < 5000, false, true}, // no key: it cannot be told, so not
		"asks-variants": {true, false, true}, "asks-twice": {true, false, true},
		"asks-gone": {false, false, true}, "asks-gone-or-all": {true, true, true},
		"a": {false, false, true}, "b": {false, false, true}, "c": {false, false, true}, "self": {false, false, true}, "outside": {false, false, true},
	} {
		for i, c := range []*Context{{Key: "user_alice"}, {}, {Attributes: map[string]any{"open": true}}} {
			if got := set.Flag(name).Evaluate(c).Has; got != want[i] {
				t.Errorf("%s for %+v: got %v, want %v", name, *c, got, want[i])
			}
		}
	}
	want := []string{
		"flag a depends on itself: a → b → c → a; its conditions about flags never hold",
		"flag asks-gone asks flag gone, which is not there; the condition never holds",
		"flag asks-gone-or-all asks flag gone, which is not there; the condition never holds",
		"flag b asks flag c, which depends on itself; its conditions about flags never hold",
		"flag c asks flag a, which depends on itself; its conditions about flags never hold",
		"flag outside asks flag a, which depends on itself; its conditions about flags never hold",
		"flag self depends on itself: self → self; its conditions about flags never hold",
	}
	if !slices.Equal(set.Problems, want) {
		t.Errorf("problems:\n%s\nwant\n%s", strings.Join(set.Problems, "\n"), strings.Join(want, "\n"))
	}
}

// Twenty layers of flags that ask the next one twice are a million questions. Those above the bound do not
// ask, and those below do.
func TestReferencesAreBounded(t *testing.T) {
	definitions := map[string]string{"l00": `{"strategy":"none"}`}
	for i := 1; i <= 20; i++ {
		definitions[fmt.Sprintf("l%02d", i)] = fmt.Sprintf(`{"strategy":"users","targeting":[{"when":{"flag":"l%02[1]d"}},{"when":{"flag":"l%02[1]d"}}]}`, i-1)
	}
	set := compiled(t, definitions)
	if len(set.Problems) != 1 || !strings.HasPrefix(set.Problems[0], "flag l13 can look at 16382 conditions for one answer") {
		t.Errorf("problems: %q, want one about l13", set.Problems)
	}
	for _, f := range set.Flags {
		if f.Evaluate(&Context{Key: "user_alice"}).Has {
			t.Errorf("%s has come from nowhere", f.Name)
		}
	}
}
