package main

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	logQueue = 1024            // lines that wait for the disk, beyond them lines are dropped and counted
	logFlush = 2 * time.Second // how long the end of the process waits for lines to be taken
)

// logWriter hands lines to a goroutine, so that a disk or pipe nobody takes lines from holds up neither
// a decision nor the end of the process. It is safe for concurrent use.
type logWriter struct {
	to      io.Writer
	lines   chan []byte
	dropped atomic.Pointer[func(n int)] // told of lines that are lost; nil: nobody
	once    sync.Once
	stop    chan struct{}
	ended   chan struct{}
}

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to, lines: make(chan []byte, logQueue), stop: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

// Write never waits.
func (w *logWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...): // zap uses its buffer again
	default:
		if f := w.dropped.Load(); f != nil {
			(*f)(1)
		}
	}
	return len(line), nil
}

func (w *logWriter) run() {
	defer close(w.ended)
	for {
		select {
		case line := <-w.lines:
			_, _ = w.to.Write(line) // nowhere left to tell
		case <-w.stop:
			for {
				select {
				case line := <-w.lines:
					_, _ = w.to.Write(line)
				default:
					return
				}
			}
		}
	}
}

var errLogStuck = errors.New("log lines not taken in time")

// Close writes what waits, as far as it is taken in time. Lines written later are lost.
func (w *logWriter) Close() error {
	w.once.Do(func() { close(w.stop) })
	select {
	case <-w.ended:
		return nil
	case <-time.After(logFlush):
		return errLogStuck
	}
}

// newLogger writes JSON lines.
func newLogger(w io.Writer, level zap.AtomicLevel) *zap.Logger {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	c.TimeKey = "time"
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(c), zapcore.AddSync(w), level))
}
