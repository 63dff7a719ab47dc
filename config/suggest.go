package config

import (
	"slices"
	"strconv"
	"strings"
)

// Suggesting looks at no more names than this and at no longer words: a hint must not cost more than
// the file it is about.
const (
	maxSuggestNames = 100 // and the roles
	maxSuggestBytes = 64
	maxListedNames  = 20
)

// nearest is the hint for a word that is not among the known ones.
func (p *parser) nearest(word string, known []string) string {
	if p.full() {
		return ""
	}
	if s := suggest(word, known); s != "" {
		return "did you mean " + strconv.Quote(s) + "?"
	}
	return "it can be " + oneOf(known)
}

// suggest is the known word nearest to word, "" when none is near.
func suggest(word string, known []string) string {
	if len(word) > maxSuggestBytes {
		return ""
	}
	best, least := "", 1+max(1, min(3, len(word)/3))
	for _, k := range known[:min(len(known), maxSuggestNames+4)] {
		if len(k)-len(word) >= least || len(word)-len(k) >= least {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// oneOf lists words for people: "a, b or c".
func oneOf(words []string) string {
	words = words[:min(len(words), maxListedNames)]
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b
// (optimal string alignment), in bytes.
func distance(a, b string) int {
	var before, above, row []int
	for j := range len(b) + 1 {
		above = append(above, j)
	}
	for i := range len(a) {
		row = append(make([]int, 0, len(above)), i+1)
		for j := range len(b) {
			d := min(above[j+1]+1, row[j]+1, above[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			row = append(row, d)
		}
		before, above = above, row
	}
	return above[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

// quote shows a value of the file in a message: escaped, so that it cannot forge a line, and cut.
func quote(s string) string {
	const longest = 80
	if r := []rune(s[:min(len(s), 4*longest)]); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return strconv.Quote(s)
}

// later are keys that other versions of the program read. Naming them tells a user of a newer page from
// one with a typing error.
var later = []string{
	"acme", "capture", "dns", "eject", "etcd", "fast",
	"limits", "mirror", "preset", "presets",
	"redirect_to", "retries", "slow_start", "tracing",
}

func (p *parser) unknownKey(key string, known []string) flaw {
	if slices.Contains(later, key) {
		return flaw{"unknown key", "this version does not support it"}
	}
	return flaw{"unknown key", p.nearest(key, known)}
}
