package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

const (
	// headLimit is more than any proxy adds to the backend's head.
	headLimit = 16 << 10
	lineLimit = 1 << 10
)

// answer reads one response in the pieces in which it comes. The zero value waits for its head.
type answer struct {
	buf    []byte // of a head or a line that is not complete
	part   part
	left   int // bytes until the end of the body or chunk
	body   int // bytes of body so far
	status int
	last   bool // no other answer comes on this connection
}

type part int

const (
	inHead part = iota
	inBody
	complete
	inSize // the line before a chunk
	inChunk
	afterChunk
	inTrailer
)

// reset makes it ready for the next response and keeps its buffer.
func (a *answer) reset() { *a = answer{buf: a.buf[:0]} }

// feed takes the next bytes and says whether the response is complete. Bytes after its end are an error:
// nobody asked for them.
func (a *answer) feed(p []byte) (bool, error) {
	for len(p) > 0 && a.part != complete {
		n, err := a.step(p)
		if err != nil {
			return false, err
		}
		p = p[n:]
	}
	if len(p) > 0 {
		return false, fmt.Errorf("%d bytes after the end of an answer", len(p))
	}
	return a.part == complete, nil
}

// step takes some of p, at least a byte.
func (a *answer) step(p []byte) (int, error) {
	switch a.part {
	case inHead:
		return a.line(p, "\r\n\r\n", headLimit, a.head)
	case inBody, inChunk:
		n := min(a.left, len(p))
		a.left, a.body = a.left-n, a.body+n
		if a.left == 0 {
			a.part++ // a body is complete then, a chunk needs its end of line
		}
		return n, nil
	case inSize, afterChunk, inTrailer, complete: // complete takes no bytes
	}
	return a.line(p, "\r\n", lineLimit, a.chunkLine)
}

// line collects bytes up to the given end and hands them over without it.
func (a *answer) line(p []byte, end string, limit int, take func([]byte) error) (int, error) {
	had := len(a.buf)
	a.buf = append(a.buf, p...)
	i := bytes.Index(a.buf, []byte(end))
	if i < 0 {
		if len(a.buf) > limit {
			return 0, fmt.Errorf("no end of a line or head in %d bytes", len(a.buf))
		}
		return len(p), nil
	}
	err := take(a.buf[:i])
	a.buf = a.buf[:0]
	return i + len(end) - had, err
}

// chunkLine takes a line that stands before, between or after chunks.
func (a *answer) chunkLine(line []byte) error {
	if a.part == inTrailer {
		if len(line) == 0 {
			a.part = complete
		}
		return nil
	}
	if a.part == afterChunk {
		a.part = inSize
		if len(line) > 0 {
			return errors.New("a chunk longer than it said")
		}
		return nil
	}
	text, _, _ := bytes.Cut(line, []byte{';'})
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 31)
	if err != nil {
		return fmt.Errorf("size of a chunk: %w", err)
	}
	a.left, a.part = int(n), inChunk
	if n == 0 {
		a.part = inTrailer
	}
	return nil
}

// head reads a status line and the fields that say how long the body is.
func (a *answer) head(text []byte) error {
	line, fields, _ := bytes.Cut(text, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return fmt.Errorf("no answer: %.40q", line)
	}
	var err error
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return fmt.Errorf("status of an answer: %w", err)
	}
	length, chunked := -1, false
	for field := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, _ := bytes.Cut(field, []byte{':'})
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("length of an answer: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			a.last = bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case chunked:
		a.part = inSize
	case length > 0:
		a.part, a.left = inBody, length
	case length == 0:
		a.part = complete
	default:
		return errors.New("an answer without length")
	}
	return nil
}
