package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// none stands where there is no number.
const none = "–"

// calm is a duration without what nobody reads: "8m12s", "15m", "1h5m", "3d4h".
func calm(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, d/time.Second))
	case d < time.Hour:
		return pair(d, time.Minute, "m", time.Second, "s")
	case d < 48*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "m")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, large time.Duration, l string, small time.Duration, s string) string {
	text := fmt.Sprintf("%d%s", d/large, l)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, s)
	}
	return text
}

// calmText is calm for a duration as the API writes it; what is none stays as it is.
func calmText(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return clean(s)
	}
	return calm(d)
}

// figure is a measured percentage, of which two decimals say something only when it is small.
func figure(v float64) string {
	switch {
	case v <= 0:
		return "0 %"
	case v < 0.01:
		return "<0.01 %"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 2, 64) + " %"
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + " %"
	}
	return "100 %"
}

// rate is requests a second.
func rate(v float64) string {
	if v > 0 && v < 9.95 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return grouped(int64(v + 0.5))
}

// latency is seconds as "4.2ms", "42ms", "1.8s"; 0 is not known.
func latency(seconds float64) string {
	ms := seconds * 1000
	switch {
	case ms <= 0:
		return none
	case ms < 0.1:
		return "<0.1ms"
	case ms < 9.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + "ms"
	case seconds < 9.95:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + "s"
	}
	return strconv.FormatFloat(seconds, 'f', 0, 64) + "s"
}

// maxOdds is the most that evidence is shown as.
const maxOdds = 1_000_000

// odds is evidence as "1 in 390", rounded down. Less than 2 is no evidence of anything.
func odds(n float64) string {
	if !(n >= 2) { // NaN is not
		return none
	}
	return "1 in " + grouped(int64(min(n, maxOdds)))
}

// value is a measured number with three figures at least: "0.00412", "1.94", "1,234".
func value(v float64) string {
	size := math.Abs(v)
	switch {
	case size == 0 || math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case size >= 1000:
		return grouped(int64(math.Round(max(-math.MaxInt32, min(v, 1e18)))))
	}
	places := min(15, max(0, 2-int(math.Floor(math.Log10(size)))))
	text := strconv.FormatFloat(v, 'f', places, 64)
	if places == 0 {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// grouped is a whole number in groups of three: "6,175".
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}
