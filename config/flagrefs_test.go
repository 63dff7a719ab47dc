package config

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// asking is a flag that asks others, each by one condition.
func asking(name string, others ...string) *Flag {
	f := &Flag{Name: name, Strategy: ForUsers}
	for _, other := range others {
		f.Targeting = append(f.Targeting, FlagRule{When: Condition{Any: []Condition{{Flag: other}}}})
	}
	return f
}

func TestTangles(t *testing.T) {
	flags := []*Flag{
		asking("a", "b", "gone"), asking("b", "c"), asking("c", "d", "a"), asking("d"),
		asking("outside", "d", "a"), asking("far", "outside"), asking("alone", "alone"),
		asking("fine", "d", "d"), asking("finer", "fine", "fine", "fine"),
	}
	want := []string{"a", "alone", "b", "c", "far", "outside"}
	for range len(flags) { // whichever comes first
		flags = append(flags[1:], flags[0])
		var names, circles []string
		for name, tangle := range Tangles(flags) {
			names = append(names, name)
			if !tangle.Follows {
				circles = append(circles, tangle.Why)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("from %s on: got %v, want %v", flags[0].Name, names, want)
		}
		if len(circles) != 2 || !slices.Contains(circles, "depends on itself: alone → alone") {
			t.Errorf("from %s on: circles %q, want that of alone and one of a, b and c", flags[0].Name, circles)
		}
	}
}

// Three layers of a hundred conditions are a million, and one answer must not look at them all.
func TestTanglesBoundWhatAnAnswerTakes(t *testing.T) {
	layer := func(name, below string) *Flag { return asking(name, slices.Repeat([]string{below}, 50)...) }
	flags := []*Flag{layer("top", "middle"), layer("middle", "bottom"), layer("bottom", "leaf"), asking("leaf")}
	found := Tangles(flags)
	// bottom looks at 100 of its own, middle at 100 and 50 times bottom, top at 50 times that.
	want := "can look at 255100 conditions for one answer, those of the flags it asks included; at most 10000"
	if len(found) != 1 || found["top"].Why != want || found["top"].Follows {
		t.Errorf("got %+v, want top alone: %s", found, want)
	}
}

// A thousand flags that ask five hundred others each are compiled at every change.
func TestTanglesTakeTimeInProportion(t *testing.T) {
	var names []string
	for i := range MaxFlags {
		names = append(names, fmt.Sprint("flag-", i))
	}
	var flags []*Flag
	for i, name := range names {
		flags = append(flags, asking(name, append(names[i/2:i/2+250:i/2+250], names[:1]...)...))
	}
	began := time.Now()
	found := Tangles(flags)
	if len(found) != MaxFlags {
		t.Errorf("%d of %d flags are tangled", len(found), MaxFlags)
	}
	t.Logf("%d flags in %v", MaxFlags, time.Since(began))
	for name, tangle := range found {
		if len(tangle.Why) > 500 {
			t.Fatalf("%s: %d bytes: %.80s…", name, len(tangle.Why), tangle.Why)
		}
	}
}
