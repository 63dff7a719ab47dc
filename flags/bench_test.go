package flags

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// kinds is a flag of every kind, and one context that meets what each asks about.
func kinds(t testing.TB) (*Set, *Context) {
	t.Helper()
	users := make([]string, 10_000)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	list, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	when := func(condition string) string { return `{"strategy":"users","targeting":[{"when":` + condition + `}]}` }
	hundred := when(`{"any":[` + strings.Repeat(`{"attribute":"plan","equals":"free"},`, 99) + `{"attribute":"plan","equals":"pro"}]}`)
	set := compiled(t, map[string]string{
		"none": `{"strategy":"none"}`, "all": `{"strategy":"all"}`, "killed": `killed {"strategy":"all"}`,
		"percentage": `{"strategy":"percentage","value":50}`, "salt": `{"strategy":"percentage","value":50,"salt":"other"}`,
		"users": `{"strategy":"users","users":` + string(list) + `}`, "users-miss": `{"strategy":"percentage","value":5,"users":` + string(list[:len(list)-len(`,"user-9999"]`)]) + `]}`,
		"variants": `{"strategy":"percentage","value":100,` + colours + `}`, "variant-of-rule": `{"strategy":"users",` + colours + `,"targeting":[{"when":{"attribute":"plan","equals":"pro"},"variant":"rare","value":50}]}`,
		"equals": when(`{"attribute":"plan","equals":"pro"}`), "equals-number": when(`{"attribute":"age","equals":42}`), "equals-boolean": when(`{"attribute":"beta","equals":true}`),
		"in": when(`{"attribute":"plan","in":["free","plus",1,true,"pro"]}`), "list": when(`{"attribute":"groups","in":["c"]}`),
		"prefix": when(`{"attribute":"email","prefix":"someone"}`), "suffix": when(`{"attribute":"email","suffix":".com"}`),
		"semver": when(`{"attribute":"version","semver":"^2.1 <2.9 !=2.5.0"}`), "dotted": when(`{"attribute":"user.address.city","equals":"Bern"}`),
		"key": when(`{"attribute":"targetingKey","in":["user-1","user-9999"]}`), "key-prefix": when(`{"attribute":"targetingKey","prefix":"user-"}`), "key-semver": when(`{"attribute":"targetingKey","semver":">=1"}`),
		"nested": when(`{"all":[{"attribute":"plan","equals":"pro"},{"any":[{"attribute":"age","equals":1},{"flag":"equals"}]}]}`),
		"flag":   when(`{"flag":"nested"}`), "circle": when(`{"flag":"circle"}`), "missing": when(`{"flag":"nowhere"}`), "hundred": hundred,
	})
	return set, context(t, "user-9999", `{"plan":"pro","age":42,"beta":true,"groups":["a","b","c"],"email":"someone@example.com",
		"version":"v2.4.0-rc.1+0123456789abcdef0123456789abcdef","user":{"address":{"city":"Bern"}}}`)
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	set, c := kinds(t)
	for _, f := range set.Flags {
		for name, c := range map[string]*Context{"": c, " without a key": {Attributes: c.Attributes}, " without anything": {}, " with a long key": {Key: strings.Repeat("k", 256)}} {
			if n := testing.AllocsPerRun(100, func() { f.Evaluate(c) }); n != 0 {
				t.Errorf("%s%s allocates %v times", f.Name, name, n)
			}
		}
	}
}

// Every kind but those that never hold gives the context something, so that the numbers are of real work.
func TestKinds(t *testing.T) {
	set, c := kinds(t)
	never := map[string]bool{"none": true, "killed": true, "circle": true, "missing": true, "users-miss": true, "key-semver": true, "percentage": true, "salt": true, "variant-of-rule": true}
	for _, f := range set.Flags {
		if r := f.Evaluate(c); r.Missing() || !r.Has && !never[f.Name] {
			t.Errorf("%s: got %s", f.Name, said(r))
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	set, c := kinds(b)
	for _, f := range set.Flags {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Evaluate(c)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	set, _ := kinds(b)
	var all []Definition
	for _, f := range set.Flags {
		all = append(all, Definition{Flag: f.Config, Killed: f.Killed})
	}
	b.ReportAllocs()
	for b.Loop() {
		Compile(all, nil)
	}
}
