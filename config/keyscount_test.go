package config

import (
	"fmt"
	"slices"
	"testing"
)

// TestKeysCounts: as many entries as the tables allow are accepted, one more is refused.
func TestKeysCounts(t *testing.T) {
	tried := map[string]bool{}
	everyPlace(t, func(at spot) {
		most := int(at.shape.limits.most)
		list := at.shape.kind == listKind
		if most == 0 || !list && at.shape.kind != mappingKind || tried[at.path] {
			return
		}
		tried[at.path] = true
		if at.key != nil && at.key.name == "steps" || at.form && list {
			most-- // the step at 100 is added
			if complaint(t, at, entries(t, at, most)) || !complaint(t, at, entries(t, at, most+2)) {
				t.Errorf("%s: at most %d entries and 100 in the tables, not so for the readers", at.path, most)
			}
			return
		}
		if complaint(t, at, entries(t, at, most)) {
			t.Errorf("%s: %d entries are allowed in the tables, but refused", at.path, most)
		}
		if !complaint(t, at, entries(t, at, most+1)) {
			t.Errorf("%s: %d entries are too many in the tables, but not refused", at.path, most+1)
		}
	})
	if len(tried) < 12 {
		t.Errorf("only %d bounds were tried", len(tried))
	}
}

// complaint reports whether something is said of the whole rather than of an entry.
func complaint(t *testing.T, at spot, v any) bool {
	t.Helper()
	return slices.ContainsFunc(judged(t, at.put(v)), func(p Problem) bool { return generic(p.Path) == at.path })
}

// entries is so many entries of a list or mapping.
func entries(t *testing.T, at spot, n int) any {
	t.Helper()
	each := *at.shape.each
	for len(each.forms) > 0 {
		each = each.forms[0]
	}
	entry := func(i int) any {
		switch {
		case each.kind == mappingKind:
			m := filled(t, each, at.path+".n")
			if len(m) == 0 {
				m["post"] = "https://a.example" // of announce, the only one that needs one of two
			}
			return m
		case each.kind == numberKind || each.kind == anyKind:
			return i%100 + 1
		case at.key != nil && at.key.name == "windows":
			return fmt.Sprintf("Mon 00:00-%02d:%02d UTC", 1+i/60, i%60)
		}
		return fmt.Sprint("user", i)
	}
	if at.shape.kind == listKind {
		list := make([]any, n)
		for i := range list {
			list[i] = entry(i)
		}
		return list
	}
	m := map[string]any{}
	for i := range n {
		m[fmt.Sprint("e", i)] = entry(i)
	}
	return m
}
