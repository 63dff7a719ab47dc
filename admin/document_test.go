package admin

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestAPIDocument keeps the tables of docs/api.md.
func TestAPIDocument(t *testing.T) {
	const file, begin, end = "../docs/api.md", "<!-- api: written by go test ./admin -update -->\n", "<!-- end of api -->"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no %s … %s", file, begin, end)
	}
	golden(t, file, before+begin+tables(t)+"\n"+end+after)
}

// tables has the operations by their tags, then the shapes.
func tables(t *testing.T) string {
	t.Helper()
	s := newShapes(t)
	var b strings.Builder
	for _, tag := range tags {
		fmt.Fprintf(&b, "\n## Routes: %s\n\n| method and path | body | answer | |\n|---|---|---|---|\n", tag)
		for _, o := range operations {
			if o.tag == tag {
				fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s |\n", o.method, o.path+o.queries(), o.bodyText(s), o.answerText(s), o.summary)
			}
		}
	}
	b.WriteString("\n## Shapes\n\nWhat can be left out is marked with a `?`.\n")
	s.schema(api.Error{})
	for _, name := range slices.Sorted(maps.Keys(s.components)) {
		s.row(&b, name)
	}
	return b.String()
}

func (o *operation) queries() string {
	var names []string
	for _, q := range o.query {
		names = append(names, q.name+"=")
	}
	if names == nil {
		return ""
	}
	return "?" + strings.Join(names, "&")
}

func (o *operation) bodyText(s *shapes) string {
	if o.body == nil {
		return o.text
	}
	s.request(o.body, o.needs)
	return reference(reflect.TypeOf(o.body))
}

func (o *operation) answerText(s *shapes) string {
	var all []string
	if o.answer != nil {
		s.schema(o.answer)
		all = append(all, reference(reflect.TypeOf(o.answer)))
	}
	if o.media != "" {
		all = append(all, o.media)
	}
	return strings.Join(all, ", ")
}

// reference is a type in words, with a link to the shapes.
func reference(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return reference(t.Elem())
	case t.String() == "time.Time":
		return "time"
	case t.Kind() == reflect.Struct:
		name := documentName(t)
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case t.String() == "json.RawMessage" || t.Kind() == reflect.Interface:
		return "any"
	case t.Kind() == reflect.Slice:
		return "list of " + reference(t.Elem())
	case t.Kind() == reflect.Map:
		return "object of " + reference(t.Elem())
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "number"
}

// row is the section of a shape.
func (s *shapes) row(b *strings.Builder, name string) {
	t := s.types[name]
	required, _ := s.components[name].(members)["required"].([]string)
	fmt.Fprintf(b, "\n### %s\n\n", name)
	if about := s.about[t.Name()]; about != "" {
		b.WriteString(about + "\n\n")
	}
	b.WriteString("| field | type | |\n|---|---|---|\n")
	var fields func(t reflect.Type)
	fields = func(t reflect.Type) {
		for f := range t.Fields() {
			if f.Anonymous {
				fields(f.Type)
				continue
			}
			member, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if member == "-" {
				continue
			}
			if !slices.Contains(required, member) {
				member += "?"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", member, reference(f.Type), strings.ReplaceAll(s.about[t.Name()+"."+f.Name], "|", `\|`))
		}
	}
	fields(t)
}
