package h1

import (
	"bytes"
	"iter"
)

// Field returns the value of the first field with that name, in any case, in a head that was accepted; ok is
// false without one.
func Field(head []byte, name string) (value []byte, ok bool) {
	for field, value, rest := nextField(fieldLines(head)); field != nil; field, value, rest = nextField(rest) {
		if alike(field, name) {
			return value, true
		}
	}
	return nil, false
}

// Fields yields the values of all fields with that name, in any case, in a head that was accepted.
func Fields(head []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for field, value, rest := nextField(fieldLines(head)); field != nil; field, value, rest = nextField(rest) {
			if alike(field, name) && !yield(value) {
				return
			}
		}
	}
}

// fieldLines is what follows the first line of a head that was accepted.
func fieldLines(head []byte) []byte { return head[bytes.IndexByte(head, '\n')+1:] }

// nextField splits the first field line off p, of a head that was accepted: unlike [cutField] it checks
// nothing. The name is nil at the empty line.
func nextField(p []byte) (name, value, rest []byte) {
	i := bytes.IndexByte(p, '\n')
	if i < 2 {
		return nil, nil, nil
	}
	line := p[:i-1]
	colon := bytes.IndexByte(line, ':')
	return line[:colon], trim(line[colon+1:]), p[i+1:]
}

// appendLine appends the field that p begins with. Most are in the form that [appendField] writes, and are copied
// whole: after one space the line is that long, or longer by white space that is left out.
func appendLine(dst, p, name, value []byte) []byte {
	n := len(name) + len(": ") + len(value) + len("\r\n")
	if p[len(name)+1] == ' ' && p[n-1] == '\n' {
		return append(dst, p[:n]...)
	}
	return appendField(dst, name, value)
}

func appendField[T string | []byte](dst, name []byte, value T) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// options are the connection options of a head. Each names a field that is not passed on (RFC 9110
// §7.6.1). The first ones are kept, which are all that heads in use have; others are looked up again.
type options struct {
	first [6][]byte
	n     int
	more  []byte // field lines from the Connection field that had too many; nil: none
}

func (o *options) gather(section []byte) {
	p := section
	for name, value, rest := nextField(p); name != nil; name, value, rest = nextField(p) {
		if same(name, "connection") && !o.add(value) {
			o.more = p
			return
		}
		p = rest
	}
}

// add returns false when there is no room for all of them.
func (o *options) add(value []byte) bool {
	for len(value) > 0 {
		var option []byte
		if option, value = cutElement(value); len(option) == 0 {
			continue
		}
		if o.n == len(o.first) {
			return false
		}
		o.first[o.n] = option
		o.n++
	}
	return true
}

// name reports whether a field is named. What is no token is the name of none.
func (o *options) name(field []byte) bool {
	for _, option := range o.first[:o.n] {
		if alike(option, field) {
			return true
		}
	}
	for name, value, rest := nextField(o.more); name != nil; name, value, rest = nextField(rest) {
		if same(name, "connection") && hasElement(value, field) {
			return true
		}
	}
	return false
}

// hasElement reports whether a comma-separated list has a word, in any case.
func hasElement[T string | []byte](list []byte, word T) bool {
	for len(list) > 0 {
		var element []byte
		if element, list = cutElement(list); alike(element, word) {
			return true
		}
	}
	return false
}

// alike is [same] for two words of any case.
func alike[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if toLower(c) != toLower(b[i]) {
			return false
		}
	}
	return true
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// folded has room for more than any name that is looked up, so that a longer name cannot pass for one.
type folded [24]byte

// fold returns the first bytes of a name in lower case.
func (f *folded) fold(name []byte) []byte {
	n := min(len(name), len(f))
	for i, c := range name[:n] {
		f[i] = toLower(c)
	}
	return f[:n]
}

// hopByHop reports whether a field, its name in lower case, is one of one connection (RFC 9110 §7.6.1).
func hopByHop(name []byte) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
		"te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// appendChunked appends the fields that frame a chunked body: the coding, and the announced trailers
// that may be passed on.
func appendChunked(dst, section []byte) []byte {
	dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	start := len(dst)
	for name, value, rest := nextField(section); name != nil; name, value, rest = nextField(rest) {
		if !same(name, "trailer") {
			continue
		}
		for len(value) > 0 {
			var announced []byte
			if announced, value = cutElement(value); !trailerAllowed(announced) {
				continue
			}
			if len(dst) == start {
				dst = append(dst, "Trailer: "...)
			} else {
				dst = append(dst, ',')
			}
			dst = append(dst, announced...)
		}
	}
	if len(dst) > start {
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// AppendTrailers appends a trailer section that was accepted, without what is not passed on.
func AppendTrailers(dst, section []byte) []byte {
	for name, value, rest := nextField(section); name != nil; name, value, rest = nextField(rest) {
		if trailerAllowed(name) {
			dst = appendField(dst, name, value)
		}
	}
	return append(dst, "\r\n"...)
}

// trailerAllowed reports whether an announced trailer is passed on. Those of framing, connection, routing
// and identity have been refused ([checkAnnounced]); these are left of what means something in a head
// alone (RFC 9110 §6.5.1).
func trailerAllowed(name []byte) bool {
	var f folded
	switch string(f.fold(name)) {
	case "", "set-cookie", "content-encoding", "content-type", "content-range", "proxy":
		return false
	}
	return true
}
