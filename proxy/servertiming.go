package proxy

import (
	"strings"
	"time"
)

// serverTiming adds up the durations that a response tells under a name in its Server-Timing fields (W3C
// Server Timing §3): `db;dur=12.5, cache;desc="hit, warm";dur=0.3`. Durations are milliseconds. What cannot
// be read tells nothing. It does not allocate.
func serverTiming(fields []string, name string) (sum time.Duration, told bool) {
	for _, field := range fields {
		for field != "" {
			var metric string
			metric, field = cutUnquoted(field, ',')
			if d, ok := duration(metric, name); ok {
				sum, told = min(sum+d, longestTiming), true
			}
		}
	}
	return sum, told
}

// longestTiming keeps a nonsense from running over.
const longestTiming = time.Hour

// duration is that of one metric, when it has the name.
func duration(metric, name string) (time.Duration, bool) {
	label, params := cutUnquoted(metric, ';')
	if trimSpace(label) != name {
		return 0, false
	}
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		key, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(trimSpace(key), "dur") {
			return milliseconds(strings.Trim(trimSpace(value), `"`)) // the first counts
		}
	}
	return 0, false
}

// cutUnquoted is strings.Cut that passes over quoted strings (RFC 9110 §5.6.4).
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func trimSpace(s string) string { return strings.Trim(s, " \t") }

// mostDigits is more than an hour in nanoseconds takes.
const mostDigits = 13

// milliseconds reads a decimal number without sign and exponent.
func milliseconds(s string) (time.Duration, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if whole == "" || len(whole) > mostDigits {
		return 0, false
	}
	var d time.Duration
	for i := range len(whole) {
		if whole[i] < '0' || whole[i] > '9' {
			return 0, false
		}
		d = 10*d + time.Duration(whole[i]-'0')
	}
	if d > longestTiming/time.Millisecond {
		return longestTiming, true
	}
	d *= time.Millisecond
	unit := time.Millisecond
	for i := range len(fraction) {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
		unit /= 10
		d += unit * time.Duration(fraction[i]-'0')
	}
	return d, true
}
