package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// validFlags are those of testdata/valid/flags.yaml, which has every key.
func validFlags(t testing.TB) *Config {
	t.Helper()
	c, err := Parse("flags.yaml", readFile(t, "testdata/valid/flags.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What the file says of a flag can be said at run time, but for its name and its rollout.
func TestFlagRoundTrip(t *testing.T) {
	for _, f := range validFlags(t).Flags {
		t.Run(f.Name, func(t *testing.T) {
			definition, err := json.Marshal(&f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseFlag(f.Name, definition)
			if err != nil {
				t.Fatalf("ParseFlag(%s): %v", definition, err)
			}
			f.Rollout = nil
			if !reflect.DeepEqual(got, &f) {
				t.Errorf("got  %+v\nwant %+v", *got, f)
			}
			again, err := json.Marshal(got)
			if err != nil || !bytes.Equal(again, definition) {
				t.Errorf("marshalled again: %s, %v\nwant %s", again, err, definition)
			}
		})
	}
}

func TestFlagNames(t *testing.T) {
	c := validFlags(t)
	var names, rollouts []string
	for _, f := range c.Flags {
		names = append(names, f.Name)
		if f.Rollout != nil {
			rollouts = append(rollouts, f.Name+" on "+f.Rollout.Service)
		}
	}
	if want := []string{"new-checkout", "kill", "everybody", "staff", "zero", "whole", "banner", "limit", "theme", "on"}; !slices.Equal(names, want) {
		t.Errorf("flags: got %v, want the order of the file %v", names, want)
	}
	if want := []string{"new-checkout on shop", "zero on shop"}; !slices.Equal(rollouts, want) {
		t.Errorf("rollouts: got %v, want %v", rollouts, want)
	}
	if f := c.Flag("banner"); f == nil || f.Name != "banner" || c.Flag("none") != nil {
		t.Errorf("Flag finds %v, and one that is not there: %v", f, c.Flag("none"))
	}
	for name, want := range map[string]string{FlagService("zero"): "zero", "shop": "", "flag": "", "flags:x": ""} {
		if got := FlagOf(name); got != want {
			t.Errorf("FlagOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSeedFlag(t *testing.T) {
	for seed, want := range map[Seed]string{"flag:x": "x", "flag:": "", SeedVersion: "", SeedFixed: "", "flag": ""} {
		if got := seed.Flag(); got != want {
			t.Errorf("Seed(%q).Flag() = %q, want %q", seed, got, want)
		}
	}
}

func TestFlagUsersAreBounded(t *testing.T) {
	list := func(n int) []byte {
		users := make([]string, n)
		for i := range users {
			users[i] = fmt.Sprint("user-", i)
		}
		b, err := json.Marshal(map[string]any{"strategy": "users", "users": users})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	f, err := ParseFlag("x", list(MaxFlagUsers))
	if err != nil || len(f.Users) != MaxFlagUsers || f.Users[1] != "user-1" {
		t.Errorf("%d users: got %v", MaxFlagUsers, err)
	}
	want := "users: lists 10001 users; at most 10000; use targeting by an attribute, or a percentage"
	if _, err := ParseFlag("x", list(MaxFlagUsers+1)); err == nil || err.Error() != want {
		t.Errorf("one more: got %v, want %s", err, want)
	}
	_, err = Parse("x.yaml", fmt.Appendf(nil, "services: {web: {pools: {blue: [http://10.0.0.1:8080]}}}\nflags: {x: %s}\n", list(MaxFlagUsers+1)))
	if want := "x.yaml:2:40: flags.x." + want; err == nil || err.Error() != want {
		t.Errorf("in a file: got %v, want %s", err, want)
	}
}

func TestFlagsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("services: {web: {pools: {blue: [http://10.0.0.1:8080]}}}\nflags:\n")
	for i := range MaxFlags + 1 {
		fmt.Fprintf(&b, "  f%d: {strategy: all}\n", i)
	}
	want := "x.yaml:2:1: flags: there are more than 1000 flags; remove those nobody asks for any more"
	if _, err := Parse("x.yaml", []byte(b.String())); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A definition that is left as it stands must not look changed because a default was written out.
func TestFlagDefaultsAreWrittenOut(t *testing.T) {
	pairs := [][2]string{
		{`{"strategy":"all"}`, `{"strategy":"all","variants":{"off":false,"on":true},"off_variant":"off","weights":{"on":1}}`},
		{
			`{"strategy":"all","variants":{"a":1,"b":2,"c":3},"off_variant":"a","weights":{"b":1}}`,
			`{"strategy":"all","variants":{"a":1,"b":2,"c":3},"off_variant":"a","weights":{"c":0,"b":1}}`,
		},
		{
			`{"strategy":"users","targeting":[{"when":{"attribute":"v","semver":" >=1   <2 "}}]}`,
			`{"strategy":"users","targeting":[{"when":{"attribute":"v","semver":">=1 <2"},"value":100}]}`,
		},
	}
	for _, pair := range pairs {
		var got [2]string
		for i, definition := range pair {
			f, err := ParseFlag("x", []byte(definition))
			if err != nil {
				t.Fatalf("%s: %v", definition, err)
			}
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			got[i] = string(b)
		}
		if got[0] != got[1] {
			t.Errorf("%s and %s differ:\n%s\n%s", pair[0], pair[1], got[0], got[1])
		}
	}
}
