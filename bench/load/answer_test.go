package load

import (
	"fmt"
	"strings"
	"testing"
)

// TestAnswer feeds each response whole and in all pairs of pieces.
func TestAnswer(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nServer: a\r\n"
	for _, tt := range []struct {
		name, text string
		status     int
		body       int
		last       bool
		problem    string
	}{
		{name: "length", text: head + "Content-Length: 3\r\n\r\nabc", status: 200, body: 3},
		{name: "empty", text: "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\nConnection: Close\r\n\r\n", status: 404, last: true},
		{name: "chunks", text: head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", status: 200, body: 13},
		{name: "trailer", text: head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", status: 200, body: 1},
		{name: "more", text: head + "Content-Length: 3\r\n\r\nabcd", problem: "after the end"},
		{name: "no length", text: head + "\r\n", problem: "without length"},
		{name: "bad length", text: head + "Content-Length: x\r\n\r\n", problem: "length of an answer"},
		{name: "bad size", text: head + "Transfer-Encoding: chunked\r\n\r\nx\r\n", problem: "size of a chunk"},
		{name: "long chunk", text: head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", problem: "longer than it said"},
		{name: "no HTTP", text: "SSH-2.0-x\r\n\r\n", problem: "no answer"},
		{name: "endless", text: head + strings.Repeat("a", headLimit), problem: "no end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for cut := range min(len(tt.text), 200) {
				var a answer
				done, err := a.feed([]byte(tt.text[:cut]))
				if done && tt.problem == "" {
					t.Fatalf("complete after %d of %d bytes", cut, len(tt.text))
				}
				if err == nil {
					done, err = a.feed([]byte(tt.text[cut:]))
				}
				if tt.problem != "" {
					if err == nil || !strings.Contains(err.Error(), tt.problem) {
						t.Fatalf("cut at %d: error %v, want one with %q", cut, err, tt.problem)
					}
					continue
				}
				got, want := fmt.Sprint(done, err, a.status, a.body, a.last), fmt.Sprint(true, nil, tt.status, tt.body, tt.last)
				if got != want {
					t.Fatalf("cut at %d: %s, want %s", cut, got, want)
				}
			}
		})
	}
}
