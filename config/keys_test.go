package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// TestKeysAreTheReaders: the readers know the keys of the tables and no others. They tell which ones they know when
// they meet one that they do not.
func TestKeysAreTheReaders(t *testing.T) {
	const unknown = "qqqqqqqqqqqq" // near to no key
	tried := 0
	everyPlace(t, func(at spot) {
		if at.shape.keys == nil {
			return
		}
		tried++
		var want, known []string
		for _, k := range at.shape.keys() {
			want = append(want, k.name)
		}
		if strings.HasSuffix(at.path, ".checks") {
			// The user's names are keys as well, so ours can only be tried; the tables of sources say the rest.
			want = slices.DeleteFunc(want, func(k string) bool {
				return !told(judged(t, at.put(map[string]any{k: map[string]any{unknown: 1}})), unknown, nil)
			})
			known = []string{CheckErrors, CheckP50, CheckP95, CheckP99, CheckSlow}
		} else {
			m := filled(t, at.shape, at.path)
			m[unknown] = 1
			told(judged(t, at.put(m)), unknown, &known)
		}
		slices.Sort(known)
		slices.Sort(want)
		if !slices.Equal(known, want) {
			t.Errorf("%s: the readers know %q, the tables %q", at.path, known, want)
		}
	})
	if tried < 40 {
		t.Errorf("only %d mappings were tried", tried)
	}
}

// told reports whether a key is unknown to the readers, and which ones are known in its place.
func told(problems Problems, key string, known *[]string) bool {
	for _, p := range problems {
		if p.Msg != "unknown key" || !strings.HasSuffix(p.Path, "."+key) && p.Path != key {
			continue
		}
		if known != nil {
			*known = strings.FieldsFunc(strings.TrimPrefix(p.Hint, "it can be "), func(r rune) bool { return r == ',' || r == ' ' })
			*known = slices.DeleteFunc(*known, func(s string) bool { return s == "or" })
		}
		return true
	}
	return false
}

// TestKeysKinds: every check of the user's own has its table.
func TestKeysKinds(t *testing.T) {
	var want, got []string
	for _, s := range sources {
		want = append(want, s.key)
	}
	for _, form := range checksShape().each.forms {
		got = append(got, form.keys()[0].name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tables %q, readers %q", got, want)
	}
}

// TestKeysDefault: a file with a default written out means the same as one without it.
func TestKeysDefault(t *testing.T) {
	tried := 0
	everyPlace(t, func(at spot) {
		if at.key == nil || at.key.otherwise == "" {
			return
		}
		tried++
		with, problems := understood(t, at.put(value(t, at.key.otherwise)))
		if problems != nil {
			t.Errorf("%s: the default %s is refused: %v", at.path, at.key.otherwise, problems)
			return
		}
		without, problems := understood(t, left(at.put(absent)))
		if problems != nil {
			t.Errorf("%s: a file without it is refused: %v", at.path, problems)
			return
		}
		if !reflect.DeepEqual(with, without) {
			t.Errorf("%s: %s is not the default:\n%+v\n%+v", at.path, at.key.otherwise, with, without)
		}
	})
	if tried < 100 {
		t.Errorf("only %d defaults were tried", tried)
	}
}

// TestKeysExample: the examples are right, and every key that could have one has.
func TestKeysExample(t *testing.T) {
	everyPlace(t, func(at spot) {
		if at.key == nil || at.key.example == "" {
			return
		}
		if problems := judged(t, at.put(value(t, at.key.example))); problems != nil {
			t.Errorf("%s: %s is refused: %v", at.path, at.key.example, problems)
		}
	})
}

// TestKeysNeeded: what the tables need is needed, and nothing else.
func TestKeysNeeded(t *testing.T) {
	everyPlace(t, func(at spot) {
		if at.key == nil {
			return
		}
		missing := slices.ContainsFunc(judged(t, left(at.put(absent))), func(p Problem) bool {
			return p.Msg == at.key.name+" is missing" || p.Hint == sourceHint
		})
		if missing != at.key.needed && !slices.Contains(maybeInherited, at.path) {
			t.Errorf("%s: needed %v in the tables, %v for the readers", at.path, at.key.needed, missing)
		}
	})
}

// TestKeysBounds: what the tables allow is accepted, the next value beyond it is refused at its place.
func TestKeysBounds(t *testing.T) {
	everyPlace(t, func(at spot) {
		if at.path == "" {
			return // broken files of other tests
		}
		good, bad := at.shape.probes(at.form)
		for _, v := range good {
			if problems := judged(t, at.put(v)); at.hit(problems) {
				t.Errorf("%s: %s is within the bounds of the tables, but refused: %v", at.path, inYAML(v), problems)
			}
		}
		for _, v := range bad {
			if problems := judged(t, at.put(v)); !at.hit(problems) {
				t.Errorf("%s: %s is beyond the bounds of the tables, but not refused: %v", at.path, inYAML(v), problems)
			}
		}
	})
}

// probes are values at and beyond the bounds of a shape. Where there are several forms the values of another kind
// may be those of another form.
func (s shape) probes(form bool) (good, bad []any) {
	var strange []any
	switch s.kind {
	case booleanKind:
		good, strange = []any{true, false}, []any{"maybe", 1}
	case durationKind:
		good = []any{s.least.String(), s.most.String()}
		bad = []any{(s.least - time.Nanosecond).String(), (s.most + time.Nanosecond).String()}
		strange = []any{5, "soon"}
	case wholeKind:
		good = []any{int(s.limits.least), int(s.limits.most)}
		bad = []any{int(s.limits.least) - 1, int(s.limits.most) + 1, plain(s.limits.least + 0.5)}
		strange = []any{"five"}
	case numberKind:
		good, bad = s.numberProbes()
		strange = []any{"five"}
	case choiceKind:
		for _, word := range s.words {
			good = append(good, word)
		}
		bad, strange = []any{"qqqqqqqqqqqq"}, []any{"", 5}
	case textKind:
		strange = []any{"", 5, []any{"a"}}
	case listKind:
		strange = []any{"text", map[string]any{}}
		if s.limits.least > 0 {
			bad = []any{[]any{}}
		} else {
			good = []any{[]any{}}
		}
	case mappingKind:
		strange = []any{[]any{"x"}, 5}
	case anyKind, formsKind:
	}
	if !form {
		bad = append(bad, strange...)
	}
	return good, bad
}

func (s shape) numberProbes() (good, bad []any) {
	const step = 0.25 // of most bounds; exact
	least, most := s.limits.least, s.limits.most
	good, bad = []any{plain(least + step), plain(most - step)}, []any{plain(least - step), plain(most + step)}
	if s.limits.open {
		bad = append(bad, plain(least))
	} else {
		good = append(good, plain(least))
	}
	if s.below {
		bad = append(bad, plain(most))
	} else {
		good = append(good, plain(most))
	}
	return good, bad
}

// plain is a number without an exponent.
func plain(f float64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: decimalText(f)}
}

// judged is what Parse says of a file.
func judged(t *testing.T, file map[string]any) Problems {
	t.Helper()
	_, problems := understood(t, file)
	return problems
}

func understood(t *testing.T, file map[string]any) (*Config, Problems) {
	t.Helper()
	data := inYAML(file)
	c, err := Parse("", data)
	if err == nil {
		c.Digest = ""
		return c, nil
	}
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("%v\n%s", err, data)
	}
	return nil, problems
}

func inYAML(v any) []byte {
	data, err := yaml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
