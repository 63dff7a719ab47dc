package config

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseFlag looks for definitions that stop the process, and for accepted ones that do not survive
// being stored.
func FuzzParseFlag(f *testing.F) {
	for i := range validFlags(f).Flags {
		b, err := json.Marshal(&validFlags(f).Flags[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add("x", b)
	}
	for _, seed := range []string{
		`{"strategy":"percentage","value":-0.0}`, `{"strategy":"users","users":["\ud800"]}`, `{"strategy":"all","variants":[1]}`,
		`{"strategy":"all","variants":{"a":-0,"b":1},"off_variant":"a"}`, `{"strategy":"none","salt":"<&>\u2028"}`, `{"":{"":[[]]}}`,
	} {
		f.Add("new-checkout", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, definition []byte) {
		flag, err := ParseFlag(name, definition)
		if err != nil {
			checkFlagProblems(t, err)
			return
		}
		if !json.Valid(definition) {
			t.Errorf("accepted what is no JSON: %q", definition)
		}
		checkFlagInvariants(t, flag)
		stored, err := json.Marshal(flag)
		if err != nil {
			t.Fatalf("%s cannot be stored: %v", definition, err)
		}
		again, err := ParseFlag(name, stored)
		if err != nil || !reflect.DeepEqual(again, flag) {
			t.Errorf("%s was stored as %s, which is read as %+v, %v", definition, stored, again, err)
		}
	})
}

func checkFlagProblems(t testing.TB, err error) {
	t.Helper()
	problems, ok := errors.AsType[Problems](err)
	if ok && len(problems) == 0 || strings.ContainsAny(err.Error(), "\r\x1b") || !ok && strings.Contains(err.Error(), "\n") {
		t.Errorf("bad error %q", err)
	}
	for _, p := range problems {
		if p.Line != 0 || p.Msg == "" || strings.HasPrefix(p.String(), " ") {
			t.Errorf("bad problem %q", p)
		}
	}
}

// checkFlagInvariants checks what the comments of Flag promise.
func checkFlagInvariants(t testing.TB, f *Flag) {
	t.Helper()
	if nameFlaw(f.Name) != nil || f.Value < 0 || f.Value > Full || f.Value != 0 && f.Strategy != ByPercentage || len(f.Users) > MaxFlagUsers {
		t.Errorf("flag %s: strategy %s, value %v, %d users", f.Name, f.Strategy, f.Value, len(f.Users))
	}
	if _, ok := f.Variants[f.Off]; !ok || len(f.Weights) != len(f.Variants)-1 || len(f.Variants) > maxVariants {
		t.Errorf("flag %s: off %q, variants %v, weights %v", f.Name, f.Off, f.Variants, f.Weights)
	}
	sum := 0
	for name, weight := range f.Weights {
		sum += weight
		if f.Variants[name] == nil || name == f.Off || weight < 0 {
			t.Errorf("flag %s: weight %d of %q", f.Name, weight, name)
		}
	}
	if sum == 0 {
		t.Errorf("flag %s: weights %v", f.Name, f.Weights)
	}
	kinds := map[string]bool{}
	for name, value := range f.Variants {
		kinds[valueKind(value)] = true
		if !json.Valid(value) {
			t.Errorf("flag %s: variant %s is %s", f.Name, name, value)
		}
	}
	if len(kinds) != 1 || kinds[""] {
		t.Errorf("flag %s: variants of the types %v", f.Name, kinds)
	}
	for i := range f.Targeting {
		if r := &f.Targeting[i]; r.Value < 0 || r.Value > Full || r.Variant != "" && f.Variants[r.Variant] == nil {
			t.Errorf("flag %s: rule %+v", f.Name, r)
		}
	}
	f.eachCondition(func(c *Condition) { checkConditionInvariants(t, f.Name, c) })
}

func checkConditionInvariants(t testing.TB, flag string, c *Condition) {
	t.Helper()
	count := func(given ...bool) (n int) {
		for _, is := range given {
			if is {
				n++
			}
		}
		return n
	}
	ways := count(c.Equals != nil, c.In != nil, c.Prefix != "", c.Suffix != "", c.Semver != "")
	if count(c.All != nil, c.Any != nil, c.Flag != "", c.Attribute != "") != 1 || (ways == 1) != (c.Attribute != "") || ways > 1 {
		t.Errorf("flag %s: condition %+v", flag, c)
	}
}
