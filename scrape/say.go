package scrape

import (
	"math"
	"strings"
	"unicode"
)

// nan is a value that could not be had.
var nan = math.NaN()

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// mostSaid bounds what is told of one look.
const mostSaid = 300

// printable is a text from outside, fit for a log and a terminal, and not too long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "�"))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > mostSaid {
		s = string(r[:mostSaid]) + "…"
	}
	return s
}
