package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const schemaFile = "../switchback.schema.json"

// compiled is the schema as a validator reads it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("switchback.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("switchback.schema.json")
	if err != nil {
		t.Fatalf("the schema is not valid: %v", err)
	}
	return s
}

// asJSON is a file as an editor hands it to a validator; an error is for what is no JSON at all.
func asJSON(data []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(textKeys(v))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
}

// textKeys makes every key text, as it is in JSON.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = textKeys(v[k])
		}
	case map[any]any:
		m := map[string]any{}
		for k, value := range v {
			m[fmt.Sprint(k)] = textKeys(value)
		}
		return m
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	}
	return v
}

func TestSchemaFile(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, schemaFile, string(got))
}

// TestSchemaAccepts: an editor underlines nothing in a file that is right. Every example names the schema for
// its editor.
func TestSchemaAccepts(t *testing.T) {
	s := compiled(t)
	examples := files(t, "../examples/*/switchback.yaml")
	for _, file := range append(examples, files(t, "testdata/valid/*.yaml")...) {
		data := readFile(t, file)
		doc, err := asJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range examples {
		at, err := filepath.Rel(filepath.Dir(file), schemaFile)
		if err != nil {
			t.Fatal(err)
		}
		if want := "# yaml-language-server: $schema=" + filepath.ToSlash(at) + "\n"; !strings.HasPrefix(string(readFile(t, file)), want) {
			t.Errorf("%s does not begin with %q", file, want)
		}
	}
}

// TestSchemaRefuses: an editor underlines what is wrong, but for what no schema can tell.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	excused := map[string]string{}
	for reason, names := range beyondSchema {
		for _, name := range names {
			if excused[name] != "" {
				t.Errorf("%s is listed twice", name)
			}
			excused[name] = reason
		}
	}
	refused := 0
	for _, file := range files(t, "testdata/broken/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		reason := excused[name]
		delete(excused, name)
		doc, err := asJSON(readFile(t, file))
		if err == nil {
			err = s.Validate(doc)
		} else if reason != "" && reason != notJSON {
			t.Errorf("%s is excused for %q, but is no JSON at all: %v", name, reason, err)
			continue
		}
		switch {
		case reason == notJSON && err == nil:
			t.Errorf("%s is listed as no JSON, but is", name)
		case reason == notJSON:
		case reason == "" && err == nil:
			t.Errorf("%s passes the schema:\n%s", name, readFile(t, strings.TrimSuffix(file, ".yaml")+".golden"))
		case reason != "" && err != nil:
			t.Errorf("%s is excused for %q, but the schema refuses it: %v", name, reason, err)
		case err != nil:
			refused++
		}
	}
	for name := range excused {
		t.Errorf("%s is listed, but there is no such file", name)
	}
	t.Logf("the schema refuses %d of the broken files", refused)
}
