package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// queued is how many bytes the kernel holds for the sockets of two addresses, in both directions.
func queued(t *testing.T, a, b net.Addr) (n int64) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	port := func(a net.Addr) string { return fmt.Sprintf("0100007F:%04X", a.(*net.TCPAddr).Port) }
	pairs := []string{port(a) + " " + port(b), port(b) + " " + port(a)}
	for line := range strings.SplitSeq(string(table), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || !slices.Contains(pairs, f[1]+" "+f[2]) {
			continue
		}
		var tx, rx int64
		if _, err := fmt.Sscanf(f[4], "%x:%x", &tx, &rx); err != nil {
			t.Fatal(err)
		}
		n += tx + rx
	}
	return n
}

// What waits for a reader that does not read waits in the kernel and at its other end: between the two the proxy
// keeps a few buffers, and no more.
func TestSlowReadersAreNotBufferedFor(t *testing.T) {
	t.Parallel()
	const size = 50 << 20
	const most = 1 << 20
	for _, tt := range []struct{ name, framing string }{
		{"response", "Content-Length: 52428800\r\n"}, {"response in chunks", "Transfer-Encoding: chunked\r\n"}, {"response until close", ""}, {"request", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			write := func(c net.Conn, chunked bool) {
				buf := make([]byte, 32<<10)
				begin, end := "", ""
				if chunked {
					begin, end = "8000\r\n", "\r\n"
				}
				for sent := 0; sent < size; sent += len(buf) {
					for _, part := range []string{begin, string(buf), end} {
						n, err := io.WriteString(c, part)
						written.Add(int64(n))
						if err != nil {
							return
						}
					}
				}
			}
			upstreams := make(chan net.Conn, 1)
			blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
				_ = head(br)
				upstreams <- c
				if tt.name != "request" {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+tt.framing+"\r\n")
					write(c, strings.HasPrefix(tt.framing, "T"))
				}
				<-t.Context().Done()
			})
			r := start(t, one, map[string]string{"blue": blue})
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if tt.name == "request" {
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\n"+host+"Content-Length: 52428800\r\n\r\n")
				go write(c, false)
			} else {
				_, _ = io.WriteString(c, get("/"))
			}
			u := <-upstreams
			last, since := int64(-1), time.Now()
			eventually(t, "the writer is stopped", func() bool {
				if n := written.Load(); n != last {
					last, since = n, time.Now()
				}
				return last > 0 && time.Since(since) > 500*time.Millisecond
			})
			held := last - queued(t, c.LocalAddr(), c.RemoteAddr()) - queued(t, u.LocalAddr(), u.RemoteAddr())
			if last >= size || held > most {
				t.Errorf("%d of %d bytes were taken, %d of which are not in the kernel", last, size, held)
			}
		})
	}
}

// Without descriptors nobody is accepted, but who has been is served; and as soon as there are some, all are. Where
// that takes a new connection to a target, the target is not to blame.
func TestDescriptorsExhaustedWhileServing(t *testing.T) {
	const variable = "SWITCHBACK_TEST_EXHAUSTED"
	if os.Getenv(variable) == "" { // the limit is the process's
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDescriptorsExhaustedWhileServing$", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const file = `services:
  web: {pools: {blue: ["{{blue}}"]}, weights: {blue: 100}}
  other: {hosts: [other.example], pools: {green: ["{{green}}"]}, weights: {green: 100}}`
	r := start(t, file, map[string]string{"blue": named(t, "blue"), "green": named(t, "green")})
	c := r.dial()
	br := bufio.NewReader(c)
	ask := func() {
		t.Helper()
		_, _ = io.WriteString(c, get("/"))
		if _, body := answer(t, br, "GET"); body != "blue" {
			t.Fatalf("answer is %q", body)
		}
	}
	ask() // and the target's connection is kept
	var waiting []int
	for range 3 {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, fd)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	after := before
	after.Cur = 200
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &after); err != nil {
		t.Fatal(err)
	}
	var fill []int
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_CLOEXEC, 0)
		if err != nil {
			if !errors.Is(err, syscall.EMFILE) {
				t.Fatal(err)
			}
			break
		}
		fill = append(fill, fd)
	}
	port := c.RemoteAddr().(*net.TCPAddr).Port
	for _, fd := range waiting {
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Write(fd, []byte(get("/", "Connection: close"))); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		ask()
		time.Sleep(5 * time.Millisecond) // so that accepting fails now and then
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
	if res, _ := answer(t, br, "GET"); res.StatusCode != 503 || res.Header.Get("Switchback-Reason") != "no-resources" {
		t.Errorf("without a descriptor for the target the answer is %d %s", res.StatusCode, res.Header.Get("Switchback-Reason"))
	}
	for _, fd := range fill {
		_ = syscall.Close(fd)
	}
	for _, fd := range waiting {
		var all []byte
		for buf := make([]byte, 4096); ; {
			n, err := syscall.Read(fd, buf)
			if err != nil || n == 0 {
				break
			}
			all = append(all, buf[:n]...)
		}
		if !strings.HasSuffix(string(all), "\r\n\r\nblue") {
			t.Errorf("who waited got %q", all)
		}
		_ = syscall.Close(fd)
	}
	ask()
	if got := r.count("switchback_attempts_total", `service="other"`, `outcome="unexpected"`); got != 1 {
		t.Errorf("%d attempts are booked as ours", got)
	}
	_ = c.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Error(err)
	}
}

// A client that resets is gone, also when it has sent the next request ahead.
func TestResetBehindThePipeline(t *testing.T) {
	t.Parallel()
	if testPath() == generalPath {
		t.Skip("net/http reads the next request instead of looking")
	}
	arrived, left := make(chan struct{}), make(chan struct{})
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		_ = head(br)
		close(arrived)
		_, _ = br.ReadByte()
		close(left)
	})
	r := start(t, one, map[string]string{"blue": blue})
	c := r.dial()
	_, _ = io.WriteString(c, get("/")+get("/"))
	<-arrived
	_ = c.(interface{ SetLinger(sec int) error }).SetLinger(0)
	_ = c.Close()
	eventually(t, "noticed", func() bool { return r.inflight() == 0 })
	<-left
	if got := r.scrape("switchback_attempts_total"); got != attempts("client_gone") {
		t.Errorf("booked as %s", got)
	}
}

// However busy the general path is, the event loops of the same process get their turn.
func TestBusyGeneralPath(t *testing.T) {
	block := strings.Repeat("x", 32<<10)
	blue := rawUpstream(t, func(c net.Conn, br *bufio.Reader) {
		for h := head(br); h != ""; h = head(br) {
			if strings.HasPrefix(h, "GET /small ") {
				_, _ = io.WriteString(c, okResponse)
				continue
			}
			pour(c, "HTTP/1.1 200 OK\r\n\r\n", block)
			return
		}
	})
	r := start(t, one, map[string]string{"blue": blue})
	read := make([]atomic.Int64, 2*runtime.GOMAXPROCS(0))
	for i := range read {
		c := r.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET /endless HTTP/1.0\r\n"+host+"\r\n") // which the loops leave to net/http
		go func() {
			for buf := make([]byte, 32<<10); ; {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				read[i].Add(int64(n))
			}
		}()
	}
	c := r.dial()
	defer c.Close()
	br := bufio.NewReader(c)
	for range 20 {
		before := read[0].Load()
		_, _ = io.WriteString(c, get("/small"))
		if _, body := answer(t, br, "GET"); body != "ok" {
			t.Fatalf("the answer is %q", body)
		}
		eventually(t, "the general path is busy", func() bool { return read[0].Load() > before })
	}
	for i := range read {
		if read[i].Load() == 0 {
			t.Errorf("download %d stands still", i)
		}
	}
}
