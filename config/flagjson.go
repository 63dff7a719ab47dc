package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gopkg.in/yaml.v3"
)

// ParseFlag reads a flag that somebody defines at run time: a JSON object with the keys of the file, but
// for rollout. The rules are the file's, except that flags it refers to are not looked for. The error is
// Problems without places in a file, or says that it is not an object.
func ParseFlag(name string, definition []byte) (*Flag, error) {
	p := &parser{told: map[place]bool{}}
	if f := nameFlaw(name); f != nil {
		return nil, fmt.Errorf("%s; %s", f.msg, f.hint)
	}
	d := json.NewDecoder(bytes.NewReader(definition))
	d.UseNumber()
	n, err := p.fromJSON(d, nil, "", 0)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	if err != nil {
		return nil, fmt.Errorf("the definition is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the definition")
	}
	if n.kind != yaml.MappingNode {
		return nil, fmt.Errorf("the definition is %s, not an object", kindOf(n))
	}
	for _, field := range n.fields {
		if field.key.value == "rollout" {
			p.spoil(field.key, flaw{"unknown key", "the file alone can say it"})
		}
	}
	f := p.flag(name, p.object(n, flagKeys...))
	if len(p.problems) > 0 {
		return nil, p.all()
	}
	return &f, nil
}

var errDeep = errors.New("it is nested too deep")

// fromJSON reads the next value as if it stood in a file. A key that is there twice is reported.
func (p *parser) fromJSON(d *json.Decoder, parent *node, segment string, depth int) (*node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errDeep
	}
	n := &node{kind: yaml.ScalarNode, parent: parent, segment: segment, plain: true}
	switch t := token.(type) {
	case json.Delim:
		return n, p.fromObject(d, n, t, depth)
	case string:
		n.tag, n.value, n.plain = "!!str", t, false
	case json.Number:
		n.tag, n.value = "!!float", t.String()
	case bool:
		n.tag, n.value = "!!bool", strconv.FormatBool(t)
	default:
		n.tag = "!!null"
	}
	return n, nil
}

func (p *parser) fromObject(d *json.Decoder, n *node, open json.Delim, depth int) error {
	n.kind = yaml.SequenceNode
	if open == '{' {
		n.kind = yaml.MappingNode
	}
	seen := map[string]bool{}
	for d.More() {
		segment := "[" + strconv.Itoa(len(n.items)) + "]"
		if n.kind == yaml.MappingNode {
			key, err := d.Token()
			if err != nil {
				return err
			}
			segment, _ = key.(string)
		}
		value, err := p.fromJSON(d, n, segment, depth+1)
		if err != nil {
			return err
		}
		if n.kind == yaml.SequenceNode {
			n.items = append(n.items, value)
			continue
		}
		key := &node{kind: yaml.ScalarNode, tag: "!!str", value: segment, parent: n, segment: segment}
		if seen[segment] {
			p.report(key, flaw{"the key is given twice", "remove one"})
			continue
		}
		seen[segment] = true
		n.fields = append(n.fields, field{key, value})
	}
	_, err := d.Token() // the closing one
	return err
}
