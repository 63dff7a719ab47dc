package config

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// rightFile has what keys in the examples of others speak of.
const rightFile = `
services:
  web:
    pools:
      blue: {version: "1", targets: [https://10.0.0.1:8443]}
      green: {version: "2", targets: [https://10.0.1.1:8443]}
    weights: {blue: 100, green: 0}
    sticky: {key: [{header: X-User-ID}]}
flags:
  new-checkout: {strategy: percentage, value: 5}
`

// beside are keys that another one needs or must not meet, for the examples and bounds of that one.
var beside = map[string]string{
	"listeners.n.tokens": "serve: flags", "listeners.n.cors": "serve: flags",
	"flags.n.value":            "strategy: percentage",
	"flags.n.variants":         "off_variant: mine",
	"flags.n.off_variant":      "variants: {mine: 1, yours: 2}",
	"flags.n.weights":          "{variants: {mine: 1, yours: 2}, off_variant: yours}",
	"flags.n.rollout":          "{strategy: percentage, value: 0}",
	"flags.n.rollout.bake.for": "holdback: 2", "flags.n.rollout.bake.holdback": "for: 1h",
	"services.n.pools.n.version":                    "targets: [https://10.0.0.1:8443]",
	"services.n.rollout.bake.for":                   "holdback: 2",
	"services.n.rollout.bake.holdback":              "for: 1h",
	"services.n.rollout.deadline":                   "steps: bluegreen",
	"services.n.rollout.start":                      "deadline: 168h",
	"services.n.rollout.steps":                      "deadline: 168h",
	"services.n.rollout.checks.slow.max_increase":   "max_ratio: 2",
	"services.n.rollout.checks.errors.max_increase": "max_ratio: 2",
	"services.n.rollout.checks.n.within":            "observe_only: false",
	"services.n.rollout.checks":                     "deadline: 168h",
	"services.n.rollout.announce[].token_file":      "post: https://a.example",
	"flags.n.targeting[].when.attribute":            "equals: pro", "flags.n.targeting[].when.equals": "attribute: plan",
	"flags.n.targeting[].when.in": "attribute: plan", "flags.n.targeting[].when.semver": "attribute: plan",
	"flags.n.targeting[].when.prefix": "attribute: plan", "flags.n.targeting[].when.suffix": "attribute: plan",
}

// maybeInherited are keys that the readers miss where the defaults do not have them either.
var maybeInherited = []string{
	"services.n.pools", "services.n.weights", "services.n.pools.n.targets", "services.n.rollout.bake.for", "services.n.rollout.bake.holdback",
	"defaults.pools.n.targets", "defaults.rollout.bake.for", "defaults.rollout.bake.holdback", "flags.n.rollout.bake.for", "flags.n.rollout.bake.holdback",
	// These are needed with others only, as the demands of their mappings say.
	"flags.n.value", "flags.n.off_variant", "flags.n.weights",
}

// spot is one place of a file. Names that the user chooses are n in its path.
type spot struct {
	shape shape
	key   *key // whose value it is; nil: an item, a form, or the value of a name
	form  bool // one of several
	path  string
	put   func(any) map[string]any // a file that has something there
}

// hit reports whether one of the problems is there or below.
func (s spot) hit(problems Problems) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool {
		rest, ok := strings.CutPrefix(generic(p.Path), s.path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// everyPlace walks the tables; conditions within conditions two levels deep.
func everyPlace(t *testing.T, look func(spot)) {
	t.Helper()
	var walk func(s spot)
	walk = func(s spot) {
		if strings.Count(s.path, ".all[]")+strings.Count(s.path, ".any[]") > 1 {
			return
		}
		look(s)
		for _, f := range s.shape.forms {
			walk(spot{shape: f, form: true, path: s.path, put: s.put})
		}
		if s.shape.kind == listKind {
			walk(spot{shape: *s.shape.each, path: s.path + "[]", put: func(v any) map[string]any { return s.put([]any{v}) }})
		}
		if s.shape.kind != mappingKind {
			return
		}
		inside := func(name, text string) func(any) map[string]any {
			return func(v any) map[string]any {
				m := filled(t, s.shape, s.path)
				maps.Copy(m, neighbours(t, s.path+"."+name))
				m[text] = v
				return s.put(m)
			}
		}
		if s.shape.keys != nil {
			for _, k := range s.shape.keys() {
				walk(spot{shape: k.value, key: &k, path: strings.TrimPrefix(s.path+"."+k.name, "."), put: inside(k.name, k.name)})
			}
		}
		if s.shape.each != nil {
			walk(spot{shape: *s.shape.each, path: s.path + ".n", put: inside("n", nameAt(s.path))})
		}
	}
	walk(spot{shape: fileShape(), put: func(v any) map[string]any {
		m, ok := v.(map[string]any)
		if !ok {
			m = map[string]any{"services": v} // the file as a whole is tried elsewhere
		}
		return m
	}})
}

// nameAt is a name that means something at a place.
func nameAt(path string) string {
	switch {
	case path == "services":
		return "web"
	case strings.HasPrefix(path, "flags."):
		return "mine"
	case strings.HasSuffix(path, ".pools"), strings.HasSuffix(path, ".weights"):
		return "blue"
	case strings.HasSuffix(path, ".header"):
		return "X-Beta"
	}
	return "mine"
}

// filled is a mapping with every key it needs.
func filled(t *testing.T, s shape, path string) map[string]any {
	t.Helper()
	right := value(t, rightFile).(map[string]any)
	services, flags := right["services"].(map[string]any), right["flags"].(map[string]any)
	m := map[string]any{}
	switch path {
	case "":
		m = right
	case "services":
		m = services
	case "services.n":
		m = services["web"].(map[string]any)
	case "services.n.pools":
		m = services["web"].(map[string]any)["pools"].(map[string]any)
	case "services.n.pools.n", "defaults.pools.n":
		m["targets"] = []any{"https://10.0.0.1:8443"}
	case "services.n.weights":
		m["green"] = 100
	case "services.n.sticky":
		m["key"] = value(t, "[{header: X-User-ID}]")
	case "flags":
		m = flags
	case "flags.n.variants":
		m["yours"] = 2
	case "flags.n.weights":
		m["more"] = 1
	}
	if strings.HasSuffix(path, "rollout.checks") {
		m["p50"], m["p95"] = map[string]any{}, map[string]any{} // so that one is left to decide
	}
	if s.keys == nil {
		return m
	}
	for _, k := range s.keys() {
		if k.needed && m[k.name] == nil {
			m[k.name] = value(t, k.example)
		}
	}
	for _, demand := range s.more {
		if demand.key == heldAgainst.key {
			m["max"] = 500
		}
	}
	return m
}

func neighbours(t *testing.T, path string) map[string]any {
	t.Helper()
	path = strings.NewReplacer(".all[]", "", ".any[]", "").Replace(path)
	text := beside[path]
	for _, prefix := range []string{"defaults.", "flags.n."} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && text == "" {
			text = beside["services.n."+rest]
		}
	}
	if text == "" {
		return nil
	}
	return value(t, text).(map[string]any)
}

// value is a value of the tables.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q in the tables: %v", text, err)
	}
	return v
}

// absent stands for a key that is to be left out.
const absent = "(absent)"

// left takes out what is absent.
func left[T any](v T) T {
	var out func(v any)
	out = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if inner == absent {
					delete(v, k)
					continue
				}
				out(inner)
			}
		case []any:
			for _, item := range v {
				out(item)
			}
		}
	}
	out(v)
	return v
}

// generic is a path of a file as the tables have it.
func generic(path string) string {
	var all []string
	for i, part := range strings.Split(path, ".") {
		name, index, _ := strings.Cut(part, "[")
		chosen := i == 1 && slices.Contains([]string{"services", "flags", "listeners"}, all[0]) || name == "mine" || name == "X-Beta" ||
			i > 1 && name == "blue" && (all[i-1] == "pools" || all[i-1] == "weights")
		if chosen {
			name = "n"
		}
		if index != "" {
			name += strings.Repeat("[]", 1+strings.Count(index, "["))
		}
		all = append(all, name)
	}
	return strings.Join(all, ".")
}
