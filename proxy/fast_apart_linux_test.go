package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// What one client sends never reaches another one of the same event loop, also when an answer ends by the end of its
// connection, with nothing to read at that moment.
func TestClientsStayApart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ends := map[string]chan struct{}{}
	end := func(path string) chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		if ends[path] == nil {
			ends[path] = make(chan struct{})
		}
		return ends[path]
	}
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for {
			h := head(br)
			if h == "" {
				return
			}
			path := strings.Fields(h)[1]
			if path == "/other" {
				_, _ = io.WriteString(c, okResponse)
				continue
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+path)
			<-end(path)
			return
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	const secret = "Cookie: secret=of-the-other-client\r\n"
	for i := range 4 * runtime.GOMAXPROCS(0) {
		slow, other := r.dial(), make([]net.Conn, runtime.GOMAXPROCS(0))
		path := fmt.Sprintf("/slow%d", i)
		_, _ = io.WriteString(slow, "GET "+path+" HTTP/1.1\r\n"+host+"\r\n")
		br := bufio.NewReader(slow)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k := range other { // one on each loop
			other[k] = r.dial()
			_, _ = io.WriteString(other[k], "GET /other HTTP/1.1\r\n"+host+secret+"\r\n")
			if _, body := answer(t, bufio.NewReader(other[k]), "GET"); body != "ok" {
				t.Fatalf("the other one got %q", body)
			}
			_, _ = io.WriteString(other[k], "GET /other HTTP/1.1\r\n"+host+secret+"\r\n")
		}
		close(end(path))
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != path || err != nil {
			t.Fatalf("body is %q, %v", body, err)
		}
		_ = slow.Close()
		for _, c := range other {
			_ = c.Close()
		}
	}
}
