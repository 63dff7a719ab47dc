package config

import (
	"time"

	"gopkg.in/yaml.v3"
)

// What the file may say is told twice: by the readers, which judge it, and by the tables of keys, from
// which editors and docs/config.md learn. Tests put every statement of the tables to the readers.

// key is a key of a mapping. Values are written as they stand in a file.
type key struct {
	name, about string
	value       shape
	otherwise   string // the default; "": there is none
	example     string
	needed      bool // has no default, and none can be inherited
}

// describe begins an entry of a table.
func describe(name string, value shape, about string) key {
	return key{name: name, about: about, value: value}
}

// or gives a key its default.
func (k key) or(text string) key {
	k.otherwise = text
	return k
}

// as gives a key an example.
func (k key) as(text string) key {
	k.example = text
	return k
}

// must makes a key needed, with an example to fill it in.
func (k key) must(example string) key {
	k.needed, k.example = true, example
	return k
}

type kind int

const (
	anyKind kind = iota
	textKind
	booleanKind
	durationKind
	wholeKind
	numberKind
	choiceKind
	listKind
	mappingKind
	formsKind
)

// shape is what a value may be.
type shape struct {
	kind      kind
	ref       string // where others refer to it by a name
	pattern   string // of text; of the names in a mapping
	not       string // the same, what it may not be
	words     []string
	limits    bounds        // of numbers, and of the entries of a list or mapping
	below     bool          // the upper end of limits is itself too much
	least     time.Duration // of durations
	most      time.Duration
	keys      func() []key // of a mapping; a function, since conditions contain conditions
	each      *shape       // of a list, and of the names the user chooses in a mapping
	forms     []shape      // one of which it has
	unique    bool         // no entry of a list is there twice
	blank     bool         // nothing is everything by default
	more      shown        // of JSON Schema: what keys demand of each other
	choosable string       // what the user's names are called in paths
}

func text(pattern string) shape { return shape{kind: textKind, pattern: pattern} }

func boolean() shape { return shape{kind: booleanKind} }

func duration(least, most time.Duration) shape {
	return shape{kind: durationKind, least: least, most: most}
}

func whole(least, most int) shape {
	return shape{kind: wholeKind, limits: bounds{least: float64(least), most: float64(most)}}
}

func number(b bounds) shape { return shape{kind: numberKind, limits: b} }

func words[T ~string](all ...T) shape {
	s := shape{kind: choiceKind}
	for _, w := range all {
		s.words = append(s.words, string(w))
	}
	return s
}

// list has at least so many items and at most; most 0 is any number.
func list(of shape, least, most int) shape {
	return shape{kind: listKind, each: &of, limits: bounds{least: float64(least), most: float64(most)}}
}

// set is a list in which nothing is twice.
func set(of shape, least, most int) shape {
	s := list(of, least, most)
	s.unique = true
	return s
}

func mapping(keys func() []key) shape { return shape{kind: mappingKind, keys: keys} }

// named is a mapping whose keys the user chooses; in paths they are called what.
func named(what, pattern string, of shape, least, most int) shape {
	return shape{
		kind: mappingKind, each: &of, pattern: pattern, choosable: what,
		limits: bounds{least: float64(least), most: float64(most)},
	}
}

func oneOfForms(forms ...shape) shape { return shape{kind: formsKind, forms: forms} }

// called gives a shape a name under which a schema has it once.
func (s shape) called(name string) shape {
	s.ref = name
	return s
}

// orBlank lets a shape be nothing.
func (s shape) orBlank() shape {
	s.blank = true
	return s
}

// demanding adds what a schema has to say about keys together.
func (s shape) demanding(more ...shownField) shape {
	s.more = append(s.more, more...)
	return s
}

// fromYAML turns a value of the tables into one that becomes JSON in the same order.
func fromYAML(text string) any {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return text // a test reads every value of the tables
	}
	return fromNode(doc.Content[0])
}

func fromNode(n *yaml.Node) any {
	if n.Kind == yaml.MappingNode {
		all := shown{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			all = append(all, shownField{n.Content[i].Value, fromNode(n.Content[i+1])})
		}
		return all
	}
	if n.Kind == yaml.SequenceNode {
		all := []any{}
		for _, item := range n.Content {
			all = append(all, fromNode(item))
		}
		return all
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return n.Value
	}
	return v
}
