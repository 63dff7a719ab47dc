package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Schema is the JSON Schema (draft-07) of a file, indented, for editors. What is beyond a schema, such as
// sums and references, Parse alone can tell.
func Schema() ([]byte, error) {
	d := definitions{}
	root := append(shown{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"title", "switchback.yaml"},
		{"description", "What switchback routes and how it moves traffic. Durations are written like 30s, percentages from 0 to 100. switchback check finds what a schema cannot."},
	}, d.write(fileShape())...)
	slices.SortFunc(d.all, func(a, b shownField) int { return strings.Compare(a.key, b.key) })
	root = append(root, shownField{"definitions", d.all})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

// definitions are the shapes that have a name.
type definitions struct{ all shown }

// refer writes a shape, or where it is written.
func (d *definitions) refer(s shape) shown {
	if s.ref == "" {
		return d.write(s)
	}
	if !slices.ContainsFunc(d.all, func(p shownField) bool { return p.key == s.ref }) {
		at := len(d.all)
		d.all = append(d.all, shownField{s.ref, nil}) // first of all, since it may refer to itself
		d.all[at].value = d.write(s)
	}
	return shown{{"$ref", "#/definitions/" + s.ref}}
}

// write is the schema of a shape.
func (d *definitions) write(s shape) shown {
	if s.blank {
		s.blank = false
		return shown{{"anyOf", []any{d.write(s), shown{{"type", "null"}}}}}
	}
	var all shown
	switch s.kind {
	case anyKind:
		return s.more
	case textKind:
		all = textSchema(s)
	case booleanKind:
		all = shown{{"type", "boolean"}}
	case durationKind:
		all = shown{{"type", "string"}, {"pattern", durationPattern}}
		if s.least > 0 {
			all = append(all, shownField{"not", shown{{"pattern", noDuration}}})
		}
	case wholeKind:
		all = append(shown{{"type", "integer"}}, s.numberLimits()...)
	case numberKind:
		all = append(shown{{"type", "number"}}, s.numberLimits()...)
	case choiceKind:
		all = shown{{"enum", s.words}}
	case listKind:
		all = d.list(s)
	case mappingKind:
		all = d.mapping(s)
	case formsKind:
		var forms []any
		for _, f := range s.forms {
			forms = append(forms, d.refer(f))
		}
		all = shown{{"anyOf", forms}}
	}
	return append(all, s.more...)
}

func textSchema(s shape) shown {
	all := shown{{"type", "string"}, {"minLength", 1}}
	if s.limits.most > 0 {
		all = append(all, shownField{"maxLength", s.limits.most})
	}
	if s.pattern != "" {
		all = append(all, shownField{"pattern", s.pattern})
	}
	if s.not != "" {
		all = append(all, shownField{"not", shown{{"pattern", s.not}}})
	}
	return all
}

func (s shape) numberLimits() shown {
	least, most := "minimum", "maximum"
	if s.limits.open {
		least = "exclusiveMinimum"
	}
	if s.below {
		most = "exclusiveMaximum"
	}
	return shown{{least, s.limits.least}, {most, s.limits.most}}
}

func (d *definitions) list(s shape) shown {
	all := append(shown{{"type", "array"}, {"items", d.refer(*s.each)}}, s.countLimits("minItems", "maxItems")...)
	if s.unique {
		all = append(all, shownField{"uniqueItems", true})
	}
	return all
}

func (s shape) countLimits(least, most string) shown {
	var all shown
	if s.limits.least > 0 {
		all = append(all, shownField{least, s.limits.least})
	}
	if s.limits.most > 0 {
		all = append(all, shownField{most, s.limits.most})
	}
	return all
}

func (d *definitions) mapping(s shape) shown {
	all := append(shown{{"type", "object"}}, s.countLimits("minProperties", "maxProperties")...)
	if s.pattern != "" || s.not != "" {
		names := textSchema(shape{pattern: s.pattern, not: s.not})
		all = append(all, shownField{"propertyNames", names[1:]})
	}
	if s.keys != nil {
		properties, needed := shown{}, []string{}
		for _, k := range s.keys() {
			properties = append(properties, shownField{k.name, d.key(k)})
			if k.needed {
				needed = append(needed, k.name)
			}
		}
		all = append(all, shownField{"properties", properties})
		if len(needed) > 0 {
			all = append(all, shownField{"required", needed})
		}
	}
	if s.each == nil {
		return append(all, shownField{"additionalProperties", false})
	}
	return append(all, shownField{"additionalProperties", d.refer(*s.each)})
}

// key is the schema of a value with what is said of its key. Beside a reference nothing counts in
// draft-07, so it goes into a list of one.
func (d *definitions) key(k key) shown {
	about := k.about
	if r := k.value.span(); k.value.kind == durationKind && r != "" {
		about += " From " + r + "."
	}
	all := shown{{"description", about}}
	if k.otherwise != "" {
		all = append(all, shownField{"default", fromYAML(k.otherwise)})
	}
	if k.example != "" {
		all = append(all, shownField{"examples", []any{fromYAML(k.example)}})
	}
	if k.value.ref != "" {
		return append(all, shownField{"allOf", []any{d.refer(k.value)}})
	}
	return append(all, d.write(k.value)...)
}

// span is the bounds of a value in words.
func (s shape) span() string {
	switch s.kind {
	case durationKind:
		return brief(s.least) + " to " + brief(s.most)
	case wholeKind, numberKind:
		least, most := decimalText(s.limits.least), decimalText(s.limits.most)
		if s.limits.open {
			least = "above " + least
		}
		if s.below {
			most = "below " + most
		}
		return least + " to " + most
	case anyKind, textKind, booleanKind, choiceKind, listKind, mappingKind, formsKind:
	}
	return ""
}

// foldPattern matches these words however they are written.
func foldPattern(all ...string) string {
	var b strings.Builder
	b.WriteString("^(")
	for i, word := range all {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, r := range word {
			lower, upper := strings.ToLower(string(r)), strings.ToUpper(string(r))
			if lower == upper {
				b.WriteString(regexp.QuoteMeta(lower))
				continue
			}
			b.WriteString("[" + lower + upper + "]")
		}
	}
	b.WriteString(")$")
	return b.String()
}
