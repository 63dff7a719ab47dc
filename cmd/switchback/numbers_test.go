package main

import (
	"math"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

func TestCalm(t *testing.T) {
	tests := map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 1400 * time.Millisecond: "1s", time.Minute: "1m", 8*time.Minute + 12*time.Second: "8m12s",
		59*time.Minute + 59500*time.Millisecond: "1h", 65 * time.Minute: "1h5m", time.Hour + 59*time.Second: "1h",
		47 * time.Hour: "47h", 76 * time.Hour: "3d4h", 48 * time.Hour: "2d",
	}
	for d, want := range tests {
		if got := calm(d); got != want {
			t.Errorf("calm(%v) = %q, want %q", d, got, want)
		}
	}
	texts := map[string]string{"8m12.4s": "8m12s", "15m0s": "15m", "": "", "soon\x1b": "soon "}
	for s, want := range texts {
		if got := calmText(s); got != want {
			t.Errorf("calmText(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct {
		name, got, want string
	}{
		{"no figure", figure(0), "0 %"},
		{"tiny figure", figure(0.004), "<0.01 %"},
		{"small figure", figure(0.312), "0.31 %"},
		{"figure", figure(74.83), "74.8 %"},
		{"nearly all", figure(99.96), "100 %"},
		{"all", figure(100), "100 %"},
		{"no rate", rate(0), "0"},
		{"small rate", rate(3.24), "3.2"},
		{"nearly ten", rate(9.96), "10"},
		{"rate", rate(118.4), "118"},
		{"large rate", rate(12345), "12,345"},
		{"no latency", latency(0), "–"},
		{"tiny latency", latency(0.00004), "<0.1ms"},
		{"small latency", latency(0.00042), "0.4ms"},
		{"few milliseconds", latency(0.0042), "4.2ms"},
		{"milliseconds", latency(0.0418), "42ms"},
		{"nearly a second", latency(0.9996), "1.0s"},
		{"seconds", latency(1.84), "1.8s"},
		{"many seconds", latency(31.2), "31s"},
		{"no evidence", odds(1.9), "–"},
		{"no number", odds(math.NaN()), "–"},
		{"evidence", odds(390.9), "1 in 390"},
		{"overwhelming", odds(4e9), "1 in 1,000,000"},
		{"infinite", odds(math.Inf(1)), "1 in 1,000,000"},
		{"three digits", grouped(999), "999"},
		{"four digits", grouped(1000), "1,000"},
		{"seven digits", grouped(-1234567), "-1,234,567"},
		{"nothing needed", need(api.PlanNeed{}), "–"},
		{"needed", need(api.PlanNeed{Requests: 1212.4, Time: "2m34s"}), "1,212 in 2m34s"},
		{"needed, who knows how long", need(api.PlanNeed{Requests: 10}), "10"},
		{"needed in vain", need(api.PlanNeed{Requests: 10, Time: "never"}), "never"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestValue(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "1.94": 1.94, "0.00412": 0.004123, "612": 612, "1,234": 1234.4, "268,435,456": 1 << 28, "-0.5": -0.5, "-4,000": -4000, "20": 20, "600": 600} {
		if got := value(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestRemark(t *testing.T) {
	for want, c := range map[string]api.Check{
		"": {},
		"last 1.94, 1.2 of blue; 3 of about 7 values on green": {Values: []float64{1.94, 1.2}, Waiting: "3 of about 7 values on green"},
		"last 612; green: connection refused":                  {Values: []float64{612}, Error: "green: connection refused"},
		"cpu is missing since 14:02: no":                       {Waiting: "cpu is missing since 14:02: no", Error: "no"},
	} {
		if got := remark(c, "blue"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := verdict(api.Check{Verdict: "fail", Observed: true}); got != "fail, observed" {
		t.Errorf("got %q", got)
	}
}
