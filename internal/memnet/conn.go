package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// buffer is how many bytes one direction holds before a write waits for the reader.
const buffer = 64 << 10

// conn is one end of a connection: it reads from in and writes to out.
type conn struct {
	in, out       *stream
	local, remote address
}

// pipe returns two ends that see each other.
func pipe(client, server address) (*conn, *conn) {
	up, down := newStream(), newStream()
	return &conn{in: down, out: up, local: client, remote: server},
		&conn{in: up, out: down, local: server, remote: client}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. The peer reads what is buffered and then EOF; its writes fail.
func (c *conn) Close() error {
	c.out.end(io.EOF, net.ErrClosed)
	c.in.end(net.ErrClosed, syscall.EPIPE)
	return nil
}

// CloseWrite ends the sending direction only, as a TCP half-close does.
func (c *conn) CloseWrite() error {
	c.out.end(io.EOF, net.ErrClosed)
	return nil
}

// Reset ends both directions and throws away what is buffered: the peer gets ECONNRESET at once.
func (c *conn) Reset() {
	c.out.drop(syscall.ECONNRESET, net.ErrClosed)
	c.in.drop(net.ErrClosed, syscall.ECONNRESET)
}

func (c *conn) SetDeadline(t time.Time) error {
	c.in.reader.set(c.in, t)
	c.out.writer.set(c.out, t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.reader.set(c.in, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.writer.set(c.out, t)
	return nil
}

// wrap gives errors the shape the net package gives them; EOF stays bare.
func (c *conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// stream is one direction: bytes a writer left for a reader.
type stream struct {
	mu       sync.Mutex // guards all below; cond is told of every change
	cond     *sync.Cond
	data     []byte
	readErr  error // what the reader gets when data is empty
	writeErr error // what the writer gets
	reader   deadline
	writer   deadline
}

func newStream() *stream {
	s := &stream{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case errors.Is(s.readErr, net.ErrClosed):
			return 0, net.ErrClosed
		case s.reader.over:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(s.data) > 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.cond.Broadcast()
			return n, nil
		case s.readErr != nil:
			return 0, s.readErr
		}
		s.cond.Wait()
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := 0
	for {
		switch {
		case s.writeErr != nil:
			return done, s.writeErr
		case s.writer.over:
			return done, os.ErrDeadlineExceeded
		case done == len(p):
			return done, nil
		}
		if free := buffer - len(s.data); free > 0 {
			n := min(free, len(p)-done)
			s.data = append(s.data, p[done:done+n]...)
			done += n
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
}

// end stops the stream; what is buffered can still be read. The first error of each side stays, except
// that a side which closed itself is told so.
func (s *stream) end(readErr, writeErr error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(readErr, writeErr)
}

// drop is end without what is buffered.
func (s *stream) drop(readErr, writeErr error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = nil
	s.stop(readErr, writeErr)
}

func (s *stream) stop(readErr, writeErr error) {
	if s.readErr == nil || errors.Is(readErr, net.ErrClosed) {
		s.readErr = readErr
	}
	if s.writeErr == nil || errors.Is(writeErr, net.ErrClosed) {
		s.writeErr = writeErr
	}
	s.reader.stop()
	s.writer.stop()
	s.cond.Broadcast()
}

// deadline is over once its time has come. The stream's lock guards it.
type deadline struct {
	timer *time.Timer
	over  bool
}

// set arms the deadline anew: the zero time is never, a past one is over at once.
func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.over = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.over = true
		s.cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.timer == timer { // not armed anew meanwhile
			d.over = true
			s.cond.Broadcast()
		}
	})
	d.timer = timer
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
