package config

import (
	"fmt"
	"slices"
	"strings"
)

// MaxLooks bounds the conditions one answer of a flag looks at, those of the flags it asks included.
// Without it a few layers of flags that ask many others would take minutes to answer.
const MaxLooks = 10_000

// Tangle is why the conditions of a flag about other flags cannot be asked.
type Tangle struct {
	Why     string // behind the flag's name: "depends on itself: a → b → a"
	Follows bool   // the fault is in a flag it asks
}

// Tangles finds the flags whose conditions about other flags cannot be asked, by name: they lead to a
// circle, or an answer could look at more than MaxLooks conditions. A circle is named at the first of its
// flags in the list. Flags that are not in the list are passed over. It takes time in proportion to the
// conditions.
func Tangles(flags []*Flag) map[string]Tangle {
	w := walk{byName: map[string]*Flag{}, looks: map[string]int{}, found: map[string]Tangle{}}
	for _, f := range flags {
		w.byName[f.Name] = f
	}
	for _, f := range flags {
		w.follow(f)
	}
	return w.found
}

// walk follows what flags ask, each flag once.
type walk struct {
	byName map[string]*Flag
	looks  map[string]int // conditions an answer looks at, at most
	found  map[string]Tangle
	way    []string // from where the walk began to here
}

// The flags that are not done, or never will be.
const (
	onTheWay = -1
	endless  = -2
)

// follow returns how many conditions an answer of f looks at, or endless.
func (w *walk) follow(f *Flag) int {
	if n, known := w.looks[f.Name]; known {
		return n
	}
	w.looks[f.Name] = onTheWay
	w.way = append(w.way, f.Name)
	own, asked := 0, 0
	f.eachCondition(func(c *Condition) {
		own++
		if other := w.byName[c.Flag]; other != nil && asked != endless {
			asked = w.ask(f, other, asked)
		}
	})
	w.way = w.way[:len(w.way)-1]
	switch {
	case asked == endless:
		own = endless
	case own+asked > MaxLooks:
		w.found[f.Name] = Tangle{Why: fmt.Sprintf("can look at %d conditions for one answer, those of the flags it asks included; at most %d", own+asked, MaxLooks)}
	default:
		own += asked
	}
	w.looks[f.Name] = own
	return own
}

// ask adds what one condition of f about another flag takes.
func (w *walk) ask(f, other *Flag, asked int) int {
	n := w.follow(other)
	if n >= 0 {
		return asked + n
	}
	if n == onTheWay {
		circle := append(slices.Clone(w.way[slices.Index(w.way, other.Name):]), other.Name)
		w.note(other, Tangle{Why: "depends on itself: " + arrows(circle)})
	}
	w.note(f, Tangle{Why: "asks flag " + other.Name + ", which depends on itself", Follows: true})
	return endless
}

// note keeps the first thing that is wrong with a flag.
func (w *walk) note(f *Flag, t Tangle) {
	if _, known := w.found[f.Name]; !known {
		w.found[f.Name] = t
	}
}

// arrows shows a way, and of a long one its beginning.
func arrows(way []string) string {
	const most = 10
	if len(way) > most {
		way = append(slices.Clone(way[:most]), "…")
	}
	return strings.Join(way, " → ")
}

// eachCondition calls look for every condition of the targeting, outer ones before inner ones.
func (f *Flag) eachCondition(look func(c *Condition)) {
	var each func(list []Condition)
	each = func(list []Condition) {
		for i := range list {
			look(&list[i])
			each(list[i].All)
			each(list[i].Any)
		}
	}
	for i := range f.Targeting {
		each([]Condition{f.Targeting[i].When})
	}
}

// References are the flags that the targeting of f asks, each once, in the order in which they are met.
func (f *Flag) References() []string {
	var names []string
	met := map[string]bool{"": true}
	f.eachCondition(func(c *Condition) {
		if !met[c.Flag] {
			met[c.Flag] = true
			names = append(names, c.Flag)
		}
	})
	return names
}

// checkReferences looks for the flags that flags ask, and for those that ask too much.
func (p *parser) checkReferences(all []Flag, n *node) {
	list := make([]*Flag, len(all))
	for i := range all {
		list[i] = &all[i]
		p.flagNames = append(p.flagNames, all[i].Name)
		p.keyed[all[i].Name] = all[i].Strategy == ByPercentage || all[i].Strategy == ForUsers
	}
	for _, at := range p.asked {
		p.checkFlag(at, at.value)
	}
	tangles := Tangles(list)
	for i := range all {
		if t, found := tangles[all[i].Name]; found && !t.Follows {
			p.report(n.child(all[i].Name).child("targeting"), flaw{t.Why, "remove one of these conditions"})
		}
	}
}
