//go:build linux

package main

import (
	"strings"
	"unicode/utf8"
)

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

// aligned is the same for a terminal.
func (t table) aligned() string {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		if row == nil {
			continue
		}
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				cell += pad
			} else {
				cell = "  " + pad + cell
			}
			b.WriteString(cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}
