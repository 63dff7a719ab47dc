package config

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// lineStarts is where each line begins, counted as the library counts them: a carriage return alone, a next line and
// the separators of Unicode end a line too.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i := 0; i < len(data); {
		width := lineBreak(data[i:])
		if width > 0 {
			starts = append(starts, i+width)
		}
		i += max(width, 1)
	}
	return starts
}

// lineBreak is the length of the line end that b begins with, 0 when it begins with none.
func lineBreak(b []byte) int {
	for _, end := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if bytes.HasPrefix(b, []byte(end)) {
			return len(end)
		}
	}
	return 0
}

// offset is the byte at a line and column, both from 1 and the column in characters; -1 when there is none.
func (p *patcher) offset(line, column int) int {
	if line < 1 || line > len(p.lines) {
		return -1
	}
	at := p.lines[line-1]
	if line == 1 {
		at += len(p.data) - len(bytes.TrimPrefix(p.data, []byte("\ufeff")))
	}
	for range column - 1 {
		_, width := utf8.DecodeRune(p.data[min(at, len(p.data)):])
		if width == 0 {
			return -1
		}
		at += width
	}
	return at
}

// extent is where a scalar or an alias stands, without anchor and tag; -1 when it does not stand there as it
// should, in which case nothing may be written.
func (p *patcher) extent(n *yaml.Node) (at, end int) {
	if n == nil {
		return -1, -1
	}
	at = p.offset(n.Line, n.Column)
	if at < 0 {
		return -1, -1
	}
	if n.Kind == yaml.AliasNode {
		return p.exactly(at, "*"+n.Value)
	}
	if n.Kind != yaml.ScalarNode {
		return -1, -1
	}
	if n.Anchor != "" {
		_, at = p.exactly(at, "&"+n.Anchor)
		for at >= 0 && at < len(p.data) && (p.data[at] == ' ' || p.data[at] == '\t') {
			at++
		}
	}
	switch {
	case at < 0:
		return -1, -1
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return p.quoted(at, n.Value)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0:
		return -1, -1
	}
	return p.exactly(at, n.Value)
}

// exactly is the extent of a text that has to stand at a place.
func (p *patcher) exactly(at int, text string) (int, int) {
	if text == "" || at > len(p.data) || !bytes.HasPrefix(p.data[at:], []byte(text)) {
		return -1, -1
	}
	return at, at + len(text)
}

// quoted is the extent of a word in quotes that needs no escape.
func (p *patcher) quoted(at int, value string) (int, int) {
	if at >= len(p.data) || strings.ContainsAny(value, "\\\"'\n") {
		return -1, -1
	}
	quote := string(p.data[at])
	return p.exactly(at, quote+value+quote)
}

// lineEnd is the next line feed at or behind a place, or the end of the file.
func (p *patcher) lineEnd(at int) int {
	if at < 0 {
		return -1
	}
	if i := bytes.IndexByte(p.data[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(p.data)
}

// indent is what stands in front of a key on its line, where that is the first of its mapping.
func (p *patcher) indent(key *yaml.Node) string {
	at := p.offset(key.Line, key.Column)
	if at < 0 {
		return ""
	}
	front := []rune(string(p.data[p.lines[key.Line-1]:at]))
	for i, r := range front {
		if r != ' ' && r != '\t' { // "- key": the others stand below the key
			front[i] = ' '
		}
	}
	return string(front)
}

// ending is text with the line ends of the file.
func (p *patcher) ending(text string) string {
	if bytes.Contains(p.data, []byte("\r\n")) {
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// alone reports whether the pair that begins at a place has its line for itself, but for a comment.
func (p *patcher) alone(at int, value *yaml.Node) bool {
	line := p.lines[value.Line-1]
	_, end := p.extent(value)
	if end < 0 || at < line {
		return false
	}
	behind := strings.TrimSpace(string(p.data[end:p.lineEnd(end)]))
	return strings.TrimSpace(string(p.data[line:at])) == "" && (behind == "" || strings.HasPrefix(behind, "#"))
}
