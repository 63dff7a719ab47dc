package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The bounds of a file once aliases are followed and defaults are inherited. They leave room for
// thousands of services and stop files that grow by naming themselves.
const (
	maxNodes = 200_000
	maxDepth = 32
)

// node is a value of the file with aliases followed. Every node is reached on one path.
type node struct {
	kind         yaml.Kind // MappingNode, SequenceNode or ScalarNode
	tag, value   string    // of a scalar: short tag and text as written
	plain        bool      // a scalar without quotes
	line, column int
	parent       *node
	segment      string  // key or "[2]" in the parent
	fields       []field // of a mapping, in file order, no key twice
	items        []*node // of a sequence
	bad          bool    // reported already; says nothing more
}

type field struct{ key, value *node }

// child is the value of a key, nil when n is nil, no mapping or without that key.
func (n *node) child(key string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.key.value == key {
			return f.value
		}
	}
	return nil
}

// size counts the nodes below and with n.
func (n *node) size() int {
	size := 1
	for _, f := range n.fields {
		size += 1 + f.value.size()
	}
	for _, item := range n.items {
		size += item.size()
	}
	return size
}

// path is where n stands: "services.shop.pools.blue[0]". It is put together only for a report, since
// keys can be long and many.
func (n *node) path() string {
	if n.parent == nil {
		return n.segment
	}
	segment, before := n.segment, n.parent.path()
	if strings.HasPrefix(segment, "[") {
		return before + segment
	}
	if nameFlaw(segment) != nil {
		segment = quote(segment)
	}
	if before == "" {
		return segment
	}
	return before + "." + segment
}

// expand turns a node of the library into one of ours and reports what no file may contain: tags,
// merge keys, duplicate keys, bare yes and no. After a bound is passed it returns nil for good.
func (p *parser) expand(y *yaml.Node, parent *node, segment string, depth int) *node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	n := &node{
		kind: y.Kind, tag: y.ShortTag(), value: y.Value, line: y.Line, column: y.Column,
		plain:  y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0,
		parent: parent, segment: segment,
	}
	if !p.withinBounds(n, depth) {
		return nil
	}
	switch {
	case y.Kind == yaml.MappingNode:
		p.expandMapping(y, n, depth)
	case y.Kind == yaml.SequenceNode:
		for i, item := range y.Content {
			n.items = append(n.items, p.expand(item, n, "["+strconv.Itoa(i)+"]", depth+1))
		}
	case n.plain && bareWord(y.Value):
		p.spoil(n, flaw{"is a bare " + y.Value + ", which YAML versions read differently", bareHint(y.Value)})
	}
	if y.Style&yaml.TaggedStyle != 0 {
		p.spoil(n, flaw{"has the tag " + quote(y.Tag), "remove the tag; quote what is text"})
	}
	return n
}

func (p *parser) withinBounds(n *node, depth int) bool {
	p.nodes++
	switch {
	case p.stopped:
	case depth > maxDepth:
		p.stop(n, fmt.Sprintf("the file is nested deeper than %d levels", maxDepth))
	case p.nodes > maxNodes:
		p.stop(n, fmt.Sprintf("the file has more than %d values once aliases are followed", maxNodes))
	}
	return !p.stopped
}

func (p *parser) stop(n *node, msg string) {
	p.add(Problem{Line: n.line, Column: n.column, Msg: msg, Hint: "look for aliases that multiply or contain themselves"})
	p.stopped = true
}

func (p *parser) expandMapping(y *yaml.Node, n *node, depth int) {
	first := map[string]int{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := p.expandKey(y.Content[i], n, depth)
		if key == nil {
			continue
		}
		value := p.expand(y.Content[i+1], n, key.value, depth+1)
		if value == nil {
			return
		}
		if line, twice := first[key.value]; twice {
			p.report(key, flaw{fmt.Sprintf("the key is given twice, first in line %d", line), "remove one"})
			continue
		}
		first[key.value] = key.line
		if value.kind != yaml.ScalarNode && y.Content[i+1].Style&yaml.FlowStyle == 0 || value.tag == "!!null" {
			// A block begins at its first entry and nothing at the next token; what is wrong with the
			// whole of it belongs to its key.
			value.line, value.column = key.line, key.column
		}
		n.fields = append(n.fields, field{key, value})
	}
}

// expandKey is nil when the key cannot be one.
func (p *parser) expandKey(y *yaml.Node, parent *node, depth int) *node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind != yaml.ScalarNode {
		at := &node{line: y.Line, column: y.Column, parent: parent, segment: "?"}
		p.report(at, flaw{"a key must be text", ""})
		return nil
	}
	key := p.expand(y, parent, y.Value, depth+1)
	switch {
	case key == nil:
	case key.tag == "!!merge":
		p.report(key, flaw{"merge keys are not supported", "use defaults, or write the keys out"})
	case key.tag == "!!null":
		p.report(key, flaw{"a key is missing", "quote it if it is meant"})
	default:
		return key
	}
	return nil
}

// bareWord reports words that are booleans in YAML 1.1 and text in YAML 1.2.
func bareWord(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off":
		return true
	}
	return false
}

func bareHint(word string) string {
	boolean := "false"
	if w := strings.ToLower(word); w == "yes" || w == "on" {
		boolean = "true"
	}
	return fmt.Sprintf("write %s, or quote it: %q", boolean, word)
}
