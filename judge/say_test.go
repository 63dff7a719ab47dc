package judge

import (
	"math"
	"testing"
	"time"
)

func TestSaying(t *testing.T) {
	tests := []struct{ got, want string }{
		{amount(0), "0"},
		{amount(999.6), "1,000"},
		{amount(1234567), "1,234,567"},
		{percent(0.31), "31 %"},
		{percent(0.0246), "2.5 %"},
		{percent(0.03), "3 %"},
		{percent(0.00097), "0.1 %"},
		{percent(0.00004), "0.004 %"},
		{percent(1), "100 %"},
		{points(0.002), "0.2 points"},
		{about(455), "460"},
		{about(12345), "13,000"},
		{about(0.2), "1"},
		{oneIn(math.Log(394)), "390"},
		{oneIn(1000), "1,000,000"},
		{oneIn(none), "1"},
		{brief(41 * time.Second), "41 s"},
		{brief(8 * time.Minute), "8 min"},
		{brief(5 * time.Hour), "5 h"},
		{brief(math.MaxInt64), "never"},
		{latency(12345 * time.Millisecond), "12.3s"},
		{latency(403451096), "403ms"},
		{latency(1234567), "1.23ms"},
		{list(nil), ""},
		{list([]string{"p50"}), "p50"},
		{list([]string{"p50", "p95", "p99"}), "p50, p95 and p99"},
		{Missing.String(), "missing"},
		{Outcome(9).String(), "unknown"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
