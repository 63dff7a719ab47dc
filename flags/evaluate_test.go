package flags

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// parsed reads a definition as it is given at run time.
func parsed(t testing.TB, name, definition string) *config.Flag {
	t.Helper()
	f, err := config.ParseFlag(name, []byte(definition))
	if err != nil {
		t.Fatalf("flag %s: %v", name, err)
	}
	return f
}

// compiled is a set of flags by name; "killed " in front of a definition kills it.
func compiled(t testing.TB, definitions map[string]string) *Set {
	t.Helper()
	var all []Definition
	for name, definition := range definitions {
		definition, killed := strings.CutPrefix(definition, "killed ")
		all = append(all, Definition{Flag: parsed(t, name, definition), Killed: killed})
	}
	return Compile(all, nil)
}

// one is a flag alone.
func one(t testing.TB, name, definition string) *Flag {
	t.Helper()
	return compiled(t, map[string]string{name: definition}).Flag(name)
}

// context decodes attributes as they arrive.
func context(t testing.TB, key, attributes string) *Context {
	t.Helper()
	c := &Context{Key: key}
	if attributes != "" {
		if err := json.Unmarshal([]byte(attributes), &c.Attributes); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// said is a result on one line: variant, reason, and what is true of it.
func said(r Result) string {
	if r.Missing() {
		return "no key"
	}
	s := r.Variant.Name + " " + string(r.Reason)
	if r.Has {
		s += " has"
	}
	if r.Drawn {
		s += " drawn"
	}
	return s
}

const colours = `"variants":{"red":"#d00","blue":"#00d","rare":"#0d0","grey":"#888"},"off_variant":"grey","weights":{"red":3,"blue":1}`

// The flag hn draws user_alice at place 733 of 10000 and user_bob at 6714; of its variants she gets the first
// quarter and he does not (testdata/positions.txt).
func TestEvaluate(t *testing.T) {
	pro := `"targeting":[{"when":{"attribute":"plan","equals":"pro"}%s}]`
	ruled := func(more string) string { return strings.Replace(pro, "%s", more, 1) }
	tests := []struct{ name, flag, key, attributes, want string }{
		{"none", `{"strategy":"none"}`, "user_alice", "", "off STATIC"},
		{"none: users and targeting as well", `{"strategy":"none","users":["user_alice"],` + ruled("") + `}`, "user_alice", `{"plan":"pro"}`, "off STATIC"},
		{"none without a key", `{"strategy":"none"}`, "", "", "off STATIC"},
		{"all", `{"strategy":"all"}`, "user_alice", "", "on STATIC has"},
		{"all without a key", `{"strategy":"all"}`, "", "", "on STATIC has"},
		{"all with exceptions", `{"strategy":"all",` + ruled(`,"variant":"off"`) + `}`, "user_alice", `{"plan":"free"}`, "on DEFAULT has"},
		{"all, the exception", `{"strategy":"all",` + ruled(`,"variant":"off"`) + `}`, "user_alice", `{"plan":"pro"}`, "off TARGETING_MATCH"},
		{"users", `{"strategy":"users","users":["user_alice"]}`, "user_alice", "", "on TARGETING_MATCH has"},
		{"users, another", `{"strategy":"users","users":["user_alice"]}`, "user_bob", "", "off DEFAULT"},
		{"users, case counts", `{"strategy":"users","users":["user_alice"]}`, "User_Alice", "", "off DEFAULT"},
		{"users without a key", `{"strategy":"users","users":["user_alice"]}`, "", "", "off DEFAULT"},
		{"users by targeting", `{"strategy":"users",` + ruled("") + `}`, "", `{"plan":"pro"}`, "on TARGETING_MATCH has"},
		{"percentage, inside", `{"strategy":"percentage","value":50}`, "user_alice", "", "on SPLIT has drawn"},
		{"percentage, outside", `{"strategy":"percentage","value":50}`, "user_bob", "", "off SPLIT drawn"},
		{"percentage without a key", `{"strategy":"percentage","value":50}`, "", "", "no key"},
		{"percentage 0 without a key", `{"strategy":"percentage","value":0}`, "", "", "off SPLIT"},
		{"percentage 100 without a key", `{"strategy":"percentage","value":100}`, "", "", "on SPLIT has"},
		{"percentage 0", `{"strategy":"percentage","value":0}`, "user_alice", "", "off SPLIT drawn"},
		{"percentage 100", `{"strategy":"percentage","value":100}`, "user_bob", "", "on SPLIT has drawn"},
		{"percentage, just inside", `{"strategy":"percentage","value":7.34}`, "user_alice", "", "on SPLIT has drawn"},
		{"percentage, just outside", `{"strategy":"percentage","value":7.33}`, "user_alice", "", "off SPLIT drawn"},
		{"users before the percentage", `{"strategy":"percentage","value":0,"users":["user_bob"]}`, "user_bob", "", "on TARGETING_MATCH has"},
		{"users before targeting", `{"strategy":"percentage","value":0,"users":["user_bob"],` + ruled(`,"variant":"off"`) + `}`, "user_bob", `{"plan":"pro"}`, "on TARGETING_MATCH has"},
		{"targeting before the percentage", `{"strategy":"percentage","value":100,` + ruled(`,"variant":"off"`) + `}`, "user_bob", `{"plan":"pro"}`, "off TARGETING_MATCH"},
		{"no targeting matches", `{"strategy":"percentage","value":50,` + ruled("") + `}`, "user_alice", `{"plan":"free"}`, "on SPLIT has drawn"},
		{"the first match counts", `{"strategy":"users","targeting":[{"when":{"attribute":"plan","equals":"pro"},"variant":"off"},{"when":{"attribute":"plan","prefix":"p"}}]}`, "", `{"plan":"pro"}`, "off TARGETING_MATCH"},
		{"a later match", `{"strategy":"users","targeting":[{"when":{"attribute":"plan","equals":"pro"},"variant":"off"},{"when":{"attribute":"plan","prefix":"p"}}]}`, "", `{"plan":"plus"}`, "on TARGETING_MATCH has"},
		{"a share of those who match, inside", `{"strategy":"users",` + ruled(`,"value":10`) + `}`, "user_alice", `{"plan":"pro"}`, "on TARGETING_MATCH has"},
		{"a share of those who match, outside", `{"strategy":"all",` + ruled(`,"value":10`) + `}`, "user_bob", `{"plan":"pro"}`, "off SPLIT"},
		{"a share without a key", `{"strategy":"all",` + ruled(`,"value":10`) + `}`, "", `{"plan":"pro"}`, "no key"},
		{"a share of nobody without a key", `{"strategy":"all",` + ruled(`,"value":0`) + `}`, "", `{"plan":"pro"}`, "off SPLIT"},
		{"variants", `{"strategy":"all",` + colours + `}`, "user_alice", "", "blue SPLIT has"},
		{"variants, another", `{"strategy":"all",` + colours + `}`, "user_bob", "", "red SPLIT has"},
		{"variants without a key", `{"strategy":"all",` + colours + `}`, "", "", "no key"},
		{"variants of nobody without a key", `{"strategy":"percentage","value":0,` + colours + `}`, "", "", "grey SPLIT"},
		{"variants at 50 %", `{"strategy":"percentage","value":50,` + colours + `}`, "user_alice", "", "blue SPLIT has drawn"},
		{"variants at 50 %, outside", `{"strategy":"percentage","value":50,` + colours + `}`, "user_bob", "", "grey SPLIT drawn"},
		{"variants at 100 % without a key", `{"strategy":"percentage","value":100,` + colours + `}`, "", "", "no key"},
		{"a user of several variants", `{"strategy":"users","users":["user_bob"],` + colours + `}`, "user_bob", "", "red SPLIT has"},
		{"none of several variants", `{"strategy":"none",` + colours + `}`, "user_bob", "", "grey STATIC"},
		{"a rule chooses a variant", `{"strategy":"users",` + colours + `,` + ruled(`,"variant":"rare"`) + `}`, "", `{"plan":"pro"}`, "rare TARGETING_MATCH has"},
		{"a rule chooses a variant for a share", `{"strategy":"users",` + colours + `,` + ruled(`,"variant":"rare","value":50`) + `}`, "user_bob", `{"plan":"pro"}`, "grey SPLIT"},
		{"a rule splits", `{"strategy":"users",` + colours + `,` + ruled("") + `}`, "user_alice", `{"plan":"pro"}`, "blue SPLIT has"},
		{"a rule splits without a key", `{"strategy":"users",` + colours + `,` + ruled("") + `}`, "", `{"plan":"pro"}`, "no key"},
		{"a salt draws other users", `{"strategy":"percentage","value":50,"salt":"y"}`, "user_alice", "", "off SPLIT drawn"},
		{"killed", `killed {"strategy":"all","users":["user_alice"]}`, "user_alice", "", "off STATIC"},
		{"killed variants without a key", `killed {"strategy":"all",` + colours + `}`, "", "", "grey STATIC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(one(t, "hn", tt.flag).Evaluate(context(t, tt.key, tt.attributes))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The share that a rollout moves counts in place of the flag's own.
func TestShare(t *testing.T) {
	f := parsed(t, "hn", `{"strategy":"percentage","value":0}`)
	half := config.Weight(5000)
	set := Compile([]Definition{{Flag: f, Share: &half}}, nil)
	if got := said(set.Flag("hn").Evaluate(&Context{Key: "user_alice"})); got != "on SPLIT has drawn" {
		t.Errorf("at a share of 50 %%: got %s", got)
	}
	if before := Compile([]Definition{{Flag: f}}, nil); before.Digest == set.Digest {
		t.Error("another share does not change the digest")
	}
}

func TestValues(t *testing.T) {
	for _, value := range []string{`"text"`, `42`, `-0.25`, `true`, `{"a":[1,{"b":null}],"c":"\u003cd\u003e"}`} {
		definition := `{"strategy":"all","variants":{"a":` + value + `,"z":` + value + `},"off_variant":"z"}`
		if got := string(one(t, "x", definition).Evaluate(&Context{}).Variant.Value); got != value {
			t.Errorf("got %s, want %s", got, value)
		}
	}
}

func TestNoFlag(t *testing.T) {
	var none *Set
	if none.Flag("x") != nil || (&Set{}).Flag("x") != nil || Compile(nil, nil).Flag("x") != nil {
		t.Error("a set without flags has one")
	}
}

// The digest tells sets apart that could answer differently, and only those.
func TestDigest(t *testing.T) {
	base := map[string]string{"a": `{"strategy":"all"}`, "b": `{"strategy":"percentage","value":5}`}
	with := func(name, definition string) string {
		changed := map[string]string{"a": base["a"], "b": base["b"], name: definition}
		return compiled(t, changed).Digest
	}
	want := compiled(t, base).Digest
	if got := with("b", ` { "value": 5.00, "strategy": "percentage" } `); got != want {
		t.Errorf("the same written otherwise: got %s, want %s", got, want)
	}
	seen := map[string]string{want: "base"}
	for name, digest := range map[string]string{
		"value": with("b", `{"strategy":"percentage","value":6}`), "killed": with("b", "killed "+base["b"]),
		"salt": with("b", `{"strategy":"percentage","value":5,"salt":"s"}`), "more": with("c", base["a"]),
		"swapped": compiled(t, map[string]string{"a": base["b"], "b": base["a"]}).Digest,
	} {
		if other, twice := seen[digest]; twice {
			t.Errorf("%s and %s have the digest %s", name, other, digest)
		}
		seen[digest] = name
	}
}

func TestCompileKeepsWhatIsTheSame(t *testing.T) {
	f, g := parsed(t, "f", `{"strategy":"all"}`), parsed(t, "g", `{"strategy":"percentage","value":5}`)
	share := config.Weight(700)
	was := Compile([]Definition{{Flag: f}, {Flag: g}}, nil)
	if again := Compile([]Definition{{Flag: g}, {Flag: f}}, was); again != was {
		t.Error("the same definitions are compiled anew")
	}
	for name, now := range map[string][]Definition{
		"killed": {{Flag: f, Killed: true}, {Flag: g}}, "share": {{Flag: f}, {Flag: g, Share: &share}},
		"fewer": {{Flag: f}}, "more": {{Flag: f}, {Flag: g}, {Flag: parsed(t, "h", `{"strategy":"all"}`)}},
		"redefined": {{Flag: f}, {Flag: parsed(t, "g", `{"strategy":"percentage","value":6}`)}},
	} {
		set := Compile(now, was)
		if set == was || len(set.Flags) != len(now) {
			t.Errorf("%s: the set is as it was", name)
		}
		for i, f := range set.Flags {
			if f.Index != i || set.Flag(f.Name) != f {
				t.Errorf("%s: flag %s is at %d, its index says %d", name, f.Name, i, f.Index)
			}
		}
	}
}
