//go:build e2e && linux

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
)

// TestRelayEnds when it is asked to, at once and without an error, whether its clients are busy or idle.
func TestRelayEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := setUp(t.Context(), options{each: 2 * time.Second, log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.tearDown()
	for _, busy := range []bool{false, true} {
		p, err := b.start(t.Context(), peer.Relay(self), 1)
		if err != nil {
			t.Fatal(err)
		}
		l, err := startLoad(t.Context(), b.self, full.task(p.Setup.Listen, b.each), b.log)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan struct{})
		go func() {
			defer close(end)
			if busy {
				_, _ = l.Go() // it loses its connections
			}
		}()
		for spent := time.Duration(0); busy && spent < 50*time.Millisecond; { // until the load has come
			if spent, err = cpu(p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		began := time.Now()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if took, how := time.Since(began), p.Running(); took > 2*time.Second || !strings.Contains(how.Error(), "ended: exit status 0\n") {
			t.Errorf("with clients that are busy: %v, it ended after %v: %v", busy, took, how)
		}
		<-end
		l.Close()
	}
}
