//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

const (
	drippingEnds  = 15 * time.Second // by then every dripping client is cut off
	perConnection = 3 << 10          // bytes of the proxy's memory
)

// TestCrowd has idle connections and clients that drip a byte of a head every second, 500 and 250 of them or as many
// as IDLE and DRIPPING say. The dripping ones are cut off, the idle ones are not, requests beside them succeed, and
// each connection costs little.
func TestCrowd(t *testing.T) {
	t.Parallel()
	idle, dripping := number(t, "IDLE", 500), number(t, "DRIPPING", 250)
	descriptors(t, uint64(idle+dripping+1000))
	s := newSite(t)
	s.start(t)
	s.up(t)
	coming := startSteady(t, s.listen, 200, 4)
	binary.Until(t, "traffic flows", func() bool { return coming.sent.Load() > 200 })

	c := &crowd{addr: s.listen}
	t.Cleanup(c.leave)
	before := resident(t, s.proc.Pid())
	c.sit(t, idle)
	seated := resident(t, s.proc.Pid())
	c.drip(t, dripping)
	began := time.Now()
	coming.p99(t, "requests while they come")
	beside := startSteady(t, s.listen, 200, 4)
	var most int64
	binary.Within(t, drippingEnds, "every dripping client is cut off", func() bool {
		most = max(most, resident(t, s.proc.Pid()))
		return c.dripping.Load() == 0
	})
	took := time.Since(began)
	p99 := beside.p99(t, "requests beside them")
	if n := c.answered.Load(); n > 0 {
		t.Errorf("%d dripping clients were answered before their request was whole", n)
	}
	for i, k := range c.idle {
		if closes, err := k.exchange("/"); closes || err != nil {
			t.Fatalf("idle connection %d: closes %v, %v", i, closes, err)
		}
	}
	each := float64(most-before) / float64(idle+dripping)
	t.Logf("memory %d KB, %d KB with %d idle connections (%.0f bytes each), at most %d KB with %d dripping ones too (%.0f bytes each); the last of these was cut off after %v",
		before>>10, seated>>10, idle, float64(seated-before)/float64(idle), most>>10, dripping, each, took)
	if os.Getenv("IDLE") != "" && each > perConnection {
		t.Errorf("a connection costs %.0f bytes, want at most %d", each, perConnection)
	}
	if limit := 100 * time.Millisecond; p99 > limit {
		t.Errorf("p99 beside them is %v, want at most %v", p99, limit)
	}
}

// crowd is connections that want little.
type crowd struct {
	addr     string
	idle     []*keptClient // each has been served once
	open     []net.Conn    // the others
	dripping atomic.Int64  // of these, not cut off yet
	answered atomic.Int64  // of these, answered
	watching sync.WaitGroup
}

// dial spreads connections over addresses of our own, of which none has ports without end.
func (c *crowd) dial(t *testing.T) net.Conn {
	t.Helper()
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+(len(c.idle)+len(c.open))/4000))}
	conn, err := (&net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}).Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// sit opens n connections and is served on each.
func (c *crowd) sit(t *testing.T, n int) {
	t.Helper()
	br := bufio.NewReaderSize(nil, 512) // they take turns with one
	for range n {
		k := &keptClient{addr: c.addr, conn: c.dial(t), br: br}
		c.idle = append(c.idle, k)
	}
	for i, k := range c.idle {
		br.Reset(k.conn)
		if closes, err := k.exchange("/"); closes || err != nil {
			t.Fatalf("idle connection %d: closes %v, %v", i, closes, err)
		}
		k.br = bufio.NewReaderSize(k.conn, 64)
	}
}

// drip opens n connections and sends a byte on each every second, for as long as it is open.
func (c *crowd) drip(t *testing.T, n int) {
	t.Helper()
	for range n {
		c.open = append(c.open, c.dial(t))
	}
	c.dripping.Store(int64(n))
	for i, conn := range c.open {
		c.watching.Go(func() {
			var b [1]byte
			_, err := conn.Read(b[:])
			if err == nil {
				c.answered.Add(1)
			}
			if !errors.Is(err, net.ErrClosed) {
				c.dripping.Add(-1)
			}
		})
		c.watching.Go(func() {
			<-time.After(time.Second * time.Duration(i) / time.Duration(n)) // spread over the second
			beat := time.NewTicker(time.Second)
			defer beat.Stop()
			for head := "GET / HTTP/1.1\r\nHost: drip\r\nX-Drip: and so on"; head != ""; head = head[1:] {
				if _, err := io.WriteString(conn, head[:1]); err != nil {
					return
				}
				<-beat.C
			}
		})
	}
}

// leave closes everything.
func (c *crowd) leave() {
	for _, k := range c.idle {
		k.close()
	}
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.watching.Wait()
}
