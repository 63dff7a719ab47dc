package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Flag is a feature flag: which of its variants a user gets. It is immutable once returned. Marshalled
// it is what ParseFlag reads, with every default written out; what the file alone may say is left out.
type Flag struct {
	Name      string
	Strategy  Strategy
	Value     Weight   // share of the users who have the flag, with ByPercentage
	Users     []string // who has the flag whatever the percentage, in file order
	Variants  map[string]json.RawMessage
	Off       string         // variant of those who do not have the flag
	Weights   map[string]int // how those who have it are split; every variant but Off, sum above 0
	Salt      string         // hashed before the user's key; "": the flag's name
	Targeting []FlagRule
	Rollout   *FlagRollout // nil: only people and the file move Value
}

// Strategy says who has a flag.
type Strategy string

// The strategies. ForNone is everybody off, users and targeting included.
const (
	ForNone      Strategy = "none"
	ForAll       Strategy = "all"
	ForUsers     Strategy = "users" // those listed, and those a target names
	ByPercentage Strategy = "percentage"
)

// FlagRule gives a variant to the users whose context matches.
type FlagRule struct {
	When    Condition `json:"when"`
	Variant string    `json:"variant,omitempty"` // "": split like everybody who has the flag
	Value   Weight    `json:"value"`             // share of those who match; the others get Off
}

// Condition holds of a context. Exactly one of All, Any, Flag and Attribute is set; with Attribute
// exactly one of those behind it.
type Condition struct {
	All       []Condition       `json:"all,omitempty"`
	Any       []Condition       `json:"any,omitempty"`
	Flag      string            `json:"flag,omitempty"` // another flag gives the user something else than its Off
	Attribute string            `json:"attribute,omitempty"`
	Equals    json.RawMessage   `json:"equals,omitempty"` // text, a number or a boolean
	In        []json.RawMessage `json:"in,omitempty"`     // the same
	Prefix    string            `json:"prefix,omitempty"`
	Suffix    string            `json:"suffix,omitempty"`
	Semver    string            `json:"semver,omitempty"` // ">=2.1.0 <3.0.0", "^2.1", "~2.1.3"
}

// FlagRollout lets the judge move a flag's percentage: requests of Service by users who have the flag are
// compared with those by users who do not.
type FlagRollout struct{ Service string }

// The variants of a flag that names none, which is a boolean.
const (
	VariantOn  = "on"
	VariantOff = "off"
)

// The bounds of a flag.
const (
	MaxFlags         = 1000
	MaxFlagUsers     = 10_000
	maxUserKey       = 256 // bytes, like a sticky key
	maxVariants      = 64
	maxVariantValue  = 16 << 10 // bytes of JSON
	maxVariantWeight = 10_000
	maxFlagRules     = 100
)

// flagKeys are what a flag may say at run time as well; the file has rollout besides.
var flagKeys = []string{"strategy", "value", "users", "variants", "off_variant", "weights", "salt", "targeting"}

// MarshalJSON writes the definition with every default.
func (f *Flag) MarshalJSON() ([]byte, error) {
	shape := struct {
		Strategy  Strategy                   `json:"strategy"`
		Value     *Weight                    `json:"value,omitempty"`
		Users     []string                   `json:"users,omitempty"`
		Variants  map[string]json.RawMessage `json:"variants"`
		Off       string                     `json:"off_variant"`
		Weights   map[string]int             `json:"weights"`
		Salt      string                     `json:"salt,omitempty"`
		Targeting []FlagRule                 `json:"targeting,omitempty"`
	}{f.Strategy, nil, f.Users, f.Variants, f.Off, f.Weights, f.Salt, f.Targeting}
	if f.Strategy == ByPercentage {
		shape.Value = &f.Value
	}
	return json.Marshal(shape)
}

// Flag returns the flag of that name, nil when there is none.
func (c *Config) Flag(name string) *Flag {
	for i := range c.Flags {
		if c.Flags[i].Name == name {
			return &c.Flags[i]
		}
	}
	return nil
}

func (p *parser) flags(n *node) []Flag {
	fields := p.mapping(n)
	if len(fields) > MaxFlags {
		p.spoil(n, flaw{fmt.Sprintf("there are more than %d flags", MaxFlags), "remove those nobody asks for any more"})
		return nil
	}
	var all []Flag
	for _, f := range fields {
		o := p.object(f.value, append(slices.Clone(flagKeys), "rollout")...)
		flag := p.flag(p.name(f.key), o)
		flag.Rollout = p.flagRollout(&flag, o)
		all = append(all, flag)
	}
	p.checkReferences(all, n)
	return all
}

// flag reads what a flag says of itself.
func (p *parser) flag(name string, o object) Flag {
	f := Flag{Name: name, Salt: p.checked(o.at("salt"), salt), Users: p.flagUsers(o.at("users"))}
	if at := p.need(o, "strategy", "it is none, all, users or percentage"); at != nil {
		f.Strategy = choice(p, at, "", ForNone, ForAll, ForUsers, ByPercentage)
	}
	p.flagVariants(&f, o)
	f.Targeting = p.targeting(&f, o.at("targeting"))
	value := o.at("value")
	switch {
	case f.Strategy == ByPercentage && p.need(o, "value", "say how many percent have the flag: {strategy: percentage, value: 25}") != nil:
		f.Value = p.percent(value)
	case f.Strategy != ByPercentage && f.Strategy != "" && value != nil:
		p.report(value, flaw{"goes with strategy percentage only", "write strategy: percentage, or remove it"})
	case f.Strategy == ForUsers && empty(o.at("users")) && empty(o.at("targeting")):
		p.report(o.node, flaw{"strategy users names nobody", "list users: [user_alice] or targeting, or write strategy: none"})
	}
	return f
}

// empty reports whether a list is not there or says nothing; one that is broken may have said something.
func empty(n *node) bool { return n == nil || !n.bad && len(n.items) == 0 }

// salt may be anything that can be read aloud from a file.
func salt(s string) (string, *flaw) {
	if len(s) > 128 {
		return "", &flaw{"is too long", "at most 128 bytes"}
	}
	return s, nil
}

func (p *parser) flagUsers(n *node) []string {
	items := p.list(n)
	if len(items) > MaxFlagUsers {
		p.spoil(n, flaw{
			fmt.Sprintf("lists %d users", len(items)),
			fmt.Sprintf("at most %d; use targeting by an attribute, or a percentage", MaxFlagUsers),
		})
		return nil
	}
	return p.distinct(n, userKey)
}

func userKey(s string) (string, *flaw) {
	if len(s) > maxUserKey {
		return "", &flaw{"is too long for a user", fmt.Sprintf("at most %d bytes", maxUserKey)}
	}
	return s, nil
}

// flagVariants reads variants, off_variant and weights; without them the flag is a boolean.
func (p *parser) flagVariants(f *Flag, o object) {
	variants, weights := o.at("variants"), o.at("weights")
	if variants == nil {
		f.Variants = map[string]json.RawMessage{VariantOn: json.RawMessage("true"), VariantOff: json.RawMessage("false")}
		f.Off = VariantOff
		f.Weights = map[string]int{VariantOn: 1}
		for _, key := range o.given("off_variant", "weights") {
			p.report(o.at(key), flaw{"needs variants", `name them: variants: {red: "#d00", grey: "#888"}`})
		}
		return
	}
	f.Variants = p.variants(variants)
	at := p.need(o, "off_variant", "name the variant of those who do not have the flag")
	if variants.bad {
		return
	}
	if at != nil && p.checkVariant(f, at) {
		f.Off = at.value
	}
	f.Weights = p.variantWeights(f, weights, o.node)
}

func (p *parser) variants(n *node) map[string]json.RawMessage {
	fields := p.mapping(n)
	if !n.bad && (len(fields) < 2 || len(fields) > maxVariants) {
		p.spoil(n, flaw{"names " + fewOrMany(len(fields)) + " variants", fmt.Sprintf("a flag has 2 to %d, the one for those who do not have it included", maxVariants)})
		return nil
	}
	all := make(map[string]json.RawMessage, len(fields))
	kind := ""
	for _, f := range fields {
		name, value := p.name(f.key), p.value(f.value)
		all[name] = value // also when it is broken: others may name it
		if value == nil {
			continue
		}
		k := valueKind(value)
		switch {
		case k == "":
			p.spoil(f.value, flaw{"is " + kindOf(f.value) + ", which no flag can have", "a value is a boolean, text, a number or a mapping"})
		case kind != "" && k != kind:
			p.spoil(f.value, flaw{"is " + k + ", but the variants before are " + kind, "all variants of a flag have one type"})
		case len(value) > maxVariantValue:
			p.spoil(f.value, flaw{"is too long", fmt.Sprintf("at most %d KiB of JSON", maxVariantValue>>10)})
		default:
			kind = k
		}
	}
	return all
}

func fewOrMany(n int) string {
	if n < 2 {
		return "too few"
	}
	return "too many"
}

// checkVariant looks for the variant that n names. A flag without a readable one is told about that only.
func (p *parser) checkVariant(f *Flag, n *node) bool {
	name := p.text(n)
	_, ok := f.Variants[name]
	if !ok && name != "" && len(f.Variants) > 0 {
		p.spoil(n, flaw{"there is no variant " + quote(name), p.nearest(name, slices.Sorted(maps.Keys(f.Variants)))})
	}
	return ok
}

// variantWeights is the split of those who have the flag. A single variant beside Off needs none, and one
// that is left out has 0.
func (p *parser) variantWeights(f *Flag, n, flag *node) map[string]int {
	all := map[string]int{}
	for name := range f.Variants {
		if name != f.Off {
			all[name] = 0
		}
	}
	switch {
	case n == nil && len(all) == 1:
		for name := range all {
			all[name] = 1
		}
	case n == nil && f.Off != "":
		example := strings.Join(slices.Sorted(maps.Keys(all))[:2], ": 1, ")
		p.report(flag, flaw{"weights is missing", "say how those who have the flag are split, such as weights: {" + example + ": 1}"})
	case n != nil:
		p.readWeights(f, n, all)
	}
	return all
}

func (p *parser) readWeights(f *Flag, n *node, into map[string]int) {
	sum, broken := 0, n.bad
	for _, field := range p.mapping(n) {
		switch {
		case !p.checkVariant(f, field.key):
			broken = true
			continue
		case field.key.value == f.Off:
			p.report(field.key, flaw{quote(f.Off) + " is the off_variant, which is for those who do not have the flag", "remove it; value says how many have the flag"})
			continue
		}
		weight := p.count(field.value, 0, maxVariantWeight, 0)
		broken = broken || field.value.bad
		into[field.key.value] = weight
		sum += weight
	}
	if sum == 0 && !broken {
		p.report(n, flaw{"sum is 0, so nobody could get a variant", "give at least one of them more than 0"})
	}
}

// value turns a node into JSON, nil when it is broken.
func (p *parser) value(n *node) json.RawMessage {
	v, ok := p.plainValue(n)
	if !ok {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		p.spoil(n, flaw{"cannot be written as JSON", "write it as text"})
		return nil
	}
	return b
}

func (p *parser) plainValue(n *node) (v any, ok bool) {
	switch {
	case n.bad:
		return nil, false
	case n.kind == yaml.MappingNode:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			if m[f.key.value], ok = p.plainValue(f.value); !ok {
				return nil, false
			}
		}
		return m, true
	case n.kind == yaml.SequenceNode:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			if list[i], ok = p.plainValue(item); !ok {
				return nil, false
			}
		}
		return list, true
	}
	switch n.tag {
	case "!!null":
		return nil, true
	case "!!bool":
		return p.boolean(n), true
	case "!!int", "!!float":
		text, ok := p.number(n)
		if _, err := strconv.ParseFloat(text, 64); ok && err != nil {
			p.spoil(n, flaw{cut(text) + " is too large", "nobody could read it; write it as text"})
			return nil, false
		}
		return json.Number(text), ok
	}
	return n.value, true
}

// valueKind is the type of a variant in words, "" for what no flag can have.
func valueKind(value json.RawMessage) string {
	switch value[0] {
	case 't', 'f':
		return "a boolean"
	case '"':
		return "text"
	case '{':
		return "a mapping"
	case '[', 'n':
		return ""
	}
	return "a number"
}
