// Package demo owns the parts of the demonstration: small upstreams that can misbehave on purpose, a
// light load that counts who answered, and the lines that show both in a terminal. It knows nothing of
// the proxy between the two; it only ever talks to 127.0.0.1 addresses it is given.
package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Fault is what an upstream does wrong on purpose. The zero value does nothing wrong.
type Fault struct {
	Errors  float64       // share of requests answered with 500, 0 to 1
	Latency time.Duration // added before every answer
	Hang    float64       // share of requests that are never answered, 0 to 1
}

// ParseFault reads "errors=5%", "latency=200ms", "hang=10%" or some of them joined by commas. "" and "none"
// are no fault.
func ParseFault(s string) (Fault, error) {
	var f Fault
	if s == "" || s == "none" {
		return f, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch key {
		case "errors":
			f.Errors, err = parseShare(value)
		case "latency":
			f.Latency, err = parseLatency(value)
		case "hang":
			f.Hang, err = parseShare(value)
		default:
			err = fmt.Errorf("%q is neither errors nor latency nor hang", key)
		}
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w; write errors=5%%, latency=200ms, hang=10%% or some of them with commas", s, err)
		}
	}
	return f, nil
}

func parseShare(s string) (float64, error) {
	number, found := strings.CutSuffix(s, "%")
	percent, err := strconv.ParseFloat(number, 64)
	// Written so that NaN is refused too.
	if !found || err != nil || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("%q is not a percentage from 0%% to 100%%", s)
	}
	return percent / 100, nil
}

func parseLatency(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 10*time.Second {
		return 0, fmt.Errorf("%q is not a duration from 0s to 10s", s)
	}
	return d, nil
}

// String writes the fault as ParseFault reads it.
func (f Fault) String() string {
	var parts []string
	if f.Errors > 0 {
		parts = append(parts, "errors="+strconv.FormatFloat(f.Errors*100, 'f', -1, 64)+"%")
	}
	if f.Latency > 0 {
		parts = append(parts, "latency="+f.Latency.String())
	}
	if f.Hang > 0 {
		parts = append(parts, "hang="+strconv.FormatFloat(f.Hang*100, 'f', -1, 64)+"%")
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ",")
}
