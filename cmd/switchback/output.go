package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// show writes v as JSON, or what text makes of it, whichever --output asks for.
func (a *app) show(cmd *cobra.Command, v any, text func(*page)) error {
	return a.print(cmd, v, text, "  ")
}

// showLine is show for one of many: JSON is a line of its own.
func (a *app) showLine(cmd *cobra.Command, v any, text func(*page)) error {
	return a.print(cmd, v, text, "")
}

func (a *app) print(cmd *cobra.Command, v any, text func(*page), indent string) error {
	var p page
	if a.output == "json" {
		e := json.NewEncoder(&p)
		e.SetEscapeHTML(false)
		e.SetIndent("", indent)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	} else {
		text(&p)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), p.String()); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// page is text for people, without colour.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

// table writes rows of equal length in columns two spaces apart. A column whose letter in align is r is
// aligned right.
func (p *page) table(align string, rows [][]string) {
	width := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if align[i] == 'r' {
				b.WriteString(pad + cell + "  ")
			} else {
				b.WriteString(cell + pad + "  ")
			}
		}
		p.line("%s", strings.TrimRight(b.String(), " "))
	}
}

// phrase is what a verb did, in the past, and what to say when there was nothing to do.
type phrase struct{ done, already string }

// change writes the answer of a command that may have moved traffic.
func (p *page) change(c api.Change, words phrase) {
	p.tried(c.DryRun)
	word, shares := words.done, weights(c.Weights, nil)
	switch {
	case !c.Changed:
		word = words.already
	case !maps.Equal(nonzero(c.Previous), nonzero(c.Weights)):
		shares = weights(c.Previous, nil) + " → " + shares
	}
	p.line("%s %s: %s (revision %d)", c.Service, word, shares, c.Revision)
	for _, pool := range slices.Sorted(maps.Keys(c.InFlight)) {
		if c.Drained != nil && *c.Drained {
			p.line("drained: %s has no request in flight", pool)
		} else {
			p.line("in flight on %s: %d", pool, c.InFlight[pool])
		}
	}
	if c.Changed && !c.Durable {
		p.line("not durable yet: in force on this node, written once the store takes it")
	}
	p.undo(c.Undo)
}

// undo writes how to go back, or the server's sentence why that is impossible.
func (p *page) undo(how string) {
	if how != "" {
		p.line("%s", undo(how))
	}
}

func undo(how string) string {
	if strings.HasPrefix(how, "undo ") {
		return clean(how)
	}
	return "undo: " + clean(how)
}

// refused writes the facts of a problem that its sentence does not hold.
func (p *page) refused(e *api.Error) {
	var rows [][]string
	for _, t := range e.Targets {
		rows = append(rows, []string{"", clean(t.URL), clean(t.Status), clean(t.Error)})
	}
	p.table("llll", rows)
	p.undo(e.Undo)
}

// weights are percent by pool: "blue 75 %, green 25 %". With an order every pool of it is named, without
// one those that have something, by name.
func weights(w api.Weights, order []string) string {
	if order == nil {
		w = nonzero(w)
		order = slices.Sorted(maps.Keys(w))
	}
	parts := make([]string, len(order))
	for i, pool := range order {
		parts[i] = pool + " " + percent(w[pool])
	}
	return strings.Join(parts, ", ")
}

func nonzero(w api.Weights) api.Weights {
	w = maps.Clone(w)
	maps.DeleteFunc(w, func(_ string, v float64) bool { return v == 0 })
	return w
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " %" }

// span is a length of time in its largest whole unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	}
}

// clean makes a server's words harmless to a terminal: reasons and errors are written by others.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cleanLines is clean for what may have several lines.
func cleanLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(clean(line), " ")
	}
	return strings.Join(lines, "\n")
}
