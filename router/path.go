package router

// MaxPath is the longest path in bytes that is matched; a longer one is ErrBadPath.
const MaxPath = 8192

// plain reports whether a path is its own matching form: no escapes, no NUL, no empty or dot segments.
func plain(path string) bool {
	if path == "" || path[0] != '/' || len(path) > MaxPath {
		return false
	}
	for i := range len(path) {
		switch path[i] {
		case '%', 0:
			return false
		case '/':
			if i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
				return false
			}
		}
	}
	return true
}

// normalize writes the matching form of a path into buf: escapes decoded once except %2F, which stays
// data and is no separator (RFC 3986 §2.2), slashes merged, dot segments removed (§5.2.4). The bytes
// that go upstream are the client's own; only matching looks at this form. The asterisk-form of OPTIONS
// matches like "/". ok is false for a NUL, an escape that is none, or a path that is too long.
func normalize(path string, buf *[MaxPath]byte) (out []byte, ok bool) {
	if path == "*" || path == "" {
		path = "/"
	}
	if path[0] != '/' || len(path) > MaxPath {
		return nil, false
	}
	out = buf[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			var width int
			if c, width = unescape(path[i:]); width == 0 {
				return nil, false
			}
			if c == '/' {
				out = append(out, "%2F"...)
				i += width - 1
				continue
			}
			i += width - 1
		} else if c == '/' {
			out = closeSegment(out)
		}
		if c == 0 {
			return nil, false
		}
		if c == '/' && len(out) > 0 && out[len(out)-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	out = closeSegment(out)
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out, true
}

// closeSegment drops a last segment of "." or "..", the latter with the segment before it. The slash in
// front of a dropped segment stays.
func closeSegment(out []byte) []byte {
	cut := len(out)
	for cut > 0 && out[cut-1] != '/' {
		cut--
	}
	switch string(out[cut:]) {
	case ".":
		return out[:cut]
	case "..":
		if cut > 0 {
			cut-- // the slash
		}
		for cut > 0 && out[cut-1] != '/' {
			cut--
		}
		return out[:max(cut, min(1, len(out)))]
	}
	return out
}

// unescape decodes a percent escape at the start of s; width 0 when it is none.
func unescape(s string) (c byte, width int) {
	if len(s) < 3 {
		return 0, 0
	}
	hi, lo := unhex(s[1]), unhex(s[2])
	if hi > 15 || lo > 15 {
		return 0, 0
	}
	return hi<<4 | lo, 3
}

// unhex is the value of a hexadecimal digit, above 15 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

const hexDigits = "0123456789abcdef"
