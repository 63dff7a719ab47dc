package h1

import (
	"fmt"
	"strings"
	"testing"
)

// lim are the limits of the tables: small, so that cases at and above them stay short to write.
var lim = Limits{MaxHead: 1024, MaxTarget: 256, MaxFields: 12}

// msg joins lines to a head: CRLF after each, and the empty line.
func msg(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// get is a GET / of HTTP/1.1 with a Host and more fields.
func get(fields ...string) string {
	return msg(append([]string{"GET / HTTP/1.1", "Host: a"}, fields...)...)
}

// post is a POST / of HTTP/1.1 with a Host and more fields.
func post(fields ...string) string {
	return msg(append([]string{"POST / HTTP/1.1", "Host: a"}, fields...)...)
}

// target is a GET of HTTP/1.1 for a request target.
func target(t string) string { return msg("GET "+t+" HTTP/1.1", "Host: a") }

// host is a GET / of HTTP/1.1 with a Host field.
func host(h string) string { return msg("GET / HTTP/1.1", "Host: "+h) }

// times repeats a field line with running numbers.
func times(n int) []string {
	var fields []string
	for i := range n {
		fields = append(fields, fmt.Sprintf("X-%d: y", i))
	}
	return fields
}

func refused(r *Refusal) string { return fmt.Sprintf("%d %s", r.Status, r.Reason) }

func describeRequest(r Request) string {
	s := fmt.Sprintf("%s %s %q %s", r.Method, r.Target, r.Host, r.Framing)
	if r.Framing == Length {
		s += fmt.Sprintf("=%d", r.Length)
	}
	return s + flags(map[string]bool{
		"1.0": !r.Version11, "close": r.Close, "upgrade": r.Upgrade, "expect": r.Expect, "differs": r.HostDiffers,
	})
}

func describeResponse(r Response) string {
	s := fmt.Sprintf("%d %s", r.Status, r.Framing)
	if r.Framing == Length {
		s += fmt.Sprintf("=%d", r.Length)
	}
	return s + flags(map[string]bool{"1.0": !r.Version11, "close": r.Close, "upgrade": r.Upgrade})
}

func flags(set map[string]bool) (s string) {
	for _, f := range []string{"1.0", "close", "upgrade", "expect", "differs"} {
		if set[f] {
			s += " " + f
		}
	}
	return s
}

// scanner is what the two scanners have in common.
type scanner interface {
	Scan(p []byte) (int, Event, *Refusal)
	Ahead() int64
}

// trace feeds the pieces to s as a connection would and returns all that was said: events with
// their bytes, events of one kind in a row as one, and the refusal or the bytes held back.
// on is called at each Head and each End.
func trace(t testing.TB, s scanner, pieces []string, on func(Event)) string {
	t.Helper()
	var out strings.Builder
	var buf []byte
	var last Event
	var run []byte
	flush := func() {
		if last != More {
			fmt.Fprintf(&out, "%s(%q) ", last, run)
		}
		last, run = More, nil
	}
	for _, piece := range pieces {
		buf = append(buf, piece...)
		for {
			sure := s.Ahead()
			n, event, bad := s.Scan(buf)
			if bad != nil {
				if n != 0 {
					t.Fatalf("Scan refused %d bytes with n = %d", len(buf), n)
				}
				flush()
				return out.String() + refused(bad)
			}
			if want := int(min(sure, int64(len(buf)))); n < want {
				t.Fatalf("Scan passed %d bytes, Ahead promised %d", n, want)
			}
			if event == More {
				if n != 0 {
					t.Fatalf("More with n = %d", n)
				}
				break
			}
			if event != last || event != Body && event != Tunnel && event != Drop {
				flush()
			}
			last, run, buf = event, append(run, buf[:n]...), buf[n:]
			if event == Head || event == End {
				on(event)
			}
		}
	}
	flush()
	return fmt.Sprintf("%sheld %q", out.String(), buf)
}

// splits yields raw whole, in two pieces cut at every place, and byte by byte.
func splits(raw string, yield func(how string, pieces []string)) {
	yield("whole", []string{raw})
	for i := 1; i < len(raw); i++ {
		yield(fmt.Sprintf("cut at %d", i), []string{raw[:i], raw[i:]})
	}
	yield("byte by byte", strings.Split(raw, ""))
}

// sameInSplits traces raw in all splits, each with a new scanner, and returns the one result.
func sameInSplits(t *testing.T, raw string, run func(pieces []string) string) string {
	t.Helper()
	var first string
	splits(raw, func(how string, pieces []string) {
		got := run(pieces)
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("%s:\n got %s\nelse %s", how, got, first)
		}
	})
	return first
}

func scanRequests(t testing.TB, pieces []string) string {
	t.Helper()
	s := &RequestScanner{Limits: lim}
	return trace(t, s, pieces, func(Event) {})
}

// scanResponse traces the response to one request.
func scanResponse(t testing.TB, method string, upgrade bool, pieces []string) string {
	t.Helper()
	s := &ResponseScanner{Limits: lim}
	if !s.Expect(method, upgrade) {
		t.Fatal("a new connection cannot carry a request")
	}
	return trace(t, s, pieces, func(Event) {})
}
