package admin

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// shapes writes Go types as schemas; what they say of themselves is in their comments.
type shapes struct {
	components members
	types      map[string]reflect.Type // by the name in the document
	about      map[string]string       // by type, and by type.field
}

func newShapes(t *testing.T) *shapes {
	t.Helper()
	s := &shapes{components: members{}, types: map[string]reflect.Type{}, about: map[string]string{}}
	files, err := filepath.Glob("api/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "operations_test.go") {
		if strings.HasSuffix(file, "_test.go") && file != "operations_test.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		s.read(f)
	}
	return s
}

// read notes the comments of the types of a file.
func (s *shapes) read(f *ast.File) {
	for _, d := range f.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			doc := typ.Doc.Text()
			if len(group.Specs) == 1 {
				doc = group.Doc.Text()
			}
			s.about[typ.Name.Name] = oneLine(doc)
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					s.about[typ.Name.Name+"."+name.Name] = oneLine(field.Doc.Text() + field.Comment.Text())
				}
			}
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// documented are types under which the document shows others than their own name.
var documented = map[string]string{"definition": "FlagDefinition", "ofrepAsk": "OFREPRequest", "ofrepAnswer": "OFREPAnswer", "ofrepAnswers": "OFREPAnswers"}

func documentName(t reflect.Type) string {
	if name, ok := documented[t.Name()]; ok {
		return name
	}
	return t.Name()
}

// request is the schema of a body: it has what it needs and nothing that is unknown.
func (s *shapes) request(sample any, needs []string) members {
	ref := s.schema(sample)
	name := documentName(reflect.TypeOf(sample))
	c := s.components[name].(members)
	c["additionalProperties"] = false
	delete(c, "required")
	if len(needs) > 0 && name != "FlagDefinition" { // which may also be a part of one
		c["required"] = needs
	}
	for _, p := range c["properties"].(members) {
		if types, ok := p.(members)["type"].([]any); ok { // nothing is null in a request
			p.(members)["type"] = types[0]
		}
	}
	return ref
}

func (s *shapes) schema(sample any) members { return s.typed(reflect.TypeOf(sample)) }

func (s *shapes) typed(t reflect.Type) members {
	switch t {
	case reflect.TypeFor[time.Time]():
		return members{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return members{}
	}
	switch t.Kind() { //nolint:exhaustive // what no shape has panics
	case reflect.Bool:
		return members{"type": "boolean"}
	case reflect.String:
		return members{"type": "string"}
	case reflect.Int, reflect.Int64, reflect.Uint32:
		return members{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return members{"type": "number"}
	case reflect.Slice:
		return members{"type": "array", "items": s.typed(t.Elem())}
	case reflect.Map:
		return members{"type": "object", "additionalProperties": s.typed(t.Elem())}
	case reflect.Pointer:
		return s.typed(t.Elem())
	case reflect.Struct:
		return s.component(t)
	case reflect.Interface:
		return members{}
	}
	panic("no schema for " + t.String())
}

// component writes a struct once and refers to it.
func (s *shapes) component(t reflect.Type) members {
	name := documentName(t)
	if _, known := s.components[name]; !known {
		properties, required := members{}, []string{}
		c := members{"type": "object"}
		s.components[name], s.types[name] = c, t // before its fields, which may refer to it
		s.fields(t, properties, &required)
		c["properties"] = properties
		if about := s.about[t.Name()]; about != "" {
			c["description"] = about
		}
		if len(required) > 0 {
			c["required"] = required
		}
	}
	return members{"$ref": "#/components/schemas/" + name}
}

// fields adds those of a struct, and of the structs embedded in it.
func (s *shapes) fields(t reflect.Type, properties members, required *[]string) {
	for f := range t.Fields() {
		if f.Anonymous {
			s.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		optional := slices.Contains(strings.Split(options, ","), "omitempty")
		p := s.typed(f.Type)
		if !optional {
			*required = append(*required, name)
			p = orNull(p, f.Type)
		}
		if about := s.about[t.Name()+"."+f.Name]; about != "" {
			p["description"] = about
		}
		properties[name] = p
	}
}

// orNull adds null where Go has nil.
func orNull(p members, t reflect.Type) members {
	if k := t.Kind(); k != reflect.Pointer && k != reflect.Map && k != reflect.Slice {
		return p
	}
	if p["$ref"] != nil {
		return members{"anyOf": []any{p, members{"type": "null"}}}
	}
	if typ, ok := p["type"]; ok {
		p["type"] = []any{typ, "null"}
	}
	return p
}
