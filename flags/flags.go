// Package flags decides which variant of a feature flag a user gets. A Set is compiled from definitions, is
// immutable, and answers without a clock, dice, locks or allocation. It holds the rule about the file and what
// was decided at run time too. It does no I/O, speaks no HTTP and never logs.
package flags

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
)

// Definition is a flag as it is to be in force.
type Definition struct {
	*config.Flag
	Killed bool           // everybody gets Off, whatever the flag says
	Share  *config.Weight // in place of the flag's Value, which a rollout moves; nil: the flag's
}

// value is the share of the users who have the flag.
func (d *Definition) value() config.Weight {
	if d.Share != nil {
		return *d.Share
	}
	return d.Value
}

// Set is every flag, compiled. Nil and the zero Set have none.
type Set struct {
	Flags    []*Flag  // sorted by name
	Digest   string   // tells sets apart that could answer differently
	Problems []string // conditions that cannot hold, in sentences

	byName map[string]*Flag
}

// Flag is one flag of a Set.
type Flag struct {
	Name   string
	Config *config.Flag
	Killed bool
	Value  config.Weight // share of the users who have the flag, with percentages
	Index  int           // in Set.Flags

	off       *Variant
	split     []share // of those who have the flag; by name, so that the order of a mapping means nothing
	total     uint64  // of the weights in split
	users     map[string]bool
	rules     []rule
	prefix    string // what is hashed before the user's key: who has the flag
	variation string // the same: which variant they have
}

// Variant is one value of a flag.
type Variant struct {
	Name  string
	Value json.RawMessage // compact JSON
}

type share struct {
	variant *Variant
	upto    uint64 // sum of the weights so far
}

// Flag returns the flag of that name, nil when there is none.
func (s *Set) Flag(name string) *Flag {
	if s == nil {
		return nil
	}
	return s.byName[name]
}

// Compile builds the set. It cannot fail: a condition about a flag that is not there never holds, nor do
// those of a flag that leads to a circle or asks too much (config.Tangles). Problems names each. When
// nothing differs from prev, which may be nil, that is what it returns.
func Compile(definitions []Definition, prev *Set) *Set {
	if prev.says(definitions) {
		return prev
	}
	s := &Set{byName: make(map[string]*Flag, len(definitions))}
	for _, d := range definitions {
		f := compile(d)
		s.Flags = append(s.Flags, f)
		s.byName[f.Name] = f
	}
	slices.SortFunc(s.Flags, func(a, b *Flag) int { return strings.Compare(a.Name, b.Name) })
	s.link()
	sum := sha256.New()
	for i, f := range s.Flags {
		f.Index = i
		b, _ := json.Marshal(f.Config) // it was read from JSON or could be
		fmt.Fprintf(sum, "%s %t %d %s\n", f.Name, f.Killed, f.Value, b)
	}
	s.Digest = hex.EncodeToString(sum.Sum(nil)[:16])
	return s
}

// link compiles the targeting of every flag and notes which conditions about flags never hold.
func (s *Set) link() {
	var all []*config.Flag
	for _, f := range s.Flags {
		all = append(all, f.Config)
	}
	tangles := config.Tangles(all)
	for _, f := range s.Flags {
		t, tangled := tangles[f.Name]
		if tangled {
			s.Problems = append(s.Problems, "flag "+f.Name+" "+t.Why+"; its conditions about flags never hold")
		}
		for _, name := range f.Config.References() {
			if s.byName[name] == nil {
				s.Problems = append(s.Problems, "flag "+f.Name+" asks flag "+name+", which is not there; the condition never holds")
			}
		}
		s.target(f, tangled)
	}
}

// says reports whether a set was compiled from the same definitions.
func (s *Set) says(definitions []Definition) bool {
	if s == nil || len(s.Flags) != len(definitions) {
		return false
	}
	for i := range definitions {
		d := &definitions[i]
		f := s.byName[d.Name]
		if f == nil || f.Config != d.Flag || f.Killed != d.Killed || f.Value != d.value() {
			return false
		}
	}
	return true
}

// compile is a flag without what it asks of others.
func compile(d Definition) *Flag {
	f := &Flag{Name: d.Name, Config: d.Flag, Killed: d.Killed, Value: d.value(), prefix: d.Salt}
	if f.prefix == "" {
		f.prefix = d.Name
	}
	f.variation = f.prefix + "/variant/"
	f.off = &Variant{d.Off, d.Variants[d.Off]}
	for _, name := range sorted(d.Weights) {
		if w := d.Weights[name]; w > 0 {
			f.total += uint64(w)
			f.split = append(f.split, share{&Variant{name, d.Variants[name]}, f.total})
		}
	}
	if len(d.Users) > 0 {
		f.users = make(map[string]bool, len(d.Users))
		for _, u := range d.Users {
			f.users[u] = true
		}
	}
	return f
}

func sorted(weights map[string]int) []string {
	names := make([]string, 0, len(weights))
	for name := range weights {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Prefix is what is hashed before a user's key to tell whether they have the flag.
func (f *Flag) Prefix() string { return f.prefix }

// Context is what is known of a user. Key is the targeting key, "" when there is none. Attributes are
// decoded JSON: text, float64, bool, lists and mappings of them.
type Context struct {
	Key        string
	Attributes map[string]any
}

// Reason says why a user got a variant, in the words of OpenFeature.
type Reason string

// The reasons.
const (
	Static         Reason = "STATIC"          // everybody gets the same
	TargetingMatch Reason = "TARGETING_MATCH" // a listed user or a condition
	Split          Reason = "SPLIT"           // a hash of the user
	Default        Reason = "DEFAULT"         // no user and no condition matched
)

// Result is the answer of a flag. Without Variant the flag needs a targeting key and the context has none.
type Result struct {
	Variant *Variant
	Reason  Reason
	Has     bool // the user has the flag: another variant than Off
	Drawn   bool // the percentage of the flag itself decided about that, and nothing else
}

// Missing reports whether the answer needs a targeting key.
func (r Result) Missing() bool { return r.Variant == nil }

// Evaluate answers for one user. It does not allocate and is safe for concurrent use.
func (f *Flag) Evaluate(c *Context) Result {
	d := f.Config
	if f.Killed || d.Strategy == config.ForNone {
		return f.without(Static)
	}
	if c.Key != "" && f.users[c.Key] {
		return f.with(c, TargetingMatch)
	}
	for i := range f.rules {
		if r := &f.rules[i]; r.when.holds(c) {
			return f.ruled(r, c)
		}
	}
	switch d.Strategy {
	case config.ForAll:
		if len(f.split) == 1 && f.users == nil && f.rules == nil {
			return f.with(c, Static)
		}
		return f.with(c, Default)
	case config.ByPercentage:
		return f.drawn(c, f.Value)
	case config.ForUsers, config.ForNone:
	}
	return f.without(Default)
}

func (f *Flag) without(why Reason) Result { return Result{Variant: f.off, Reason: why} }

// with is the variant of somebody who has the flag.
func (f *Flag) with(c *Context, why Reason) Result {
	if len(f.split) == 1 {
		return Result{Variant: f.split[0].variant, Reason: why, Has: true}
	}
	if c.Key == "" {
		return Result{}
	}
	at := bucket.Of(f.variation, c.Key)
	for i := range f.split {
		if bucket.Below(at, f.split[i].upto, f.total) {
			return Result{Variant: f.split[i].variant, Reason: Split, Has: true}
		}
	}
	return Result{} // cannot be: the last part is the whole
}

// ruled is the variant of somebody whom a rule matches.
func (f *Flag) ruled(r *rule, c *Context) Result {
	switch has, missing := f.within(c, r.value); {
	case missing:
		return Result{}
	case !has:
		return f.without(Split)
	}
	switch {
	case r.variant == nil:
		return f.with(c, TargetingMatch)
	case r.variant.Name == f.off.Name:
		return f.without(TargetingMatch)
	}
	return Result{Variant: r.variant, Reason: TargetingMatch, Has: true}
}

// drawn is the variant of somebody about whom the percentage decides.
func (f *Flag) drawn(c *Context, value config.Weight) Result {
	has, missing := f.within(c, value)
	if missing {
		return Result{}
	}
	r := f.without(Split)
	if has {
		r = f.with(c, Split)
	}
	r.Drawn = c.Key != ""
	return r
}

// within reports whether a user is among the first part of all. None and all need no key.
func (f *Flag) within(c *Context, value config.Weight) (has, missing bool) {
	switch {
	case value <= 0:
		return false, false
	case value >= config.Full:
		return true, false
	case c.Key == "":
		return false, true
	}
	return bucket.Below(bucket.Of(f.prefix, c.Key), uint64(value), uint64(config.Full)), false
}
