package flags

import (
	"encoding/json"
	"slices"
	"strings"
	"unsafe"

	"github.com/switchback-proxy/switchback/config"
	"golang.org/x/mod/semver"
)

// rule gives a variant to those whose context matches.
type rule struct {
	when    condition
	variant *Variant // nil: the split
	value   config.Weight
}

// condition is a compiled config.Condition. One of its parts is set; none never holds.
type condition struct {
	all, any  []condition
	flag      *Flag
	attribute string
	texts     map[string]bool // maps, since a long list may meet a long list
	values    map[any]bool    // float64 or bool
	prefix    string
	suffix    string
	versions  []config.Comparison
}

// target compiles what a flag asks of its users, once every flag of the set is there.
func (s *Set) target(f *Flag, tangled bool) {
	for i := range f.Config.Targeting {
		t := &f.Config.Targeting[i]
		r := rule{when: s.condition(&t.When, tangled), value: t.Value}
		if t.Variant != "" {
			r.variant = &Variant{t.Variant, f.Config.Variants[t.Variant]}
		}
		f.rules = append(f.rules, r)
	}
}

func (s *Set) condition(c *config.Condition, tangled bool) condition {
	out := condition{attribute: c.Attribute, prefix: c.Prefix, suffix: c.Suffix, texts: map[string]bool{}, values: map[any]bool{}}
	for i := range c.All {
		out.all = append(out.all, s.condition(&c.All[i], tangled))
	}
	for i := range c.Any {
		out.any = append(out.any, s.condition(&c.Any[i], tangled))
	}
	if c.Flag != "" && !tangled {
		out.flag = s.byName[c.Flag]
	}
	for _, value := range append(slices.Clone(c.In), c.Equals) {
		switch v := scalar(value).(type) {
		case nil:
		case string:
			out.texts[v] = true
		default:
			out.values[v] = true
		}
	}
	for part := range strings.FieldsSeq(c.Semver) {
		v, _ := config.ParseComparison(part) // config has accepted it
		out.versions = append(out.versions, v)
	}
	return out
}

// scalar is text, float64 or bool; config accepts nothing else. No value is nil.
func scalar(value json.RawMessage) any {
	var v any
	_ = json.Unmarshal(value, &v)
	return v
}

// holds reports whether the condition is true of a context.
func (c *condition) holds(x *Context) bool {
	switch {
	case c.all != nil:
		for i := range c.all {
			if !c.all[i].holds(x) {
				return false
			}
		}
		return true
	case c.any != nil:
		for i := range c.any {
			if c.any[i].holds(x) {
				return true
			}
		}
		return false
	case c.flag != nil:
		return c.flag.Evaluate(x).Has
	case c.attribute == "":
		return false
	case c.attribute == targetingKey:
		return x.Key != "" && c.text(x.Key)
	}
	return c.matches(x.attribute(c.attribute))
}

// targetingKey is the attribute that is Context.Key. It is compared apart: a key that were handed on as any
// would have to be copied for every user.
const targetingKey = "targetingKey"

// matches compares one value. A list matches when one of its entries does. Text is no number: "1" is not 1.
func (c *condition) matches(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if _, list := item.([]any); !list && c.matches(item) {
				return true
			}
		}
	case string:
		return c.text(v)
	case bool:
		return c.values[v]
	case float64:
		return c.values[v]
	case int: // what a caller in this process may have put into a context
		return c.values[float64(v)]
	case int64:
		return c.values[float64(v)]
	}
	return false
}

func (c *condition) text(v string) bool {
	switch {
	case c.prefix != "":
		return strings.HasPrefix(v, c.prefix)
	case c.suffix != "":
		return strings.HasSuffix(v, c.suffix)
	case c.versions != nil:
		return c.between(v)
	}
	return c.texts[v]
}

// maxVersion bounds what is taken for a version, in bytes.
const maxVersion = 64

// between reports whether a version lies in the range. What is no version lies in none.
func (c *condition) between(v string) bool {
	v = strings.TrimPrefix(v, "v")
	if len(v) > maxVersion {
		return false
	}
	var buf [maxVersion + 1]byte
	b := append(append(buf[:0], 'v'), v...)
	version := unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // lives as long as buf, is not kept
	if !semver.IsValid(version) {
		return false
	}
	for i := range c.versions {
		if !admits(&c.versions[i], version) {
			return false
		}
	}
	return true
}

func admits(c *config.Comparison, version string) bool {
	d := semver.Compare(version, c.Version)
	switch c.Operator {
	case "!=":
		return d != 0
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	case "^", "~":
		return d >= 0 && semver.Compare(version, c.Below) < 0
	}
	return d == 0
}

// attribute finds a value by its name, or by a way through mappings: "user.plan". nil: it is not there.
func (x *Context) attribute(name string) any {
	at := x.Attributes
	for {
		if v, ok := at[name]; ok {
			return v
		}
		first, rest, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		if at, ok = at[first].(map[string]any); !ok {
			return nil
		}
		name = rest
	}
}
