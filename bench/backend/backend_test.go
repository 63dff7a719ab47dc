package backend

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAnswers reads what the server writes with net/http, all on one connection.
func TestAnswers(t *testing.T) {
	s := New()
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() { defer close(ended); s.serve(server) }()
	r := bufio.NewReader(client)
	for _, tt := range []struct {
		request string
		status  int
		body    int
		chunked bool
	}{
		{request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, body: 2},
		{request: "GET /100 HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, body: 100},
		{request: "POST /1024 HTTP/1.1\r\ncontent-length:5\r\nHost: a\r\n\r\n01234", status: 200, body: 1024},
		{request: "GET /chunked/4096 HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, body: 4096, chunked: true},
		{request: "GET /1048576 HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, body: 1 << 20},
		{request: "GET /10240 HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", status: 200, body: 10240},
	} {
		go func() { _, _ = io.WriteString(client, tt.request) }()
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.request, err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || len(body) != tt.body || (len(resp.TransferEncoding) > 0) != tt.chunked {
			t.Errorf("%q: %d with %d bytes, %v, %v", tt.request, resp.StatusCode, len(body), resp.TransferEncoding, err)
		}
	}
	<-ended // the client asked for it
	if got := s.Served(); got != 5 {
		t.Errorf("served %d, want 5", got)
	}
}

// TestNotUnderstood must not answer what it has not read to its end.
func TestNotUnderstood(t *testing.T) {
	for _, text := range []string{
		"GET\r\n\r\n", "POST /100 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST /100 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET /100 HTTP/1.1\r\nHost: a",
	} {
		if _, _, err := request(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, last, err := request(bufio.NewReader(strings.NewReader("OPTIONS / HTTP/1.0\r\n\r\n"))); err != nil || !last {
		t.Errorf("after a request of HTTP/1.0 the connection stays, %v", err)
	}
}
