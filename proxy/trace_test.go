package proxy

import (
	"net/http"
	"testing"
)

func TestTraceOf(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"none", nil, ""},
		{"sampled", []string{"00-" + id + "-00f067aa0ba902b7-01"}, id},
		{"with other flags", []string{"00-" + id + "-00f067aa0ba902b7-03"}, id},
		{"not sampled", []string{"00-" + id + "-00f067aa0ba902b7-00"}, ""},
		{"a later version", []string{"cc-" + id + "-00f067aa0ba902b7-01-what-follows"}, id},
		{"a version that cannot be", []string{"ff-" + id + "-00f067aa0ba902b7-01"}, ""},
		{"more behind version 00", []string{"00-" + id + "-00f067aa0ba902b7-01-more"}, ""},
		{"no trace", []string{"00-" + noTrace + "-00f067aa0ba902b7-01"}, ""},
		{"upper case", []string{"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"}, ""},
		{"no hex", []string{"00-4bf92f3577b34da6a3ce929d0e0e47\n6-00f067aa0ba902b7-01"}, ""},
		{"short", []string{"00-" + id + "-01"}, ""},
		{"without dashes", []string{"00+" + id + "-00f067aa0ba902b7-01"}, ""},
		{"twice", []string{"00-" + id + "-00f067aa0ba902b7-01", "00-" + id + "-00f067aa0ba902b7-01"}, ""},
	}
	for _, tt := range tests {
		if got := traceOf(http.Header{"Traceparent": tt.fields}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
