package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Edits are what Patch writes into a file.
type Edits struct {
	Weights map[string]Weights      // by service
	Flags   map[string]FlagStrategy // by flag
}

// FlagStrategy is the part of a flag that is a word and a number. Value counts with ByPercentage only.
type FlagStrategy struct {
	Strategy Strategy
	Value    Weight
}

// ErrByHand is wrapped by the errors of Patch that a person can do something about.
var ErrByHand = errors.New("cannot be written in place; edit it by hand")

// Patch returns the bytes of a file with other weights and strategies. Everything else stays byte for byte: comments,
// order, quotes, line ends. What it returns was parsed and means the same as before but for the edits; when it would
// not, as where an anchor is shared, it is an error that wraps ErrByHand. A file that is not valid is Problems.
func Patch(file string, data []byte, e Edits) ([]byte, error) {
	before, err := Parse(file, data)
	if err != nil {
		return nil, err
	}
	first, _, err := documents(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	p := patcher{data: data, lines: lineStarts(data)}
	for i := range before.Services {
		s := &before.Services[i]
		if w, ok := e.Weights[s.Name]; ok && !w.Equal(s.Weights) {
			p.weights(find(first.Content[0], "services", s.Name), s, w)
		}
	}
	for i := range before.Flags {
		f := &before.Flags[i]
		if to, ok := e.Flags[f.Name]; ok {
			p.flag(find(first.Content[0], "flags", f.Name), f, to)
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	out := p.apply()
	return out, confirm(file, out, before, e)
}

// confirm demands that what was written means what was asked for, and nothing else.
func confirm(file string, out []byte, before *Config, e Edits) error {
	after, err := Parse(file, out)
	if err != nil {
		return fmt.Errorf("%w: the file would not be valid any more: %w", ErrByHand, err)
	}
	want := *before
	want.Digest = after.Digest
	want.Services, want.Flags = slices.Clone(before.Services), slices.Clone(before.Flags)
	for i := range want.Services {
		s := &want.Services[i]
		if w, ok := e.Weights[s.Name]; ok {
			s.Weights = w
		}
		s.Weights = s.Weights.Clone() // zero and missing are the same
	}
	for i := range after.Services {
		after.Services[i].Weights = after.Services[i].Weights.Clone()
	}
	for i := range want.Flags {
		f := &want.Flags[i]
		to, ok := e.Flags[f.Name]
		if !ok {
			continue
		}
		f.Strategy, f.Value = to.Strategy, to.value()
		if f.Rollout != nil {
			want.Service(FlagService(f.Name)).Weights = Weights{VariantOff: Full - f.Value, VariantOn: f.Value}.Clone()
		}
	}
	if !reflect.DeepEqual(after, &want) {
		return fmt.Errorf("%w: other parts of the file share what would be changed", ErrByHand)
	}
	return nil
}

func (s FlagStrategy) value() Weight {
	if s.Strategy != ByPercentage {
		return 0
	}
	return s.Value
}

// patcher collects what is put in place of what.
type patcher struct {
	data   []byte
	lines  []int // where each line begins
	splice []splice
	err    error // the first one
}

// splice puts text in place of the bytes from at to end.
type splice struct {
	at, end int
	text    string
}

func (p *patcher) put(at, end int, text string) {
	if at < 0 {
		p.fail("a value is not where it should be")
		return
	}
	p.splice = append(p.splice, splice{at, end, text})
}

func (p *patcher) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s", ErrByHand, fmt.Sprintf(format, args...))
	}
}

func (p *patcher) apply() []byte {
	slices.SortStableFunc(p.splice, func(a, b splice) int { return cmp.Compare(a.at, b.at) })
	var out []byte
	at := 0
	for _, s := range p.splice {
		out = append(append(out, p.data[at:max(at, s.at)]...), s.text...)
		at = s.end
	}
	return append(out, p.data[at:]...)
}

// weights writes the weights of a service: over the numbers that are there, and beside them for pools without one.
func (p *patcher) weights(service *yaml.Node, s *Service, w Weights) {
	at := find(service, "weights")
	if service == nil || service.Kind != yaml.MappingNode || at == nil || at.Kind != yaml.MappingNode {
		p.fail("the weights of %s do not stand in the service itself", s.Name)
		return
	}
	var missing []pair
	for _, pool := range s.Pools {
		number := percentText(w[pool.Name])
		switch value := find(at, pool.Name); {
		case value != nil && s.Weights[pool.Name] != w[pool.Name]:
			p.scalar(value, number)
		case value == nil && w[pool.Name] != 0:
			missing = append(missing, pair{pool.Name, number})
		}
	}
	p.add(at, missing)
}

// flag writes strategy and value. A value that goes with no percentage leaves with its key.
func (p *patcher) flag(at *yaml.Node, f *Flag, to FlagStrategy) {
	if at == nil || at.Kind != yaml.MappingNode {
		p.fail("flag %s does not stand in the file itself", f.Name)
		return
	}
	strategy, value := find(at, "strategy"), find(at, "value")
	if f.Strategy != to.Strategy {
		p.scalar(strategy, string(to.Strategy))
	}
	switch number := percentText(to.Value); {
	case to.Strategy != ByPercentage && value != nil:
		p.remove(at, "value")
	case to.Strategy == ByPercentage && value == nil:
		p.add(at, []pair{{"value", number}})
	case to.Strategy == ByPercentage && f.Value != to.Value:
		p.scalar(value, number)
	}
}

// scalar writes text over a scalar or an alias.
func (p *patcher) scalar(n *yaml.Node, text string) {
	at, end := p.extent(n)
	p.put(at, end, text)
}

type pair struct{ key, value string }

// add puts pairs behind the last one of a mapping, in the style of the mapping.
func (p *patcher) add(n *yaml.Node, pairs []pair) {
	if len(pairs) == 0 || p.err != nil {
		return
	}
	last := n.Content[len(n.Content)-1]
	if last.Kind != yaml.ScalarNode && last.Kind != yaml.AliasNode {
		p.fail("the mapping in line %d ends in another one", n.Line)
		return
	}
	_, end := p.extent(last)
	text := ""
	for _, x := range pairs {
		entry := plainKey(x.key) + ": " + x.value
		if n.Style&yaml.FlowStyle != 0 {
			text += ", " + entry
			continue
		}
		text += "\n" + p.indent(n.Content[0]) + entry
	}
	if n.Style&yaml.FlowStyle == 0 {
		end = p.lineEnd(end)
		if end > 0 && p.data[end-1] == '\r' {
			end--
		}
		text = p.ending(text)
	}
	p.put(end, end, text)
}

// remove takes a pair out of a mapping.
func (p *patcher) remove(n *yaml.Node, key string) {
	i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key })
	at, _ := p.extent(n.Content[i])
	_, end := p.extent(n.Content[i+1])
	switch {
	case at < 0 || end < 0:
	case n.Style&yaml.FlowStyle == 0 && len(n.Content) > 2 && p.alone(at, n.Content[i+1]):
		at, end = p.lines[n.Content[i].Line-1], p.lineEnd(end)
		if end < len(p.data) {
			end++ // the line end
		}
	case n.Style&yaml.FlowStyle != 0 && i > 0:
		_, at = p.extent(n.Content[i-1]) // with the comma in front
	case n.Style&yaml.FlowStyle != 0 && i+2 < len(n.Content):
		end, _ = p.extent(n.Content[i+2]) // with the comma behind
	default:
		at = -1
	}
	if at < 0 || end < 0 {
		p.fail("%s cannot be removed from the mapping in line %d", key, n.Line)
		return
	}
	p.put(at, end, "")
}

// plainKey is a key as it has to be written to be text.
func plainKey(key string) string {
	var n yaml.Node
	if yaml.Unmarshal([]byte(key), &n) == nil && len(n.Content) == 1 && n.Content[0].ShortTag() == "!!str" && n.Content[0].Value == key && !bareWord(key) {
		return key
	}
	return strconv.Quote(key)
}

// find goes down mappings by their keys, following aliases on the way; nil when one is not there.
func find(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		for n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Value == key || k.Kind == yaml.AliasNode && k.Alias.Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}
