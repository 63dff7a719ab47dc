//go:build linux

package main

import "strings"

// table is rows of cells for Markdown. The first is the head; a nil row is the line below it, which aligns
// figures to the right.
type table [][]string

// String ends with a newline.
func (t table) String() string {
	var b strings.Builder
	for i, row := range t {
		if row == nil {
			row = make([]string, len(t[0]))
			for j := range row {
				row[j] = "--:"
			}
			if i == 1 {
				row[0] = "---"
			}
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return b.String()
}
