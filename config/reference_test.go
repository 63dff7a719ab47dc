package config

import (
	"fmt"
	"strings"
	"testing"
)

// tables are the parts of docs/config.md, by the shapes that have a name.
var tables = []struct{ ref, title string }{
	{"", "The file"},
	{"listener", "A listener"},
	{"service", "A service, and the defaults"},
	{"rollout", "A rollout"},
	{"checks", "Checks"},
	{"flag", "A flag"},
	{"condition", "A condition of a flag's targeting"},
}

// TestReference keeps the tables of docs/config.md.
func TestReference(t *testing.T) {
	const file, begin, end = "../docs/config.md", "<!-- keys: written by go test ./config -update -->\n", "<!-- end of keys -->"
	have := string(readFile(t, file))
	before, rest, ok := strings.Cut(have, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s … %s", file, begin, end)
	}
	golden(t, file, before+begin+reference()+end+after)
}

func reference() string {
	shapes := map[string]shape{}
	var collect func(s shape)
	collect = func(s shape) {
		if _, known := shapes[s.ref]; s.ref != "" && known {
			return
		}
		if _, known := shapes[s.ref]; !known {
			shapes[s.ref] = s
		}
		for _, f := range s.forms {
			collect(f)
		}
		if s.each != nil {
			collect(*s.each)
		}
		if s.keys != nil {
			for _, k := range s.keys() {
				collect(k.value)
			}
		}
	}
	collect(fileShape())
	var b strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&b, "\n### %s\n\n| key | value | default | |\n|---|---|---|---|\n", table.title)
		s := shapes[table.ref]
		rows(&b, s, "")
		if s.each == nil {
			continue
		}
		for _, f := range s.each.forms {
			rows(&b, f, "NAME.")
		}
	}
	return b.String() + "\n"
}

// rows are the keys of a mapping, and those inside it that have no table of their own.
func rows(b *strings.Builder, s shape, path string) {
	for _, k := range s.keys() {
		at, value := path+k.name, k.value
		otherwise := ""
		if k.otherwise != "" {
			otherwise = "`" + k.otherwise + "`"
		}
		if k.needed {
			otherwise = "needed"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", at, inWords(value), otherwise, strings.ReplaceAll(k.about, "|", `\|`))
		inner(b, value, at)
	}
}

func inner(b *strings.Builder, s shape, path string) {
	switch {
	case hasTable(s):
		return
	case s.kind == listKind:
		inner(b, *s.each, path+"[]")
	case s.kind == formsKind:
		for _, f := range s.forms {
			inner(b, f, path)
		}
	case s.kind == mappingKind:
		if s.keys != nil {
			rows(b, s, path+".")
		}
		if s.each != nil {
			inner(b, *s.each, path+"."+s.choosable)
		}
	}
}

func hasTable(s shape) bool {
	for _, table := range tables {
		if s.ref != "" && table.ref == s.ref {
			return true
		}
	}
	return s.ref == "flag_rollout" || s.ref == "flag_checks"
}

// inWords says what a value may be.
func inWords(s shape) string {
	switch {
	case s.ref == "flag_rollout":
		return "rollout"
	case s.ref == "flag_checks":
		return "checks"
	case hasTable(s):
		return s.ref
	}
	switch s.kind {
	case textKind:
		return "text"
	case booleanKind:
		return "true or false"
	case durationKind:
		return "duration, " + s.span()
	case wholeKind:
		return "whole number, " + s.span()
	case numberKind:
		return "number, " + s.span()
	case choiceKind:
		return "`" + strings.Join(s.words, "`, `") + "`"
	case listKind:
		return "list of " + strings.ReplaceAll(inWords(*s.each), ", or ", " or ") + counted(s)
	case mappingKind:
		if s.each != nil && s.keys == nil {
			return "by " + s.choosable + ": " + inWords(*s.each) + counted(s)
		}
		return "mapping"
	case formsKind:
		var all []string
		for _, f := range s.forms {
			all = append(all, inWords(f))
		}
		return strings.Join(all, ", or ")
	case anyKind:
	}
	return "value"
}

func counted(s shape) string {
	if s.limits.most == 0 {
		return ""
	}
	return fmt.Sprintf("; at most %v", s.limits.most)
}
