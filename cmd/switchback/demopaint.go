package main

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// paint gives text a meaning by colour. The zero value leaves it as it is: nothing on the screen is told by
// colour alone. The sixteen colours of the terminal are used, so its theme decides what they look like.
type paint struct{ colour bool }

var (
	styleStrong = lipgloss.NewStyle().Bold(true)
	styleFaint  = lipgloss.NewStyle().Faint(true)
	styleGood   = lipgloss.NewStyle().Foreground(lipgloss.Green)
	styleBad    = lipgloss.NewStyle().Foreground(lipgloss.Red)
	styleWarn   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	styleKey    = lipgloss.NewStyle().Foreground(lipgloss.Cyan).Bold(true)
	stylePools  = map[string]lipgloss.Style{
		"blue":  lipgloss.NewStyle().Foreground(lipgloss.BrightBlue),
		"green": lipgloss.NewStyle().Foreground(lipgloss.BrightGreen),
	}
)

func (p paint) with(s lipgloss.Style, text string) string {
	if !p.colour || strings.TrimSpace(text) == "" {
		return text
	}
	return s.Render(text)
}

func (p paint) strong(text string) string     { return p.with(styleStrong, text) }
func (p paint) faint(text string) string      { return p.with(styleFaint, text) }
func (p paint) good(text string) string       { return p.with(styleGood, text) }
func (p paint) bad(text string) string        { return p.with(styleBad, text) }
func (p paint) warn(text string) string       { return p.with(styleWarn, text) }
func (p paint) key(text string) string        { return p.with(styleKey, text) }
func (p paint) pool(name, text string) string { return p.with(stylePools[name], text) }

// verdict colours a check by what it has proven.
func (p paint) verdict(verdict, text string) string {
	switch verdict {
	case "pass":
		return p.good(text)
	case "fail":
		return p.bad(text)
	}
	return text
}

// toggle is what a key switches, and whether it is on.
func (p paint) toggle(what string, on bool) string {
	if on {
		return p.warn(what + " on")
	}
	return what
}

// hint is a key and what it does.
type hint struct{ key, does string }

func (p paint) legend(hints ...hint) string {
	var parts []string
	for _, h := range hints {
		parts = append(parts, p.key(h.key)+" "+h.does)
	}
	return strings.Join(parts, "   ")
}
