package health

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

func TestNotLinkLocal(t *testing.T) {
	tests := []struct {
		address string
		refused bool
	}{
		{"169.254.169.254:80", true},
		{"[fe80::1%eth0]:80", true},
		{"[::ffff:169.254.169.254]:80", true},
		{"127.0.0.1:80", false},
		{"10.0.0.1:80", false},
		{"[2001:db8::1]:80", false},
	}
	for _, tt := range tests {
		err := notLinkLocal(t.Context(), "tcp", tt.address, nil)
		if (err != nil) != tt.refused {
			t.Errorf("%s: %v, want refused %v", tt.address, err, tt.refused)
		}
	}
}

func TestReason(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "green.test", Err: "no such host"}}, "resolve green.test: no such host"},
		{&net.OpError{Op: "dial", Err: errLinkLocal}, "the name stands for a link-local address, which is not probed"},
	}
	for _, tt := range tests {
		if got := explain(tt.err, check{timeout: time.Second}).Error(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[31m\r\nb\xff"); got != "a?[31m??b?" {
		t.Errorf("%q", got)
	}
	if got := printable(strings.Repeat("é", 1000)); len(got) > 210 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestQuestionHidesTheQuery(t *testing.T) {
	c := check{path: "/healthz?token=secret", accept: []config.StatusRange{{From: 200, To: 204}, {From: 301, To: 301}}}
	if got := c.question() + ", " + c.expected(); got != "GET /healthz, 200–204, 301" {
		t.Errorf("%q", got)
	}
}
