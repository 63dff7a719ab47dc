package h1

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// ev writes an event as trace does.
func ev(e Event, raw string) string { return fmt.Sprintf("%s(%q) ", e, raw) }

func TestRequestScanner(t *testing.T) {
	one, two := get("X: 1"), get("X: 2")
	length, chunked := post("Content-Length: 3"), post("Transfer-Encoding: chunked")
	inBody := post(fmt.Sprintf("Content-Length: %d", len(get())))
	last := get("Connection: close")
	head := func(h string) string { return ev(Head, h) }
	end := ev(End, "")
	tests := []struct {
		name, raw, want string
	}{
		{"pipelined", one + two, head(one) + end + head(two) + end + `held ""`},
		{"pipelined with bodies", length + "abc" + one + chunked + "1\r\nx\r\n0\r\n\r\n" + two, head(length) + ev(Body, "abc") + end + head(one) + end +
			head(chunked) + ev(Body, "1\r\nx\r\n0\r\n\r\n") + end + head(two) + end + `held ""`},
		{"body like a request", inBody + get(), head(inBody) + ev(Body, get()) + end + `held ""`},
		{"length zero", post("Content-Length: 0") + one, head(post("Content-Length: 0")) + end + head(one) + end + `held ""`},
		{"bad request behind a good one", one + "GET / HTTP/1.1\r\nHost : a\r\n\r\n", head(one) + end + "400 space-before-colon"},
		{
			"smuggled behind a body", length + "abc" + post("Content-Length: 1", "Transfer-Encoding: chunked"),
			head(length) + ev(Body, "abc") + end + "400 length-with-transfer-encoding",
		},
		{"bad chunk", chunked + "1\r\nx\r\nz", head(chunked) + ev(Body, "1\r\nx\r\n") + "400 bad-chunk-size"},
		{"trailers", chunked + "0\r\nX: y\r\n\r\n" + one, head(chunked) + ev(Body, "0\r\nX: y\r\n\r\n") + end + head(one) + end + `held ""`},
		{
			"empty line before a request", "\r\n" + one + "\r\n" + two,
			ev(Drop, "\r\n") + head(one) + end + ev(Drop, "\r\n") + head(two) + end + `held ""`,
		},
		{"two empty lines", "\r\n\r\n" + one, ev(Drop, "\r\n") + "400 bad-method"},
		{"cr and letter first", "\rGET / HTTP/1.1", "400 bad-method"},
		{"after close", last + two, head(last) + end + ev(Drop, two) + `held ""`},
		{"after 1.0", msg("GET / HTTP/1.0") + two, head(msg("GET / HTTP/1.0")) + end + ev(Drop, two) + `held ""`},
		{
			"close with body", post("Connection: close", "Content-Length: 3") + "abcGET",
			head(post("Connection: close", "Content-Length: 3")) + ev(Body, "abc") + end + ev(Drop, "GET") + `held ""`,
		},
		{"line without end", strings.Repeat("x", 1024), "414 target-too-long"},
		{"line without end below the limit", strings.Repeat("x", 1023), fmt.Sprintf("held %q", strings.Repeat("x", 1023))},
		{"head without end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 1024), "431 head-too-large"},
		{"limits hold for each request", strings.Repeat(one, 30), strings.Repeat(head(one)+end, 30) + `held ""`},
		{"tls", "\x16\x03\x01", "400 bad-method"},
		{
			"bytes behind an upgrade are held", get("Upgrade: websocket", "Connection: upgrade") + two,
			head(get("Upgrade: websocket", "Connection: upgrade")) + end + fmt.Sprintf("held %q", two),
		},
		{
			"too many bytes behind an upgrade", get("Upgrade: websocket", "Connection: upgrade") + strings.Repeat("x", 1024),
			head(get("Upgrade: websocket", "Connection: upgrade")) + end + "400 early-upgrade-data",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sameInSplits(t, tt.raw, func(pieces []string) string { return scanRequests(t, pieces) })
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRequestScannerUpgraded(t *testing.T) {
	head := get("Upgrade: websocket", "Connection: upgrade")
	want := ev(Head, head) + ev(End, "") + ev(Tunnel, "\x00any\nbytes") + `held ""`
	for _, when := range []Event{Head, End} {
		got := sameInSplits(t, head+"\x00any\nbytes", func(pieces []string) string {
			s := &RequestScanner{Limits: lim}
			return trace(t, s, pieces, func(e Event) {
				if e == when {
					s.Upgraded()
				}
			})
		})
		if got != want {
			t.Errorf("upgraded at %s:\n got %s\nwant %s", when, got, want)
		}
	}
}

func TestUpgradedWithoutUpgrade(t *testing.T) {
	s := &RequestScanner{}
	got := trace(t, s, []string{get() + "\x00"}, func(Event) { s.Upgraded() })
	if want := ev(Head, get()) + ev(End, "") + "400 bad-method"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestRefusalIsFinal(t *testing.T) {
	var s RequestScanner
	_, _, first := s.Scan([]byte("\x00"))
	if first == nil || s.Ahead() != 0 {
		t.Fatalf("Scan: %v, Ahead %d", first, s.Ahead())
	}
	if n, event, bad := s.Scan([]byte(get())); n != 0 || event != More || bad != first {
		t.Errorf("Scan after a refusal = %d, %s, %v", n, event, bad)
	}
	if s.EOF() != first {
		t.Errorf("EOF after a refusal = %v", s.EOF())
	}
}

func TestRequestScannerEOF(t *testing.T) {
	for raw, want := range map[string]*Refusal{
		"":                                    nil,
		get():                                 nil,
		"\r\n":                                nil,
		"GET":                                 errTruncated,
		post("Content-Length: 3"):             errTruncated,
		post("Content-Length: 3") + "ab":      errTruncated,
		post("Content-Length: 3") + "abc":     nil,
		post("Content-Length: 3") + "abcG":    errTruncated,
		post("Transfer-Encoding: chunked"):    errTruncated,
		get("Connection: close") + "whatever": nil,
	} {
		var s RequestScanner
		trace(t, &s, []string{raw}, func(Event) {})
		if got := s.EOF(); got != want {
			t.Errorf("EOF after %q = %v, want %v", raw, got, want)
		}
	}
}

// exchange is what a scripted run of a ResponseScanner expects before each response.
type exchange struct {
	method  string
	upgrade bool
}

// scanExchanges expects the first exchange at once and each other one at an End.
func scanExchanges(t *testing.T, list []exchange, pieces []string) string {
	t.Helper()
	s := &ResponseScanner{Limits: lim}
	denied := ""
	expect := func(e Event) {
		if len(list) == 0 || e == Head {
			return
		}
		if !s.Expect(list[0].method, list[0].upgrade) {
			denied = " denied"
		}
		list = list[1:]
	}
	expect(End)
	return trace(t, s, pieces, expect) + denied
}

func TestResponseScanner(t *testing.T) {
	length, chunked, early := ok("Content-Length: 3"), ok("Transfer-Encoding: chunked"), status("103 Early Hints", "Link: a")
	switching := status("101 x", "Upgrade: websocket", "Connection: upgrade")
	one, head, upgrade := exchange{"GET", false}, exchange{"HEAD", false}, exchange{"GET", true}
	end := ev(End, "")
	tests := []struct {
		name string
		list []exchange
		raw  string
		want string
	}{
		{"length", []exchange{one}, length + "abc", ev(Head, length) + ev(Body, "abc") + end + `held ""`},
		{"chunked", []exchange{one}, chunked + "1\r\nx\r\n0\r\n\r\n", ev(Head, chunked) + ev(Body, "1\r\nx\r\n0\r\n\r\n") + end + `held ""`},
		{"until close", []exchange{one}, ok() + "abc" + length, ev(Head, ok()) + ev(Body, "abc"+length) + `held ""`},
		{"nothing expected", nil, "H", "502 unsolicited-response"},
		{"nothing expected, whole response", nil, length + "abc", "502 unsolicited-response"},
		{"bytes behind a body", []exchange{one}, length + "abcd", ev(Head, length) + ev(Body, "abc") + end + "502 unsolicited-response"},
		{"second response unasked", []exchange{one}, length + "abc" + length, ev(Head, length) + ev(Body, "abc") + end + "502 unsolicited-response"},
		{"body in answer to head", []exchange{head}, length + "abc", ev(Head, length) + end + "502 unsolicited-response"},
		{"body of a 204", []exchange{one}, status("204 x") + "abc", ev(Head, status("204 x")) + end + "502 unsolicited-response"},
		{"body of a 304", []exchange{one}, status("304 x", "Content-Length: 3") + "abc", ev(Head, status("304 x", "Content-Length: 3")) + end + "502 unsolicited-response"},
		{"bytes behind the last chunk", []exchange{one}, chunked + "0\r\n\r\n\r\n", ev(Head, chunked) + ev(Body, "0\r\n\r\n") + end + "502 unsolicited-response"},
		{"bad chunk", []exchange{one}, chunked + "3\r\nabcd", ev(Head, chunked) + ev(Body, "3\r\nabc") + "502 bad-chunk-end"},
		{"trailer above the limit", []exchange{one}, chunked + "0\r\n" + strings.Repeat("x", 1024), ev(Head, chunked) + ev(Body, "0\r\n") + "502 head-too-large"},
		{"head above the limit", []exchange{one}, "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1024), "502 head-too-large"},
		{
			"interim",
			[]exchange{one},
			status("100 Continue") + early + early + length + "abc",
			ev(Interim, status("100 Continue")) + ev(Interim, early) + ev(Interim, early) + ev(Head, length) + ev(Body, "abc") + end + `held ""`,
		},
		{"100 interim", []exchange{one}, strings.Repeat(early, 100) + status("204 x"), strings.Repeat(ev(Interim, early), 100) + ev(Head, status("204 x")) + end + `held ""`},
		{"101 interim", []exchange{one}, strings.Repeat(early, 101), strings.Repeat(ev(Interim, early), 100) + "502 too-many-interim"},
		{"unasked 101", []exchange{one}, switching, "502 unasked-upgrade"},
		{"unasked 101 without upgrade", []exchange{one}, status("101 x"), "502 unasked-upgrade"},
		{"asked 101 to something else", []exchange{upgrade}, status("101 x", "Upgrade: h2c", "Connection: upgrade"), "502 bad-upgrade"},
		{"asked 101", []exchange{upgrade}, switching + "\x00\x01", ev(Head, switching) + ev(Tunnel, "\x00\x01") + `held ""`},
		{"asked 101 after 103", []exchange{upgrade}, early + switching + "x", ev(Interim, early) + ev(Head, switching) + ev(Tunnel, "x") + `held ""`},
		{"upgrade turned down", []exchange{upgrade, one}, length + "abc", ev(Head, length) + ev(Body, "abc") + end + `held ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := func(pieces []string) string { return scanExchanges(t, tt.list, pieces) }
			got := run([]string{tt.raw})
			if len(tt.raw) < 2000 {
				got = sameInSplits(t, tt.raw, run)
			}
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestInterimBytesAreBounded(t *testing.T) {
	s := &ResponseScanner{}
	s.Expect("GET", false)
	big := []byte(status("103 x", "X: "+strings.Repeat("y", 60<<10)))
	for i := range 5 {
		_, event, bad := s.Scan(big)
		if i < 4 && (event != Interim || bad != nil) {
			t.Fatalf("interim %d: %s, %v", i, event, bad)
		}
		if i == 4 && bad != errInterim {
			t.Errorf("interim %d of 60 KiB: %v", i, bad)
		}
	}
}

// Responses one after the other, with Expect called where a transport calls it: when the last body
// byte has been passed on, before End was asked for, or later.
func TestResponsesInTurn(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := &ResponseScanner{}
		for range 3 {
			if !s.Expect("GET", false) {
				t.Fatal("the connection cannot carry another request")
			}
			want := []Event{Head, Body}
			buf := []byte(ok("Content-Length: 3") + "abc")
			for len(buf) > 0 {
				n, event, bad := s.Scan(buf)
				if event == End {
					continue // owed from the response before
				}
				if bad != nil || event != want[0] {
					t.Fatalf("got %s, %v, want %s", event, bad, want[0])
				}
				want, buf = want[1:], buf[n:]
			}
			if _, event, _ := s.Scan(nil); late && event != End {
				t.Fatalf("got %s, want end", event)
			}
		}
	}
}

func TestExpectDenied(t *testing.T) {
	scanAll := func(raw string) func(*ResponseScanner) {
		return func(s *ResponseScanner) {
			s.Expect("GET", true)
			buf := []byte(raw)
			for {
				n, event, bad := s.Scan(buf)
				if buf = buf[n:]; bad != nil || event == More {
					return
				}
			}
		}
	}
	tests := []struct {
		name   string
		before func(*ResponseScanner)
		want   bool
	}{
		{"new", func(*ResponseScanner) {}, true},
		{"after a response", scanAll(ok("Content-Length: 0")), true},
		{"after a 304", scanAll(status("304 x")), true},
		{"while a response is expected", scanAll(""), false},
		{"after an interim response", scanAll(status("103 x")), false},
		{"in a body", scanAll(ok("Content-Length: 3")), false},
		{"in a chunked body", scanAll(ok("Transfer-Encoding: chunked") + "0\r\n"), false},
		{"until close", scanAll(ok()), false},
		{"after close", scanAll(ok("Connection: close", "Content-Length: 0")), false},
		{"after 1.0", scanAll(msg("HTTP/1.0 304 x")), false},
		{"after an upgrade", scanAll(status("101 x", "Upgrade: websocket", "Connection: upgrade")), false},
		{"after a refusal", scanAll("x\r\n\r\n"), false},
		{"after surplus bytes", scanAll(ok("Content-Length: 0") + "x"), false},
		{"while surplus bytes wait behind a head", func(s *ResponseScanner) {
			s.Expect("HEAD", false)
			s.Scan([]byte(ok("Content-Length: 3") + "abc"))
		}, false},
		{"while surplus bytes wait behind a body", func(s *ResponseScanner) {
			s.Expect("GET", false)
			head := ok("Content-Length: 3")
			s.Scan([]byte(head + "abcd"))
			s.Scan([]byte("abcd"))
		}, false},
		{"while surplus bytes wait behind an end", func(s *ResponseScanner) {
			s.Expect("HEAD", false)
			s.Scan([]byte(ok()))
			s.Scan([]byte("x"))
		}, false},
		{"expected twice while an end is owed", func(s *ResponseScanner) {
			s.Expect("HEAD", false)
			s.Scan([]byte(ok("Content-Length: 3")))
			s.Expect("GET", false)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s ResponseScanner
			tt.before(&s)
			if got := s.Expect("GET", false); got != tt.want {
				t.Errorf("Expect = %v", got)
			}
		})
	}
}

func TestResponseScannerEOF(t *testing.T) {
	for raw, whole := range map[string]bool{
		"":                               false,
		"HTTP/1.1 200 OK\r\n":            false,
		status("103 x"):                  false,
		ok("Content-Length: 0"):          true,
		ok("Content-Length: 3") + "ab":   false,
		ok("Content-Length: 3") + "abc":  true,
		ok("Transfer-Encoding: chunked"): false,
		ok("Transfer-Encoding: chunked") + "1\r\nx\r\n": false,
		ok("Transfer-Encoding: chunked") + "0\r\n\r\n":  true,
		ok() + "abc":                        true,
		msg("HTTP/1.0 200 OK"):              true,
		"x\r\n\r\n":                         false,
		ok("Content-Length: 0") + "surplus": false,
	} {
		s := &ResponseScanner{}
		if s.EOF() != nil {
			t.Error("EOF before anything was expected is refused")
		}
		s.Expect("GET", false)
		trace(t, s, []string{raw}, func(Event) {})
		if got := s.EOF(); (got == nil) != whole || got != nil && got.Status != 502 {
			t.Errorf("EOF after %q = %v", raw, got)
		}
	}
}

func TestNames(t *testing.T) {
	for e, want := range map[Event]string{More: "more", Interim: "interim", Tunnel: "tunnel", Event(99): "unknown"} {
		if e.String() != want {
			t.Errorf("Event(%d) = %s", e, e)
		}
	}
	for f, want := range map[Framing]string{None: "none", UntilClose: "until-close", Framing(99): "unknown"} {
		if f.String() != want {
			t.Errorf("Framing(%d) = %s", f, f)
		}
	}
}

func TestScannersTellWhatTheyFound(t *testing.T) {
	var q RequestScanner
	head := post("Expect: 100-continue", "Content-Length: 3")
	if _, event, bad := q.Scan([]byte(head + "abc")); event != Head || bad != nil {
		t.Fatalf("Scan = %s, %v", event, bad)
	}
	if got, want := describeRequest(q.Request()), `POST / "a" length=3 expect`; got != want {
		t.Errorf("Request is %s, want %s", got, want)
	}
	if n := q.Ahead(); n != 3 {
		t.Errorf("Ahead = %d in a body of 3", n)
	}

	var s ResponseScanner
	s.Expect("GET", true)
	raw := status("103 x") + status("101 x", "Upgrade: websocket", "Connection: upgrade")
	n, _, _ := s.Scan([]byte(raw))
	if got := s.Response().Status; got != 103 {
		t.Errorf("Response has status %d, want 103", got)
	}
	s.Scan([]byte(raw[n:]))
	if got, want := describeResponse(s.Response()), "101 none upgrade"; got != want {
		t.Errorf("Response is %s, want %s", got, want)
	}
	if n := s.Ahead(); n != math.MaxInt64 {
		t.Errorf("Ahead = %d in a tunnel", n)
	}
}
