package h1

import (
	"bytes"
	"iter"
	"strings"
)

// A byte's classes, so that a check costs one look into a table.
const (
	tokenByte  = 1 << iota // RFC 9110 §5.6.2
	valueByte              // of a field value: HTAB, SP, VCHAR, obs-text
	targetByte             // of a request target: VCHAR without "#"
	hostByte               // of a registered name: letters, digits, and "-._~"
	hexByte
	digitByte
)

var classes = classify()

func classify() (t [256]uint8) {
	t['\t'] |= valueByte
	for c := 0x20; c < 0x100; c++ {
		if c != 0x7f {
			t[c] |= valueByte
		}
	}
	for c := 0x21; c < 0x7f; c++ {
		t[c] |= targetByte
	}
	t['#'] &^= targetByte
	mark := func(set string, class uint8) {
		for i := range len(set) {
			t[set[i]] |= class
		}
	}
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(digits+letters+"!#$%&'*+-.^_`|~", tokenByte)
	mark(digits+letters+"-._~", hostByte)
	mark(digits+"abcdefABCDEF", hexByte)
	mark(digits, digitByte)
	return t
}

// all reports whether each byte of s has the class; true for an empty s.
func all[T string | []byte](s T, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// ValidToken reports whether s is a token: a field name, a method, a connection option.
// RFC 9110 §5.6.2.
func ValidToken(s string) bool { return s != "" && all(s, tokenByte) }

// ValidFieldValue reports whether s can stand as a field value: no control characters but HTAB, so
// no line ends. Bytes from 0x80 up are allowed, as is the empty value. RFC 9110 §5.5.
func ValidFieldValue(s string) bool { return all(s, valueByte) }

// ConnectionTokens yields the connection options in the values of all Connection fields, as they
// are written. Elements that are no tokens cannot name a field and are passed over.
func ConnectionTokens(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range values {
			for e := range strings.SplitSeq(v, ",") {
				e = strings.Trim(e, " \t")
				if ValidToken(e) && !yield(e) {
					return
				}
			}
		}
	}
}

// cutLine splits the first line off p, without its CRLF.
func cutLine(p []byte) (line, rest []byte, bad *Refusal) {
	i := bytes.IndexByte(p, '\n')
	switch {
	case i < 0:
		return nil, nil, errIncomplete
	case i == 0 || p[i-1] != '\r':
		return nil, nil, errBareLF
	}
	return p[:i-1], p[i+1:], nil
}

// cutField splits the first field line off p. The name is nil at the empty line that ends the
// section. RFC 9112 §5: no folding, no white space before the colon.
func cutField(p []byte) (name, value, rest []byte, bad *Refusal) {
	line, rest, bad := cutLine(p)
	if bad != nil || len(line) == 0 {
		return nil, nil, rest, bad
	}
	i := 0
	for i < len(line) && classes[line[i]]&tokenByte != 0 {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return nil, nil, nil, badName(line, i)
	}
	value = trim(line[i+1:])
	if !all(value, valueByte) {
		return nil, nil, nil, badValue(value)
	}
	return line[:i], value, rest, nil
}

// badName says what is wrong with a field line whose name ends, for no good reason, at i.
func badName(line []byte, i int) *Refusal {
	tail := trim(line[i:])
	switch {
	case bytes.IndexByte(line, '\r') >= 0:
		return errBareCR
	case i == 0 && (line[0] == ' ' || line[0] == '\t'):
		return errFold
	case i > 0 && len(tail) > 0 && tail[0] == ':':
		return errSpaceColon
	}
	return errFieldName
}

func badValue(value []byte) *Refusal {
	if bytes.IndexByte(value, '\r') >= 0 {
		return errBareCR
	}
	return errFieldValue
}

// trim removes optional white space at both ends.
func trim(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	for len(p) > 0 && (p[len(p)-1] == ' ' || p[len(p)-1] == '\t') {
		p = p[:len(p)-1]
	}
	return p
}

// same reports whether p is the given lower-case word in any case. Only ASCII letters fold: the
// Kelvin sign, for one, is no k here.
func same(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, c := range p {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// cutElement splits the first element off a comma-separated list.
func cutElement(list []byte) (element, rest []byte) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return trim(list[:i]), list[i+1:]
	}
	return trim(list), nil
}
