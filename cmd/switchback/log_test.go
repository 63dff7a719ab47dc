package main

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
)

// stuck takes no line until it is released.
type stuck struct {
	bytes.Buffer
	release chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	return s.Buffer.Write(p)
}

func TestLogWriterNeverWaits(t *testing.T) {
	to := &stuck{release: make(chan struct{})}
	w := newLogWriter(to)
	var dropped atomic.Int64
	count := func(n int) { dropped.Add(int64(n)) }
	w.dropped.Store(&count)
	log := newLogger(w, zap.NewAtomicLevel())
	const lines = 3 * logQueue
	for i := range lines {
		log.Info("line", zap.Int("n", i)) // would hang here
	}
	if n := dropped.Load(); n < lines-logQueue-1 || n >= lines {
		t.Errorf("%d of %d lines dropped with room for %d", n, lines, logQueue)
	}
	if err := w.Close(); !errors.Is(err, errLogStuck) {
		t.Errorf("Close of a writer nobody takes lines from: %v", err)
	}
	close(to.release)
	if err := w.Close(); err != nil {
		t.Errorf("Close after lines were taken: %v", err)
	}
	written := int64(strings.Count(to.String(), "\n"))
	if written+dropped.Load() != lines {
		t.Errorf("%d lines written and %d dropped of %d", written, dropped.Load(), lines)
	}
}

func TestLogWriterKeepsOrder(t *testing.T) {
	var to bytes.Buffer
	w := newLogWriter(&to)
	for _, line := range []string{"a\n", "b\n", "c\n"} {
		if _, err := w.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || to.String() != "a\nb\nc\n" {
		t.Errorf("wrote %q, %v", to.String(), err)
	}
}
