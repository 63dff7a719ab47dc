//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestTransfers has a download and an upload of 64 MB, or as many as TRANSFER says, beside 2,000 small requests a
// second. None fails, and p99 of the small ones stays within ten times of what it is without. Each transfer has a
// pace, or both ends of everything would wait for a processor and not for the proxy.
func TestTransfers(t *testing.T) {
	const rate, clients = 2000, 16
	size := int64(number(t, "TRANSFER", 64)) << 20
	servers := []string{bulk(t), bulk(t)}
	s := newSiteOf(t, map[string][]string{"blue": servers, "green": {bulk(t), bulk(t)}})
	s.start(t)
	s.up(t)

	calm := startSteady(t, s.listen, rate, clients)
	<-time.After(3 * time.Second)
	alone := calm.p99(t, "without transfers")

	small := startSteady(t, s.listen, rate, clients)
	met := func(n int64) {
		t.Helper()
		binary.Until(t, "traffic flows", func() bool { return small.sent.Load() >= n })
	}
	met(500)
	var both sync.WaitGroup
	for what, transfer := range map[string]func(string, int64) error{"download": download, "upload": upload} {
		both.Go(func() {
			began := time.Now()
			if err := transfer(s.listen, size); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			t.Logf("%s: %d MB a second", what, int64(float64(size>>20)/time.Since(began).Seconds()))
		})
	}
	both.Wait()
	p99 := small.p99(t, "beside them")
	t.Logf("p99 is %.1f times what it is without", float64(p99)/float64(alone))
	if p99 > max(10*alone, 10*time.Millisecond) {
		t.Errorf("p99 is %v beside them and %v without, want at most ten times as much", p99, alone)
	}
}

const (
	piece = 256 << 10 // moved at once by either end
	pace  = 128 << 20 // bytes a second of a transfer
)

// paced keeps what has been moved since a time from being more than the pace allows.
func paced(since time.Time, moved int64) {
	time.Sleep(time.Until(since.Add(time.Duration(float64(moved) / pace * float64(time.Second)))))
}

// bulk is a server that answers GET /n with n bytes, everything else sent by GET with two, and what is sent otherwise
// with the number of bytes that came. It does little else, so that the machine is left to the proxy.
func bulk(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, piece)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.ParseInt(r.URL.Path[1:], 10, 64)
		switch {
		case r.Method != http.MethodGet:
			n, _ := swallow(r.Body) // what is missing shows in the number
			_, _ = fmt.Fprint(w, n)
		case err != nil:
			_, _ = io.WriteString(w, "ok")
		default:
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			for ; size > 0; size -= piece {
				if _, err := w.Write(zeros[:min(size, piece)]); err != nil {
					return
				}
			}
		}
	})}
	go func() { _ = server.Serve(ln) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + ln.Addr().String()
}

// swallow reads to the end in large pieces, which io.Discard does not.
func swallow(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, piece))
}

// slowly is a reader with a pace.
type slowly struct {
	io.Reader
	began time.Time
	moved int64
}

func (s *slowly) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.moved += int64(n)
	paced(s.began, s.moved)
	return n, err
}

func download(addr string, size int64) error {
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(fmt.Sprintf("http://%s/%d", addr, size))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := swallow(&slowly{Reader: res.Body, began: time.Now()})
	if err == nil && (n != size || res.StatusCode != http.StatusOK) {
		err = fmt.Errorf("%s with %d bytes, want %d", res.Status, n, size)
	}
	return err
}

func upload(addr string, size int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", addr, size); err != nil {
		return err
	}
	zeros, began := make([]byte, piece), time.Now()
	for left := size; left > 0; left -= piece {
		if _, err := conn.Write(zeros[:min(left, piece)]); err != nil {
			return err
		}
		paced(began, size-left+piece)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && strings.TrimSpace(string(body)) != strconv.FormatInt(size, 10) {
		err = fmt.Errorf("%s: %s bytes came, want %d", res.Status, bytes.TrimSpace(body), size)
	}
	return err
}
