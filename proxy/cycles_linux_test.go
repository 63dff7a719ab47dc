package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// descriptors is how many this process has open, one of them for the look itself.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// A process may serve, stop and serve again as often as it likes.
func TestCyclesLeaveNothing(t *testing.T) { // not parallel: it counts goroutines and descriptors
	cycles := 50
	if testing.Short() {
		cycles = 10
	}
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	leaks, open := goleak.IgnoreCurrent(), descriptors(t)
	for i := range cycles {
		t.Run("", func(t *testing.T) {
			r := start(t, one, map[string]string{"blue": blue})
			c := r.dial()
			defer c.Close()
			br := bufio.NewReader(c)
			for _, request := range []string{
				"GET / HTTP/1.1\r\n" + host + "\r\n",
				"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc",
				"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
				"GET / HTTP/1.0\r\n" + host + "\r\n", // net/http has the connection from here
			} {
				_, _ = io.WriteString(c, request)
				if res, body := answer(t, br, http.MethodGet); res.StatusCode != http.StatusOK || body != "ok" {
					t.Errorf("answer is %d %q", res.StatusCode, body)
				}
			}
			if i%25 == 0 { // clients that stay are waited for
				for _, begun := range []string{"", "GET / HT"} {
					d := r.dial()
					defer d.Close()
					_, _ = io.WriteString(d, begun)
				}
			}
			r.stop()
			<-r.finished
		})
	}
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
	eventually(t, "descriptors are as many as before", func() bool { return descriptors(t) <= open })
	t.Logf("%d descriptors before, %d after %d cycles", open, descriptors(t), cycles)
}
