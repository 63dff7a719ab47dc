package ofrep

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from memory. It is what encoding/json is, but notices a name that is there
// twice, bounds what is nested and costs a fraction: reading the context is most of an evaluation.
type scanner struct {
	b  []byte
	at int
}

// end is what peek returns behind the last byte; JSON has no such byte.
const end = 0

// flaw is JSON that is no context. where is its way from the body, as in "context.plan".
type flaw struct{ where, what string }

func (f *flaw) Error() string { return f.where + " " + f.what }

// peek passes over white space and returns the next byte.
func (s *scanner) peek() byte {
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		case end:
			return 1 // something, but nothing that JSON knows
		default:
			return c
		}
	}
	return end
}

// unexpected says where reading stopped.
func (s *scanner) unexpected(want string) error {
	if s.at >= len(s.b) {
		return errors.New("it ends where " + want + " should be")
	}
	return fmt.Errorf("%q in byte %d, where %s should be", s.b[s.at], s.at+1, want)
}

// value reads the next value: text, float64, bool, nil, []any or map[string]any. depth is how many objects
// and lists are around it.
func (s *scanner) value(depth int) (any, error) {
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, &flaw{what: fmt.Sprintf("is nested too deep; %d levels are allowed", maxDepth)}
		}
		if c == '{' {
			return s.object(depth + 1)
		}
		return s.list(depth + 1)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for word, v := range words {
		if rest := s.b[s.at:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			s.at += len(word)
			return v, nil
		}
	}
	return nil, s.unexpected("a value")
}

var words = map[string]any{"true": true, "false": false, "null": nil}

// members reads an object; read has to take each value.
func (s *scanner) members(read func(name string) error) error {
	s.at++ // the brace
	for first := true; ; first = false {
		switch c := s.peek(); {
		case c == '}' && first:
			s.at++
			return nil
		case c != '"':
			return s.unexpected("a name")
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.unexpected("a colon")
		}
		s.at++
		if err := read(name); err != nil {
			if f, ok := errors.AsType[*flaw](err); ok {
				f.where = strings.TrimSuffix(name+"."+strings.TrimPrefix(f.where, "."), ".")
			}
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

// next passes over the comma before another entry, or over the closing byte.
func (s *scanner) next(closing byte) (done bool, err error) {
	switch s.peek() {
	case closing:
		s.at++
		return true, nil
	case ',':
		s.at++
		return false, nil
	}
	return false, s.unexpected("a comma")
}

func (s *scanner) object(depth int) (any, error) {
	m := map[string]any{}
	err := s.members(func(name string) (err error) {
		if _, twice := m[name]; twice {
			return &flaw{what: "is there twice"}
		}
		m[name], err = s.value(depth)
		return err
	})
	return m, err
}

func (s *scanner) list(depth int) (any, error) {
	s.at++ // the bracket
	all := []any{}
	if s.peek() == ']' {
		s.at++
		return all, nil
	}
	for {
		v, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if done, err := s.next(']'); done || err != nil {
			return all, err
		}
	}
}

// text reads from one quote to the next. What has escapes or is no UTF-8 is left to encoding/json.
func (s *scanner) text() (string, error) {
	start, plain := s.at, true
	for s.at++; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			inner := s.b[start+1 : s.at-1]
			if plain && utf8.Valid(inner) {
				return string(inner), nil
			}
			var out string
			if err := json.Unmarshal(s.b[start:s.at], &out); err != nil {
				return "", fmt.Errorf("text from byte %d on has an escape that does not exist", start+1)
			}
			return out, nil
		case c == '\\':
			plain = false
			s.at++
		case c < ' ':
			return "", s.unexpected("more text without control characters")
		}
	}
	return "", s.unexpected("a quote")
}

// number reads by the grammar of RFC 8259 §6, which is narrower than strconv's.
func (s *scanner) number() (any, error) {
	start := s.at
	if s.b[s.at] == '-' {
		s.at++
	}
	switch first := s.at; {
	case !s.digits():
		return nil, s.unexpected("a digit")
	case s.b[first] == '0' && s.at > first+1:
		s.at = first + 1
		return nil, s.unexpected("no digit behind a leading zero")
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		if s.at++; !s.digits() {
			return nil, s.unexpected("a digit")
		}
	}
	if s.at < len(s.b) && s.b[s.at]|' ' == 'e' {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return nil, s.unexpected("a digit")
		}
	}
	written := string(s.b[start:s.at])
	n, err := strconv.ParseFloat(written, 64)
	if err != nil {
		return nil, &flaw{what: "is " + clip(written) + ", which is out of range"}
	}
	return n, nil
}

// digits passes over digits and reports whether there was one.
func (s *scanner) digits() bool {
	first := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > first
}
