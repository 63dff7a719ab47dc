package proxy_test

import (
	"bufio"
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

// What stands behind an answer poisons its connection, also when it came in a read that had no room for it.
func TestSurplusBehindAFullBuffer(t *testing.T) {
	t.Parallel()
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		const begin = "HTTP/1.1 200 OK\r\n"
		for _, buffer := range []int{4 << 10, 64 << 10, 128 << 10} {
			if head(br) == "" {
				return
			}
			_, _ = io.WriteString(c, begin)
			time.Sleep(20 * time.Millisecond) // so that the rest is read behind it
			rest := fmt.Sprintf("Content-Length: %5d\r\n\r\n", buffer-len(begin)-len("Content-Length: 12345\r\n\r\n"))
			rest += strings.Repeat("x", buffer-len(begin)-len(rest))
			_, _ = io.WriteString(c, rest+poison)
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	for range 4 {
		c := r.dial()
		br := bufio.NewReader(c)
		for i := range 4 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+host+"\r\n")
			res, body := answer(t, br, "GET")
			if res.StatusCode != 200 || strings.Trim(body, "x") != "" {
				t.Fatalf("request %d got %d %.10q", i, res.StatusCode, body)
			}
		}
		_ = c.Close()
	}
}

// A connection that is made too late for the request it was made for serves no other one.
func TestLateConnection(t *testing.T) {
	t.Parallel()
	const file = `services:
  quick: {hosts: [quick.example], timeouts: {connect: 1s, request: 200ms}, pools: {blue: ["{{a}}"]}, weights: {blue: 100}}
  patient: {hosts: [patient.example], timeouts: {connect: 3s}, pools: {blue: ["{{b}}"]}, weights: {blue: 100}}
`
	r := start(t, file, map[string]string{"a": full(t), "b": full(t)})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for _, tt := range []struct{ host, reason string }{{"quick", "request-timeout"}, {"patient", "connect-timeout"}} {
		began := time.Now()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+tt.host+".example\r\n\r\n")
		res, _ := answer(t, br, "GET")
		if res.StatusCode != 504 || res.Header.Get("Switchback-Reason") != tt.reason {
			t.Errorf("answer is %d %s, want 504 %s", res.StatusCode, res.Header.Get("Switchback-Reason"), tt.reason)
		}
		if took := time.Since(began); tt.host == "patient" && took < 2*time.Second {
			t.Errorf("failed after %v by another one's connection", took)
		}
	}
}

// A kept connection that ends when it gets a request: GET is sent again elsewhere, POST never.
func TestKeptConnectionDiesWithARequest(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	times := map[string]int{}
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for i := range 2 {
			h := head(br)
			if h == "" {
				return
			}
			mu.Lock()
			times[strings.SplitN(h, " HTTP", 2)[0]]++
			mu.Unlock()
			if strings.HasPrefix(h, "POST") {
				_, _ = br.Discard(3)
			}
			if i == 0 {
				_, _ = io.WriteString(c, okResponse)
			}
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	failed := 0
	for i := range 60 {
		request := get(fmt.Sprintf("/%d", i))
		method := "GET"
		if i%3 == 1 {
			method, request = "POST", post(fmt.Sprintf("/%d", i), "abc")
		}
		_, _ = io.WriteString(c, request)
		res, body := answer(t, br, method)
		switch {
		case res.StatusCode == 200 && body == "ok":
		case method == "POST" && res.StatusCode == 502 && res.Header.Get("Switchback-Reason") == "upstream-closed":
			failed++
		default:
			t.Fatalf("%s %d: answer is %d %s", method, i, res.StatusCode, res.Header.Get("Switchback-Reason"))
		}
	}
	if failed == 0 {
		t.Error("no POST met a connection that ended")
	}
	again := 0
	for request, n := range times {
		if n > 2 || n > 1 && strings.HasPrefix(request, "POST") {
			t.Errorf("%s was sent %d times", request, n)
		}
		again += n - 1
	}
	if again == 0 {
		t.Error("no GET met a connection that ended")
	}
}

// Nothing of a body where none belongs is read as the next answer.
func TestBodyWhereNoneBelongs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, method, response string }{
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n"},
		{"304 in chunks", "GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n"},
		{"HEAD in chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"length", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"chunks", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				for n := 0; ; n++ {
					switch h := head(br); {
					case h == "":
						return
					case n > 0:
						t.Errorf("the connection was used again: %.20q", h)
					}
					_, _ = io.WriteString(c, tt.response+poison)
				}
			})
			r := start(t, one, map[string]string{"blue": blue})
			c := r.dial()
			defer c.Close()
			br := bufio.NewReader(c)
			for range 10 {
				_, _ = io.WriteString(c, tt.method+" / HTTP/1.1\r\n"+host+"\r\n")
				if res, body := answer(t, br, tt.method); body != "" || res.Close || !strings.Contains(tt.response, res.Status[:3]) {
					t.Fatalf("answer is %d %q, close %v", res.StatusCode, body, res.Close)
				}
			}
		})
	}
}

// A client that goes away cancels its request, and is nobody's failure.
func TestPlainClientGone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, request, begin string
		takes                int64 // of the body
	}{
		{"before the head", get("/"), "", 0},
		{"during the body", get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", 0},
		{"during chunks", get("/"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", 0},
		{"during the upload", "POST / HTTP/1.1\r\n" + host + "Content-Length: 100\r\n\r\nsome", "", 4},
		{"during both", "POST / HTTP/1.1\r\n" + host + "Content-Length: 100\r\n\r\nsome", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome", 4},
		{"between requests", get("/ok"), okResponse, 0},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", tt.name, reset), func(t *testing.T) {
				t.Parallel()
				arrived, left := make(chan struct{}), make(chan struct{})
				blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
					_ = head(br)
					_, _ = io.CopyN(io.Discard, br, tt.takes)
					_, _ = io.WriteString(c, tt.begin)
					close(arrived)
					_, _ = br.ReadByte()
					close(left)
				})
				r := start(t, one, map[string]string{"blue": blue})
				c := r.dial()
				_, _ = io.WriteString(c, tt.request)
				<-arrived
				if tt.begin != "" {
					_ = head(bufio.NewReader(c))
				}
				if reset {
					_ = c.(interface{ SetLinger(sec int) error }).SetLinger(0)
				}
				_ = c.Close()
				outcome := "ok"
				if tt.begin != okResponse {
					<-left
					outcome = "client_gone"
				}
				eventually(t, "booked", func() bool { return r.inflight() == 0 && r.scrape("switchback_attempts_total") != "" })
				if got := r.scrape("switchback_attempts_total"); got != attempts(outcome) {
					t.Errorf("booked as %s", got)
				}
				eventually(t, "connection is gone", func() bool { return strings.HasSuffix(r.scrapeAll("switchback_connections{"), " 0") })
				inFlightZero(t, r)
			})
		}
	}
}

// Large bodies pass byte for byte, however they are framed, also several at once and to slow readers.
func TestLargePlainBodies(t *testing.T) {
	t.Parallel()
	const size = 5 << 20
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, sum(slowly(r.Body, r.URL.Path)))
			return
		}
		switch r.URL.Path {
		case "/length", "/slow":
			w.Header().Set("Content-Length", fmt.Sprint(size))
		case "/until-close":
			c, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = buf.WriteString("HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(buf, junk(size))
			_ = buf.Flush()
			return
		}
		_, _ = io.Copy(w, junk(size))
	})
	r := start(t, one, map[string]string{"blue": blue})
	want := sum(junk(size))
	var clients sync.WaitGroup
	for _, path := range []string{"/length", "/chunked", "/until-close", "/slow"} {
		clients.Go(func() {
			transport := &http.Transport{DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: time.Minute}
			for range 3 {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+path, nil)
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if got := sum(slowly(res.Body, path)); got != want {
					t.Errorf("GET %s: got %s, want %s", path, got, want)
				}
				_ = res.Body.Close()
				req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+path, junk(size))
				if path == "/length" || path == "/slow" {
					req.ContentLength = size
				}
				if res, err = client.Do(req); err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if string(got) != want {
					t.Errorf("POST %s: got %s, want %s", path, got, want)
				}
			}
		})
	}
	clients.Wait()
	inFlightZero(t, r)
}

// slowly stops now and then, if the path says so.
func slowly(r io.Reader, path string) io.Reader {
	if path != "/slow" {
		return r
	}
	return readerFunc(func(p []byte) (int, error) {
		time.Sleep(time.Millisecond)
		return r.Read(p[:min(len(p), 31<<10)])
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Downloads and uploads that never end leave their turn to others.
func TestLargeBodiesStarveNobody(t *testing.T) { // not parallel: it takes all it can get
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.Copy(w, new(sequence))
		}
		_, _ = io.WriteString(w, "ok")
	})
	r := start(t, one, map[string]string{"blue": blue})
	var moved [8]atomic.Int64
	var busy sync.WaitGroup
	var conns []net.Conn
	for i := range moved {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		counted := readerFunc(func(p []byte) (int, error) {
			moved[i].Add(int64(len(p)))
			return len(p), nil
		})
		busy.Go(func() {
			if i%4 == 3 {
				_, _ = io.WriteString(c, "POST /endless HTTP/1.1\r\n"+host+"Content-Length: 999999999999999\r\n\r\n")
				_, _ = io.Copy(struct{ io.Writer }{c}, counted)
				return
			}
			_, _ = io.WriteString(c, get("/endless"))
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				moved[i].Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	eventually(t, "all move", func() bool {
		for i := range moved {
			if moved[i].Load() < 1<<20 {
				return false
			}
		}
		return true
	})
	for range 4 { // whatever loop they are given to
		c := r.dial()
		br := bufio.NewReader(c)
		for range 10 {
			_, _ = io.WriteString(c, get("/"))
			if _, body := answer(t, br, "GET"); body != "ok" {
				t.Errorf("answer is %q", body)
			}
		}
		_ = c.Close()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	busy.Wait()
	inFlightZero(t, r)
}

// Connections that come and go by the hundreds, in the middle of anything, disturb no other one: a descriptor that is
// used again has nothing of the one before.
func TestDescriptorsAreUsedAgain(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Query().Has("drop") {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, r.URL.Path+" "+string(b))
	})
	r := start(t, one, map[string]string{"blue": blue})
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	var steady sync.WaitGroup
	for n := range 4 {
		steady.Go(func() {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			br := bufio.NewReader(c)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("/steady-%d-%d", n, i)
				_, _ = io.WriteString(c, post(id, id))
				if _, body := answer(t, br, "POST"); body != id+" "+id {
					t.Errorf("%s got %q", id, body)
					return
				}
			}
		})
	}
	for n := range 8 {
		clients.Go(func() {
			for i := range rounds {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				id := fmt.Sprintf("/%d-%d", n, i)
				switch i % 6 {
				case 0, 1:
					_, _ = io.WriteString(c, get(id))
					if _, body := answer(t, bufio.NewReader(c), "GET"); body != id+" " {
						t.Errorf("%s got %q", id, body)
					}
				case 2:
					_, _ = io.WriteString(c, "GET / HT")
				case 3:
					_, _ = io.WriteString(c, "POST "+id+" HTTP/1.1\r\n"+host+"Content-Length: 100\r\n\r\nhalf")
				case 4:
					_, _ = io.WriteString(c, get(id)+get(id)+get(id))
				case 5:
					_, _ = io.WriteString(c, get(id+"?drop"))
					_, _ = bufio.NewReader(c).ReadByte()
				}
				if i%4 == 0 {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				_ = c.Close()
			}
		})
	}
	clients.Wait()
	close(stop)
	steady.Wait()
	eventually(t, "all connections are gone", func() bool { return strings.HasSuffix(r.scrapeAll("switchback_connections{"), " 0") })
	inFlightZero(t, r)
}

// A thousand requests in one go get a thousand answers, in their order.
func TestPipelineOfAThousand(t *testing.T) {
	t.Parallel()
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.URL.Path+string(b))
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	defer c.Close()
	var all strings.Builder
	const n = 1000
	for i := range n {
		switch id := fmt.Sprintf("/%d", i); i % 4 {
		case 0:
			all.WriteString(post(id, strings.Repeat("b", i)))
		case 1:
			all.WriteString(chunks(id, ""))
		case 2:
			all.WriteString(get(id, "X-Long: "+strings.Repeat("x", 3*i)))
		case 3:
			all.WriteString(get(id))
		}
	}
	go func() { _, _ = io.WriteString(c, all.String()) }()
	br := bufio.NewReader(c)
	for i := range n {
		want := fmt.Sprintf("/%d", i) + []string{strings.Repeat("b", i), "abcde", "", ""}[i%4]
		if res, body := answer(t, br, "GET"); body != want {
			t.Fatalf("answer %d is %d %q", i, res.StatusCode, body)
		}
	}
}

// After any number of requests in an event loop a connection may be given to net/http, and no byte is lost.
func TestHandOver(t *testing.T) {
	t.Parallel()
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for {
			q, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if q.Header.Get("Upgrade") != "" {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_, _ = io.Copy(c, br)
				return
			}
			if q.Header.Get("Expect") != "" {
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			body, _ := io.ReadAll(q.Body)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s%s", len(q.URL.Path)+len(body)+len(q.Trailer.Get("X-Sum")), q.URL.Path, body, q.Trailer.Get("X-Sum"))
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	kinds := []struct {
		name, request, want string
		socket              bool // bytes go to and fro
		ends                bool // nothing more is answered
	}{
		{"websocket", handshake + "\r\nearly", "", true, false},
		{"expect", "POST /e HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody", "/ebody", false, false},
		{"HTTP/1.0", "POST /o HTTP/1.0\r\n" + host + "Content-Length: 4\r\n\r\nbody", "/obody", false, true},
		{"HTTP/1.0, kept", "POST /k HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody", "/kbody", false, false},
		{"absolute form", "POST http://a.example/a HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody", "/abody", false, false},
		{"trailers", chunks("/t", "X-Sum: 42\r\n", "Trailer: X-Sum"), "/tabcde42", false, false},
	}
	rounds := 400
	if testing.Short() {
		rounds = 100
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		kind, before, after := kinds[round%len(kinds)], random.IntN(4), random.IntN(4)
		if kind.socket || kind.ends {
			after = 0
		}
		all, want := "", []string{}
		add := func(n int) {
			for i := range n {
				all += post(fmt.Sprintf("/%d", i), "body")
				want = append(want, fmt.Sprintf("/%dbody", i))
			}
		}
		add(before)
		all += kind.request
		if !kind.socket {
			want = append(want, kind.want)
		}
		add(after)
		c := r.dial()
		parts, sent := []string{}, make(chan struct{})
		for len(all) > 0 { // anywhere cut
			n := min(len(all), 1+random.IntN(200))
			parts, all = append(parts, all[:n]), all[n:]
		}
		go func() {
			defer close(sent)
			for _, part := range parts {
				_, _ = io.WriteString(c, part)
			}
		}()
		br := bufio.NewReader(c)
		for i, want := range want {
			res, body := answer(t, br, "POST")
			for res.StatusCode == 100 {
				res, body = answer(t, br, "POST")
			}
			if res.StatusCode != 200 || body != want {
				t.Fatalf("%s, round %d: answer %d is %d %q, want %q", kind.name, round, i, res.StatusCode, body, want)
			}
		}
		if kind.socket {
			if h := head(br); !strings.HasPrefix(h, "HTTP/1.1 101 ") {
				t.Fatalf("round %d: handshake is %q", round, h)
			}
			<-sent
			_, _ = io.WriteString(c, "late")
			echo := make([]byte, len("earlylate"))
			if _, err := io.ReadFull(br, echo); string(echo) != "earlylate" {
				t.Fatalf("round %d: echo is %q %v", round, echo, err)
			}
		}
		_ = c.Close()
	}
	eventually(t, "all connections are gone", func() bool { return strings.HasSuffix(r.scrapeAll("switchback_connections{"), " 0") })
	inFlightZero(t, r)
}
