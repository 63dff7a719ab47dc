package main

import "strings"

// lineChange is some lines of a file that became others.
type lineChange struct {
	Line int      `json:"line"` // from 1, of the file before
	Was  []string `json:"was"`
	Is   []string `json:"is"`
}

// near is how far apart two texts may be where lines came or went.
const near = 64

// changedLines says which lines differ between two texts that are nearly the same.
func changedLines(before, after []byte) []lineChange {
	a, b := textLines(before), textLines(after)
	changes := []lineChange{}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		gone, come := resync(a[i:], b[j:])
		changes = append(changes, lineChange{Line: i + 1, Was: a[i : i+gone], Is: b[j : j+come]})
		i, j = i+gone, j+come
	}
	return changes
}

func textLines(text []byte) []string {
	all := strings.Split(string(text), "\n")
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], "\r")
	}
	return all
}

// resync is the fewest lines to skip in both for the rest to begin alike.
func resync(a, b []string) (gone, come int) {
	for sum := 1; sum <= 2*near; sum++ {
		for gone := max(0, sum-len(b)); gone <= min(sum, len(a)); gone++ {
			come := sum - gone
			if come == len(b) && gone == len(a) || gone < len(a) && come < len(b) && a[gone] == b[come] {
				return gone, come
			}
		}
	}
	return len(a), len(b)
}
