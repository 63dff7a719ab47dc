package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// most one in: rarer is not worth a number.
const rarest = 1e6

// amount is a count with commas: 6,175.
func amount(n float64) string {
	digits := strconv.FormatFloat(math.Round(n), 'f', -1, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// percent is a share as people read it: 31 %, 2.5 %, 0.1 %.
func percent(share float64) string { return figure(100*share) + " %" }

// figure has two places at most, fewer the larger it is.
func figure(x float64) string {
	places := 2
	switch size := math.Abs(x); {
	case size == 0:
		return "0"
	case size >= 10:
		places = 0
	case size >= 1:
		places = 1
	case size < 0.01:
		return strconv.FormatFloat(x, 'g', 1, 64)
	}
	s := strconv.FormatFloat(x, 'f', places, 64)
	if places > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// value is a measured number with three figures at least and commas, never with an exponent.
func value(x float64) string {
	size := math.Abs(x)
	switch {
	case x == 0:
		return "0"
	case size >= 1000:
		if x < 0 {
			return "-" + amount(size)
		}
		return amount(x)
	}
	places := min(15, max(0, 2-int(math.Floor(math.Log10(size)))))
	s := strconv.FormatFloat(x, 'f', places, 64)
	if places > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// exact is a number that somebody wrote, such as a tolerance.
func exact(x float64) string { return strconv.FormatFloat(math.Round(x*1e9)/1e9, 'f', -1, 64) }

// points is an increase of a share: +0.2 points.
func points(share float64) string { return exact(100*share) + " points" }

// ofAll is "8 of 325 requests (2.5 %)".
func ofAll(t Tally, requests string) string {
	return fmt.Sprintf("%s of %s%s (%s)", noneOr(t.Bad), amount(t.Requests), requests, percent(t.Share()))
}

func noneOr(n float64) string {
	if n == 0 {
		return "none"
	}
	return amount(n)
}

// oneIn is the evidence as a chance: two figures, rounded to the side that claims less.
func oneIn(log float64) string {
	n := min(math.Exp(min(log, 100)), rarest)
	scale := math.Pow(10, max(0, math.Floor(math.Log10(max(n, 1)))-1))
	return amount(max(1, math.Floor(n/scale)*scale))
}

// about rounds to two figures.
func about(n float64) string {
	scale := math.Pow(10, max(0, math.Floor(math.Log10(max(n, 1)))-1))
	return amount(math.Ceil(n/scale) * scale)
}

// brief is a duration in its largest unit: 40 s, 8 min, 3 h.
func brief(d time.Duration) string {
	switch {
	case d == math.MaxInt64:
		return "never"
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second)
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", (d+time.Minute-1)/time.Minute)
	}
	return fmt.Sprintf("%d h", (d+time.Hour-1)/time.Hour)
}

// latency is a threshold as people read it.
func latency(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second / 10).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond * 10).String()
}

// list is "p50, p95 and p99".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
