package demo

import (
	"strings"
	"testing"
	"time"
)

func TestParseFault(t *testing.T) {
	tests := []struct {
		in   string
		want Fault
		text string // how String writes it
	}{
		{"", Fault{}, "none"},
		{"none", Fault{}, "none"},
		{"errors=5%", Fault{Errors: 0.05}, "errors=5%"},
		{"errors=0%", Fault{}, "none"},
		{"errors=100%", Fault{Errors: 1}, "errors=100%"},
		{"latency=200ms", Fault{Latency: 200 * time.Millisecond}, "latency=200ms"},
		{"hang=10%", Fault{Hang: 0.1}, "hang=10%"},
		{"hang=1%,errors=2%", Fault{Errors: 0.02, Hang: 0.01}, "errors=2%,hang=1%"},
		{"errors=2.5%, latency=1s", Fault{Errors: 0.025, Latency: time.Second}, "errors=2.5%,latency=1s"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseFault(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("ParseFault = %+v, %v, want %+v", got, err, tt.want)
			}
			if got.String() != tt.text {
				t.Errorf("String = %q, want %q", got, tt.text)
			}
		})
	}
}

func TestParseFaultRefuses(t *testing.T) {
	tests := []struct{ in, say string }{
		{"errors=5", "percentage"},
		{"errors=101%", "percentage"},
		{"errors=-1%", "percentage"},
		{"errors=NaN%", "percentage"},
		{"errors=%", "percentage"},
		{"hang=1s", "percentage"},
		{"latency=200", "duration"},
		{"latency=-1s", "duration"},
		{"latency=1h", "duration"},
		{"memory=5%", "neither errors nor latency"},
		{"errors=5%,", "neither errors nor latency"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseFault(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Fatalf("ParseFault = %+v, %v, want an error that says %q", got, err, tt.say)
			}
			if !strings.Contains(err.Error(), "errors=5%") {
				t.Errorf("error %q does not show how to write it", err)
			}
			if got != (Fault{}) {
				t.Errorf("fault %+v beside an error", got)
			}
		})
	}
}
