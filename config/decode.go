package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// The readers below turn nodes into values. A nil node is a key that is not in the file: it gives the
// default and no problem. A node of the wrong kind is reported and gives the default as well, so that
// reading goes on and finds the other problems of the file.

// object is a mapping whose keys are all known.
type object struct {
	node   *node
	values map[string]*node
}

// at is the value of a key, nil when the file does not have it.
func (o object) at(key string) *node { return o.values[key] }

// given is those of keys that the file has.
func (o object) given(keys ...string) []string {
	var all []string
	for _, key := range keys {
		if o.at(key) != nil {
			all = append(all, key)
		}
	}
	return all
}

// object reads a mapping with these keys. It is empty when n is nil or something else.
func (p *parser) object(n *node, keys ...string) object {
	o := object{node: n, values: map[string]*node{}}
	for _, f := range p.mapping(n) {
		if !slices.Contains(keys, f.key.value) {
			p.unknown(f.key, keys)
			continue
		}
		o.values[f.key.value] = f.value
	}
	return o
}

func (p *parser) unknown(key *node, keys []string) {
	if !key.bad {
		p.spoil(key, p.unknownKey(key.value, keys))
	}
}

// need is at for a key that has no default.
func (p *parser) need(o object, key, hint string) *node {
	n := o.at(key)
	if n == nil && o.node != nil && o.node.kind == yaml.MappingNode {
		p.report(o.node, flaw{key + " is missing", hint})
	}
	return n
}

// mapping is the fields of a mapping whose keys the user chooses.
func (p *parser) mapping(n *node) []field {
	if n == nil || !p.expect(n, yaml.MappingNode, "a mapping") {
		return nil
	}
	return n.fields
}

// list is the items of a list.
func (p *parser) list(n *node) []*node {
	if n == nil || !p.expect(n, yaml.SequenceNode, "a list") {
		return nil
	}
	return n.items
}

// text reads text that is not empty; "" when there is none.
func (p *parser) text(n *node) string {
	if n == nil || !p.expect(n, yaml.ScalarNode, "text") {
		return ""
	}
	switch {
	case n.tag == "!!int" || n.tag == "!!float" || n.tag == "!!bool":
		p.spoil(n, flaw{"is " + kindOf(n) + ", not text", "quote it: " + quote(n.value)})
		return ""
	case n.value == "":
		p.spoil(n, flaw{"is empty", "give it a value or remove it"})
	}
	return n.value
}

// boolean reads true or false; false when there is none.
func (p *parser) boolean(n *node) bool {
	if n == nil || !p.expect(n, yaml.ScalarNode, "true or false") {
		return false
	}
	if n.tag != "!!bool" {
		p.spoil(n, flaw{"is " + kindOf(n) + ", not true or false", ""})
		return false
	}
	return strings.EqualFold(n.value, "true")
}

// choice reads one of a few words.
func choice[T ~string](p *parser, n *node, otherwise T, words ...T) T {
	s := p.text(n)
	if s == "" {
		return otherwise
	}
	if slices.Contains(words, T(s)) {
		return T(s)
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	p.spoil(n, flaw{quote(s) + " is not known here", p.nearest(s, known)})
	return otherwise
}

// count reads a whole number between least and most.
func (p *parser) count(n *node, least, most, otherwise int) int {
	text, ok := p.number(n)
	if !ok {
		return otherwise
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		p.spoil(n, flaw{"is " + cut(text), fmt.Sprintf("it is a whole number from %d to %d", least, most)})
		return otherwise
	}
	return v
}

// number is the text of a plain decimal number. Other notations are refused: 010 is eight to some
// readers and ten to others.
func (p *parser) number(n *node) (string, bool) {
	if n == nil || !p.expect(n, yaml.ScalarNode, "a number") {
		return "", false
	}
	if n.plain && isDecimal(n.value) {
		return n.value, true
	}
	hint := "write a decimal number, such as 25"
	if !n.plain && isDecimal(n.value) {
		hint = "remove the quotes"
	}
	p.spoil(n, flaw{quote(n.value) + " is not a number", hint})
	return "", false
}

func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return false
	}
	return len(whole) == 1 || whole[0] != '0'
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// maxDuration is longer than anything here should wait.
const maxDuration = 24 * time.Hour

// duration reads "30s". Zero is allowed when least is zero.
func (p *parser) duration(n *node, least, otherwise time.Duration) time.Duration {
	return p.between(n, least, maxDuration, otherwise)
}

// between reads a duration with its own upper bound.
func (p *parser) between(n *node, least, most, otherwise time.Duration) time.Duration {
	if n == nil || !p.expect(n, yaml.ScalarNode, "a duration") {
		return otherwise
	}
	d, err := time.ParseDuration(n.value)
	switch {
	case n.plain && isDecimal(n.value):
		p.spoil(n, flaw{cut(n.value) + " has no unit", "write " + cut(n.value) + "s for seconds"})
	case err != nil:
		p.spoil(n, flaw{quote(n.value) + " is not a duration", "write it like 500ms, 30s or 5m"})
	case d < 0:
		p.spoil(n, flaw{n.value + " is negative", "write a duration such as 30s"})
	case d < least:
		p.spoil(n, flaw{n.value + " is too short", "at least " + brief(least)})
	case d > most:
		p.spoil(n, flaw{n.value + " is too long", "at most " + brief(most)})
	default:
		return d
	}
	return otherwise
}

// brief is a duration as people write it: 24h rather than 24h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// bounds are the numbers a key accepts.
type bounds struct {
	least, most float64
	open        bool // least itself is too little
}

func (b bounds) has(f float64) bool { return f <= b.most && (f > b.least || f == b.least && !b.open) }

func (b bounds) String() string {
	if b.open {
		return fmt.Sprintf("above %v and at most %v", b.least, b.most)
	}
	return fmt.Sprintf("from %v to %v", b.least, b.most)
}

// decimal reads a number within bounds.
func (p *parser) decimal(n *node, b bounds, otherwise float64) float64 {
	return p.scaled(n, b, "", "a number ", otherwise)
}

// fraction reads percent within bounds: 0.2 is 0.002.
func (p *parser) fraction(n *node, b bounds, otherwise float64) float64 {
	return p.scaled(n, b, "e-2", "percent, ", otherwise)
}

// scaled moves the decimal point in the text, since dividing would round twice.
func (p *parser) scaled(n *node, b bounds, exponent, what string, otherwise float64) float64 {
	text, ok := p.number(n)
	if !ok {
		return otherwise
	}
	written, err := strconv.ParseFloat(text, 64)
	value, errScaled := strconv.ParseFloat(text+exponent, 64) // the tiniest become 0
	switch {
	case err != nil || errScaled != nil || !b.has(written) || b.open && value <= b.least:
		p.spoil(n, flaw{"is " + cut(text), "it is " + what + b.String()})
		return otherwise
	case written == 0:
		return 0 // not -0
	}
	return value
}

// blank makes a key without a value an empty mapping, where that says: with every default.
func blank(n *node) *node {
	if n != nil && n.kind == yaml.ScalarNode && n.tag == "!!null" {
		n.kind, n.tag = yaml.MappingNode, "!!map"
	}
	return n
}

// expect reports a node of another kind, or one without a value.
func (p *parser) expect(n *node, kind yaml.Kind, want string) bool {
	switch {
	case n.bad:
		return false
	case n.kind == yaml.ScalarNode && n.tag == "!!null":
		p.spoil(n, flaw{"has no value", "give it " + want + " or remove it"})
		return false
	case n.kind != kind:
		f := flaw{"is " + kindOf(n) + ", not " + want, ""}
		if kind == yaml.SequenceNode && n.kind == yaml.ScalarNode {
			f.hint = "write [" + cut(n.value) + "]"
		}
		p.spoil(n, f)
		return false
	}
	return true
}

func kindOf(n *node) string {
	switch {
	case n.kind == yaml.MappingNode:
		return "a mapping"
	case n.kind == yaml.SequenceNode:
		return "a list"
	case n.tag == "!!int" || n.tag == "!!float":
		return "a number"
	case n.tag == "!!bool":
		return "a boolean"
	case n.tag == "!!null":
		return "null"
	}
	return "text"
}

// cut shows a plain scalar as it stands, unless that could mislead.
func cut(s string) string {
	if q := quote(s); len(q) != len(s)+2 {
		return q
	}
	return s
}
