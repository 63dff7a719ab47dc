package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestEffective: what is shown of a configuration is a file that means the same, so nothing of it is left out. Only
// addresses that are called lose what may be a secret.
func TestEffective(t *testing.T) {
	all := append(files(t, "testdata/valid/*.yaml"), files(t, "../examples/*/switchback.yaml")...)
	for _, file := range all {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			c, err := Parse("/etc/switchback/switchback.yaml", readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			shown, err := c.Effective()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse("/etc/switchback/switchback.yaml", shown)
			if err != nil {
				t.Fatalf("not a file any more: %v\n%s", err, shown)
			}
			want := maskCalls(t, c)
			again.Digest, again.Services = want.Digest, stated(again.Services)
			if !reflect.DeepEqual(again, want) {
				a, _ := json.MarshalIndent(again, "", " ")
				b, _ := json.MarshalIndent(want, "", " ")
				t.Errorf("it means something else:\n%s\nwant\n%s", a, b)
			}
			twice, err := again.Effective()
			if err != nil || !bytes.Equal(twice, shown) {
				t.Errorf("shown again it is\n%s\nwas\n%s", twice, shown)
			}
		})
	}
}

// stated are services whose weights name every pool.
func stated(services []Service) []Service {
	all := slices.Clone(services)
	for i := range all {
		all[i].Weights = maps.Clone(all[i].Weights)
		for _, p := range all[i].Pools {
			all[i].Weights[p.Name] += 0
		}
	}
	return all
}

// maskCalls is c with the addresses that are called as they are shown.
func maskCalls(t *testing.T, c *Config) *Config {
	t.Helper()
	out := *c
	out.Services = stated(c.Services)
	for i := range out.Services {
		if out.Services[i].Rollout == nil {
			continue
		}
		r := *out.Services[i].Rollout
		r.Gates, r.Announce = append([]Gate(nil), r.Gates...), append([]Announce(nil), r.Announce...)
		for j := range r.Gates {
			r.Gates[j].Post = masked(r.Gates[j].Post)
		}
		for j := range r.Announce {
			if r.Announce[j].Post != "" {
				r.Announce[j].Post = masked(r.Announce[j].Post)
			}
		}
		r.Checks = slices.Clone(r.Checks)
		for j := range r.Checks {
			if c := &r.Checks[j]; c.Kind == KindPrometheus {
				c.Query.URL = masked(c.Query.URL)
			} else if c.Kind == KindWebhook {
				c.Webhook = masked(c.Webhook)
			}
		}
		out.Services[i].Rollout = &r
	}
	return &out
}

// TestEffectiveMasks: no word of an address to call that could be a secret is shown.
func TestEffectiveMasks(t *testing.T) {
	c, err := Parse("", []byte(`
services:
  shop:
    pools: {blue: [http://10.0.0.1:80], green: [http://10.0.0.2:80]}
    weights: {blue: 100}
    rollout:
      checks:
        queue: {prometheus: "https://prom.example.com/SECRET4", query: "up{pool='{{.Pool}}'}", max: 1, token_file: prom.token}
        verdict: {webhook: "https://ci.example.com/?SECRET5"}
      gates: [{at: start, post: "https://ci.example.com/hook/SECRET1?key=SECRET2", token_file: ci.token}, {at: promote, post: "https://ci.example.com"}]
      announce: [{post: "http://chat.example.com/?SECRET3"}, {slack_file: slack.url}]
`))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := c.Effective()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "SECRET") {
		t.Errorf("a secret is shown: %s", shown)
	}
	for _, want := range []string{`"https://ci.example.com/***"`, `"https://ci.example.com"`, `"http://chat.example.com/***"`, `"ci.token"`, `"slack.url"`} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("%s is not shown: %s", want, shown)
		}
	}
}

// TestPercentOf: every percentage with up to four decimals comes back as the fraction it was.
func TestPercentOf(t *testing.T) {
	p := &parser{told: map[place]bool{}}
	for i := range 5000 {
		text := string(plainNumber(float64(i*7) / 10000))
		n := &node{kind: 8, tag: "!!float", value: text, plain: true}
		f := p.fraction(n, bounds{least: 0, most: 100}, -1)
		again := &node{kind: 8, tag: "!!float", value: string(percentOf(f)), plain: true}
		if got := p.fraction(again, bounds{least: 0, most: 100}, -1); got != f || f < 0 {
			t.Fatalf("%s is %v, shown as %s, which is %v", text, f, percentOf(f), got)
		}
	}
}
