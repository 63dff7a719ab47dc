//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// steady is requests at a rate, over connections that are kept. It repeats nothing: what a client of net/http
// sends again unseen is a failure here.
type steady struct {
	addr    string
	stop    chan struct{}
	running sync.WaitGroup
	sent    atomic.Int64

	mu       sync.Mutex // guards the rest
	took     []time.Duration
	failures int
	first    error // the first failure
}

// startSteady sends so many GETs a second from so many clients until end, which the test's end calls too.
func startSteady(t *testing.T, addr string, rate, clients int) *steady {
	t.Helper()
	s := &steady{addr: addr, stop: make(chan struct{})}
	every := time.Second * time.Duration(clients) / time.Duration(rate)
	for i := range clients {
		first := time.Now().Add(every * time.Duration(i) / time.Duration(clients))
		s.running.Go(func() { s.client(first, every) })
	}
	t.Cleanup(s.end)
	return s
}

func (s *steady) client(next time.Time, every time.Duration) {
	c := &keptClient{addr: s.addr}
	defer c.close()
	var took []time.Duration
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.took = append(s.took, took...)
	}()
	for ; ; next = next.Add(every) {
		if late := time.Since(next); late > 10*every {
			next = time.Now() // a rate, not a flood
		}
		select {
		case <-s.stop:
			return
		case <-time.After(time.Until(next)):
		}
		s.sent.Add(1)
		began := time.Now()
		if err := c.get("/"); err != nil {
			s.fail(err)
			continue
		}
		took = append(took, time.Since(began))
	}
}

func (s *steady) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	if s.first == nil {
		s.first = err
	}
}

// end returns once every request has its answer.
func (s *steady) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.running.Wait()
}

// p99 ends it, fails the test if a request failed, and returns the 99th percentile.
func (s *steady) p99(t *testing.T, what string) time.Duration {
	t.Helper()
	s.end()
	if len(s.took) < 100 {
		t.Fatalf("%s: only %d requests were answered, first failure: %v", what, len(s.took), s.first)
	}
	p50, p99 := percentile(s.took, .5), percentile(s.took, .99)
	t.Logf("%s: %d requests, %d failed, p50 %v, p99 %v, longest %v", what, s.sent.Load(), s.failures, p50, p99, slices.Max(s.took))
	if s.failures > 0 {
		t.Errorf("%s: %d of %d requests failed, first: %v", what, s.failures, s.sent.Load(), s.first)
	}
	return p99
}

// percentile sorts all.
func percentile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

// keptClient sends one request after the other on a connection, and takes another one only when it was told to.
type keptClient struct {
	addr string
	conn net.Conn
	br   *bufio.Reader
}

// get asks once. Anything but 200 and a whole body is an error.
func (c *keptClient) get(path string) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, 10*time.Second)
		if err != nil {
			return err
		}
		c.conn, c.br = conn, bufio.NewReader(conn)
	}
	closes, err := c.exchange(path)
	if err != nil || closes {
		c.close()
	}
	return err
}

func (c *keptClient) exchange(path string) (closes bool, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: "+c.addr+"\r\n\r\n"); err != nil {
		return false, err
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return false, fmt.Errorf("read the body: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return res.Close, errors.New(res.Status + ", " + res.Header.Get("Switchback-Reason"))
	}
	return res.Close, nil
}

func (c *keptClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn, c.br = nil, nil
}
