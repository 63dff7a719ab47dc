package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// unruly is an upstream that does what the path says, among other things nothing good.
func unruly(t testing.TB, name string) string {
	return upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Pool", name)
		w.Header().Set("X-Id", r.Header.Get("X-Id"))
		what, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch what {
		case "early":
			w.WriteHeader(413)
			return
		case "die":
			panic(http.ErrAbortHandler)
		case "cut":
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "slow":
			time.Sleep(5 * time.Millisecond)
		case "hints":
			w.WriteHeader(103)
		case "duplex":
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Header.Get("X-Id"))
	})
}

// Everything at once: nobody gets what is another's, nothing panics, nothing is left.
func TestChaos(t *testing.T) {
	t.Parallel()
	urls := map[string]string{"blue": unruly(t, "blue"), "green": unruly(t, "green")}
	secure := tlsListener(t, "127.0.0.1")
	tables := []string{split(100), split(0), split(50)}
	plain := start(t, tables[0], urls)
	crypt := start(t, secure+tables[0], urls)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var clients sync.WaitGroup
	var answered atomic.Int64
	for n := range 4 {
		clients.Go(func() { storm(ctx, t, &http.Client{Transport: &http.Transport{}}, "http://"+plain.addr, n, &answered) })
		clients.Go(func() { storm(ctx, t, tlsClient(t, n%2 == 0), "https://"+crypt.addr, n, &answered) })
		clients.Go(func() { rude(ctx, plain) })
	}
	for i := 0; ctx.Err() == nil; i++ {
		plain.swap(tables[i%3], urls)
		crypt.swap(secure+tables[i%3], urls)
		time.Sleep(3 * time.Millisecond)
	}
	clients.Wait()
	for _, r := range []*rig{plain, crypt} {
		inFlightZero(t, r)
		for _, e := range r.logs.All() {
			if strings.Contains(e.Message, "panic") {
				t.Errorf("logged: %s", e.Message)
			}
		}
		if got := r.scrape(`switchback_attempts_total{outcome="unexpected"`); got != "" {
			t.Errorf("booked as %s", got)
		}
	}
	if answered.Load() < 20 {
		t.Errorf("only %d answers", answered.Load())
	}
}

// storm asks until ctx ends; each answer must be its own.
func storm(ctx context.Context, t *testing.T, client *http.Client, url string, n int, answered *atomic.Int64) {
	defer client.CloseIdleConnections()
	kinds := []string{"good", "good", "early", "die", "cut", "slow", "hints", "duplex"}
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("%d-%d", n, i)
		one, cancel := context.WithCancel(ctx)
		if rand.IntN(5) == 0 {
			time.AfterFunc(rand.N(4*time.Millisecond), cancel)
		}
		var body io.Reader
		switch rand.IntN(3) {
		case 0:
			body = junk(rand.Int64N(200 << 10))
		case 1:
			body = strings.NewReader(strings.Repeat("x", rand.IntN(10000)))
		}
		kind := kinds[rand.IntN(len(kinds))]
		req, _ := http.NewRequestWithContext(one, http.MethodPost, url+"/"+kind+"/", body)
		req.Header.Set("X-Id", id)
		switch kind {
		case "good", "slow", "hints", "early": // the other kinds of upstream wait for a body they do not ask for
			if rand.IntN(4) == 0 {
				req.Header.Set("Expect", "100-continue")
			}
		}
		if res, err := client.Do(req); err == nil {
			got, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if have := res.Header.Get("X-Id"); res.Header.Get("X-Pool") != "" && have != id {
				t.Errorf("request %s got the head of %s", id, have)
			}
			if err == nil && res.StatusCode == 200 && strings.TrimPrefix(string(got), "begin") != id {
				t.Errorf("request %s got %q", id, got)
			}
			answered.Add(1)
		}
		cancel()
	}
}

// rude sends what it likes and leaves when it likes.
func rude(ctx context.Context, r *rig) {
	pieces := []string{
		"GET /good/ HTTP/1.1\r\n" + host + "\r\n", "POST /slow/ HTTP/1.1\r\n" + host + "Content-Length: 100\r\n\r\nhalf",
		"POST /good/ HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "0\r\n\r\n", "zz\r\n", "GET / HT", "\r\n", handshake + "\r\n",
		"POST /early/ HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	}
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(rand.N(20 * time.Millisecond)))
		for range rand.IntN(5) {
			_, _ = io.WriteString(c, pieces[rand.IntN(len(pieces))])
		}
		if rand.IntN(2) == 0 {
			_, _ = io.Copy(io.Discard, bufio.NewReader(c))
		}
		_ = c.Close()
	}
}
