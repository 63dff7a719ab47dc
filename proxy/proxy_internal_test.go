package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"
)

// Every name resolves to a link-local address here: see TestMain.
func TestLinkLocalNamesAreNotDialed(t *testing.T) {
	t.Parallel()
	for _, d := range []func() error{
		func() error { _, err := dial(t.Context(), time.Second, "tcp", "metadata.test:80"); return err },
		func() error {
			_, err := dialTLS(t.Context(), time.Second, "tcp", "metadata.test:443", false, nil)
			return err
		},
	} {
		if err := d(); !errors.Is(err, errLinkLocal) {
			t.Errorf("dial: %v", err)
		}
	}
}

func TestForwardedElement(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ peer, host, proto, want string }{
		{"192.0.2.1", "a.example:8080", "http", `for=192.0.2.1;host="a.example:8080";proto=http`},
		{"2001:db8::1", "[2001:db8::2]:443", "https", `for="[2001:db8::1]";host="[2001:db8::2]:443";proto=https`},
		{"unknown", "", "http", "for=unknown;proto=http"},
	} {
		if got := forwardedElement(tt.peer, tt.host, tt.proto); got != tt.want {
			t.Errorf("element is %s, want %s", got, tt.want)
		}
	}
}

// The tracker finds the gaps between frames however the stream is cut.
func TestFrames(t *testing.T) {
	t.Parallel()
	var stream []byte
	gaps := map[int]bool{0: true}
	add := func(head []byte, payload int) {
		stream = append(append(stream, head...), make([]byte, payload)...)
		gaps[len(stream)] = true
	}
	add([]byte{0x81, 0x00}, 0)
	add([]byte{0x81, 0x05}, 5)
	add([]byte{0x01, 0x7d}, 125)
	add([]byte{0x80, 0x7e, 0x00, 0x7e}, 126)
	add([]byte{0x89, 0x00}, 0)
	add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0x01, 0x02}, 258)
	add([]byte{0x82, 0x7e, 0x00, 0x00}, 0) // not minimal, but a length
	add([]byte{0x88, 0x02}, 2)
	for step := 1; step <= len(stream); step++ {
		for first := range min(step, len(stream)) {
			var f frames
			f.pass(stream[:first])
			for at := first; ; at = min(at+step, len(stream)) {
				if f.between() != gaps[at] {
					t.Fatalf("pieces of %d after %d: at %d between is %v, want %v", step, first, at, f.between(), gaps[at])
				}
				if at == len(stream) {
					break
				}
				f.pass(stream[at:min(at+step, len(stream))])
			}
		}
	}
}

// A kept connection that died has carried nothing, whatever the transport says of the head it wanted to write:
// when the next connection is refused, another target may still be tried.
func TestNothingWasSentOnADeadConnection(t *testing.T) {
	o := &outgoing{request: httptest.NewRequest(http.MethodGet, "/", nil)}
	mine, other := net.Pipe()
	defer mine.Close()
	defer other.Close()
	o.getConn("10.0.0.1:80")
	o.gotConn(httptrace.GotConnInfo{Conn: &upstreamConn{Conn: mine}, Reused: true})
	o.wroteHeaders()
	if o.sent() {
		t.Error("sent on a connection that has written nothing")
	}
	o.getConn("10.0.0.1:80") // and is refused
	if o.sent() {
		t.Error("sent although no connection was made")
	}
	o.gotConn(httptrace.GotConnInfo{Conn: mine}) // HTTP/2
	if !o.sent() {
		t.Error("not sent although a stream may have begun")
	}
}
