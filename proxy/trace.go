package proxy

import "strings"

const (
	traceParentLen = 55 // of version 00: version, trace, parent and flags in hex with dashes between
	noTrace        = "00000000000000000000000000000000"
)

// traceOf is the id of the trace that a request belongs to, as traceparent has it (W3C Trace Context §3.2), "" when there is
// none or it is not sampled, so that nobody could look at it.
func traceOf(h fields) string {
	parents := h.Values("Traceparent")
	if len(parents) != 1 || len(parents[0]) < traceParentLen {
		return ""
	}
	s := parents[0]
	version, trace, parent, flags, rest := s[:2], s[3:35], s[36:52], s[53:55], s[55:]
	switch {
	case s[2] != '-' || s[35] != '-' || s[52] != '-',
		!isHex(version) || version == "ff" || !isHex(trace) || trace == noTrace || !isHex(parent) || !isHex(flags),
		rest != "" && (version == "00" || rest[0] != '-'):
		return ""
	}
	const sampled = 1
	if strings.IndexByte(hexDigits, flags[1])&sampled == 0 {
		return ""
	}
	return strings.Clone(trace) // the exemplar outlives the request
}

const hexDigits = "0123456789abcdef"

// isHex reports whether s is lower-case hex.
func isHex(s string) bool { return strings.Trim(s, hexDigits) == "" }
