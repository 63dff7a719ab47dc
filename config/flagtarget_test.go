package config

import (
	"testing"
)

func TestParseComparison(t *testing.T) {
	tests := []struct {
		in   string
		want Comparison
	}{
		{"1.2.3", Comparison{"=", "v1.2.3", ""}},
		{"v1.2.3", Comparison{"=", "v1.2.3", ""}},
		{"=1.2", Comparison{"=", "v1.2", ""}},
		{"!=1.2.3-rc.1+build", Comparison{"!=", "v1.2.3-rc.1+build", ""}},
		{">=v2", Comparison{">=", "v2", ""}},
		{"^1.2.3", Comparison{"^", "v1.2.3", "v2.0.0-0"}},
		{"^1", Comparison{"^", "v1", "v2.0.0-0"}},
		{"^0.2.3", Comparison{"^", "v0.2.3", "v0.3.0-0"}},
		{"^0.0.3", Comparison{"^", "v0.0.3", "v0.0.4-0"}},
		{"^0.0", Comparison{"^", "v0.0", "v0.1.0-0"}},
		{"^0", Comparison{"^", "v0", "v1.0.0-0"}},
		{"^1.2.3-rc.1+b-c", Comparison{"^", "v1.2.3-rc.1+b-c", "v2.0.0-0"}},
		{"~1.2.3", Comparison{"~", "v1.2.3", "v1.3.0-0"}},
		{"~1.2", Comparison{"~", "v1.2", "v1.3.0-0"}},
		{"~1", Comparison{"~", "v1", "v2.0.0-0"}},
	}
	for _, tt := range tests {
		if got, ok := ParseComparison(tt.in); !ok || got != tt.want {
			t.Errorf("ParseComparison(%q) = %+v, %v, want %+v", tt.in, got, ok, tt.want)
		}
	}
	for _, in := range []string{"", ">", "1.2.3.4", "01.2.3", "=>1.2.3", "^^1", "*", "1.x", "~vv1", "^99999999999999999999", "> 1", "-1"} {
		if got, ok := ParseComparison(in); ok {
			t.Errorf("ParseComparison(%q) = %+v, want it refused", in, got)
		}
	}
}
