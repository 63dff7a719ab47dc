package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 4 << 20

// document is the one document of the file, nil when there is none or it has been reported.
func (p *parser) document(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		p.add(Problem{Line: 1, Msg: fmt.Sprintf("the file has more than %d MiB", MaxSize>>20)})
		return nil
	}
	if at := invalidUTF8(data); at >= 0 {
		p.add(Problem{Line: lineOf(data, at), Msg: "the file is not UTF-8", Hint: "save it as UTF-8 text"})
		return nil
	}
	first, rest, err := documents(data)
	switch {
	case errors.Is(err, io.EOF) || err == nil && first.Content[0].ShortTag() == "!!null":
		p.add(Problem{Line: 1, Msg: "the file is empty", Hint: "it needs at least one service: services: {web: {pools: {blue: [http://10.0.0.1:8080]}}}"})
	case err != nil:
		p.add(syntaxProblem(data, err))
	case rest != nil:
		p.add(Problem{Line: rest.Line, Column: rest.Column, Msg: "the file has more than one document", Hint: "keep one and remove the --- line"})
	default:
		return first.Content[0]
	}
	return nil
}

// documents reads the first document and, when there is another, the second. io.EOF: there is none.
// The library reports what it cannot read as an error or, for a few malformed inputs, by a panic.
func documents(data []byte) (first, rest *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	first, rest = new(yaml.Node), new(yaml.Node)
	if err := d.Decode(first); err != nil {
		return nil, nil, err
	}
	switch err := d.Decode(rest); {
	case errors.Is(err, io.EOF):
		return first, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return first, rest, nil
}

var (
	yamlError     = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	// The library counts the lines of these from 0, those of all others from 1.
	countedFromZero = regexp.MustCompile(`^did not find expected (<document start>|node content|key|'-' indicator|',' or '[\]}]')`)
)

// syntaxProblem says where the library stumbled, as far as it tells.
func syntaxProblem(data []byte, err error) Problem {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return Problem{Line: 1, Msg: "the file is not valid YAML: " + err.Error()}
	}
	line, msg := 1, m[2]
	if m[1] != "" {
		line, _ = strconv.Atoi(m[1]) // digits by the expression; 0 is corrected below
		if countedFromZero.MatchString(msg) {
			line++
		}
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	line = min(max(line, 1), len(lines))
	if a := unknownAnchor.FindStringSubmatch(msg); a != nil {
		at := max(bytes.Index(data, []byte("*"+a[1])), 0)
		return Problem{Line: lineOf(data, at), Msg: "alias " + quote("*"+a[1]) + " has no anchor", Hint: "quote a value that begins with *"}
	}
	if tab := leadingTab(lines[line-1]); tab > 0 {
		return Problem{Line: line, Column: tab, Msg: "a tab cannot indent YAML", Hint: "use spaces"}
	}
	return Problem{Line: line, Msg: "the file is not valid YAML: " + msg, Hint: syntaxHint(msg)}
}

func syntaxHint(msg string) string {
	switch {
	case strings.HasPrefix(msg, "mapping values are not allowed"):
		return "check the indentation, or quote a value that has ': ' in it"
	case strings.HasPrefix(msg, "found character that cannot start"):
		return "quote a value that begins with @, % or a backquote"
	case strings.HasPrefix(msg, "found unexpected end of stream"):
		return "close the quotes"
	case strings.HasPrefix(msg, "could not find expected ':'"):
		return "check the indentation; a key needs ': ' behind it"
	case strings.HasPrefix(msg, "did not find expected alphabetic"):
		return "quote a value that begins with * or &"
	case countedFromZero.MatchString(msg):
		return "check brackets, commas and indentation here and above"
	}
	return ""
}

// leadingTab is the column of a tab in the indentation, 0 when there is none.
func leadingTab(line string) int {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return strings.IndexByte(indent, '\t') + 1
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func lineOf(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }
