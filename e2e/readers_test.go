//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestThousandReaders opens 1,000 streams of events of which half never read. The data path loses no request, those
// who read get every event, and those who do not are cut. What the streams cost the data path is logged: the same
// changes are made without them before and afterwards.
func TestThousandReaders(t *testing.T) {
	const readers, stalled = 500, 500
	s := newSite(t)
	s.start(t)
	s.up(t)
	alone := s.measure(t, 20)

	var got atomic.Int64
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range readers {
		conn := s.openStream(t)
		wg.Go(func() { count(ctx, conn, &got) })
	}
	for range stalled {
		conn := s.openStream(t)
		defer conn.Close()
	}
	if open := s.figure(t, "switchback_event_streams"); open != readers+stalled {
		t.Fatalf("%v streams are open, want %d", open, readers+stalled)
	}
	known, err := s.api.Events(t.Context(), api.EventsQuery{After: "0", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	binary.Within(t, time.Minute, "everybody who reads has the past", func() bool {
		return got.Load() >= int64(readers*len(known.Events))
	})
	beset := s.measure(t, 20)
	s.changes(t, 300) // enough to fill what the system holds for a reader
	binary.Within(t, time.Minute, "stalled readers are cut", func() bool {
		return s.figure(t, "switchback_event_streams") <= readers
	})
	if cut := s.figure(t, "switchback_event_streams_cut_total"); cut != stalled {
		t.Errorf("%v streams were cut, want the %d stalled ones", cut, stalled)
	}
	page, err := s.api.Events(t.Context(), api.EventsQuery{After: "0", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	binary.Within(t, time.Minute, "everybody who reads has everything", func() bool {
		return got.Load() >= int64(readers*len(page.Events))
	})
	stop()
	wg.Wait()
	binary.Within(t, time.Minute, "every stream is gone", func() bool { return s.figure(t, "switchback_event_streams") == 0 })
	again := s.measure(t, 20)
	t.Logf("requests while weights change: p50 %v, p99 %v alone; %v, %v with %d readers; %v, %v afterwards; ratio to the mean of both: p50 %.2f, p99 %.2f",
		alone[0], alone[1], beset[0], beset[1], readers+stalled, again[0], again[1],
		2*float64(beset[0])/float64(alone[0]+again[0]), 2*float64(beset[1])/float64(alone[1]+again[1]))
}

// openStream begins a stream and reads its head.
func (s *site) openStream(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.admin)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(conn, "GET /v1/events?after=0 HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", s.admin)
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200" {
		t.Fatalf("a stream begins with %q, %v", head, err)
	}
	return conn
}

// count reads a stream until ctx ends and counts its events.
func count(ctx context.Context, conn net.Conn, got *atomic.Int64) {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	// Read as HTTP: a chunk may end anywhere in a line. The head's first bytes are read already.
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200"), conn)), nil)
	if err != nil {
		return // nothing is counted, which the test finds
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "id: ") {
			got.Add(1)
		}
	}
}

// changes moves weights so many times.
func (s *site) changes(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		blue := float64(40 + i%20)
		q := api.WeightsRequest{Weights: api.Weights{"blue": blue, "green": 100 - blue}, Reason: strings.Repeat("a long reason ", 20)}
		if _, err := s.api.SetWeights(t.Context(), "web", q); err != nil {
			t.Fatal(err)
		}
	}
}

// measure changes weights so many times, a short while apart, and returns the median and the 99th percentile of
// requests meanwhile. A request that fails is an error.
func (s *site) measure(t *testing.T, changes int) [2]time.Duration {
	t.Helper()
	done := make(chan struct{})
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				case <-time.After(2 * time.Millisecond): // a rate, not a flood
				}
				began := time.Now()
				res, err := client.Get("http://" + s.listen + "/")
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("a request was answered with %s", res.Status)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	for range changes {
		s.changes(t, 1)
		<-time.After(300 * time.Millisecond)
	}
	close(done)
	wg.Wait()
	slices.Sort(took)
	if len(took) < 100 {
		t.Fatalf("only %d requests", len(took))
	}
	return [2]time.Duration{took[len(took)/2], took[len(took)*99/100]}
}

// figure is the value of a metric without labels.
func (s *site) figure(t *testing.T, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s.metric(t, name), 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}
