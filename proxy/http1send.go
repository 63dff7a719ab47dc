package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var headWriters = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, upstreamBuffer) }}

// ownFields are written from what the request says elsewhere.
var ownFields = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true,
}

// sendHead writes all of the head, or an error says how far that came: nothing of a request is sent twice
// unless no byte was written.
func (t *http1Trip) sendHead() error {
	w := headWriters.Get().(*bufio.Writer)
	w.Reset(t.conn.upstreamConn)
	writeHead(w, t.req)
	err := w.Flush()
	w.Reset(nil)
	headWriters.Put(w)
	return err
}

// writeHead leaves errors to Flush. Names and values have been checked against the grammar.
func writeHead(w *bufio.Writer, req *http.Request) {
	host := req.Host
	if host == "" { // HTTP/1.0 may come without
		host = req.URL.Host
	}
	line := func(parts ...string) {
		for _, s := range parts {
			_, _ = w.WriteString(s)
		}
		_, _ = w.WriteString("\r\n")
	}
	line(req.Method, " ", req.URL.RequestURI(), " HTTP/1.1")
	line("Host: ", withoutZone(host))
	if req.Close {
		line("Connection: close")
	}
	switch {
	case chunked(req):
		line("Transfer-Encoding: chunked")
		if len(req.Trailer) > 0 {
			names := make([]string, 0, len(req.Trailer))
			for name := range req.Trailer {
				names = append(names, name)
			}
			slices.Sort(names)
			line("Trailer: ", strings.Join(names, ","))
		}
	case req.Body != nil || mayHaveBody(req.Method):
		line("Content-Length: ", strconv.FormatInt(req.ContentLength, 10))
	}
	_ = req.Header.WriteSubset(w, ownFields)
	line()
}

func chunked(req *http.Request) bool { return req.Body != nil && req.ContentLength < 0 }

// mayHaveBody reports whether a request without a body has to say so (RFC 9110 §8.6).
func mayHaveBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// withoutZone strips what an IPv6 address means on this machine alone (RFC 6874 §4).
func withoutZone(host string) string {
	from, to := strings.IndexByte(host, '%'), strings.LastIndexByte(host, ']')
	if from < 0 || to < from || host[0] != '[' {
		return host
	}
	return host[:from] + host[to:]
}

// sendBody is the side that sends the request's body, in a goroutine of its own: answer and body may cross.
func (t *http1Trip) sendBody() {
	defer close(t.sending)
	defer t.req.Body.Close()
	if !t.awaitContinue() {
		t.leave(false)
		return
	}
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	var err error
	if chunked(t.req) {
		err = t.sendChunks(buf[:])
	} else {
		err = t.sendBytes(buf[:])
	}
	if err == nil {
		t.sent()
	} else {
		t.mu.Lock()
		t.broken = err
		t.mu.Unlock()
	}
	t.leave(err == nil)
}

// awaitContinue waits until the target asks for the body or has had its time, where the client wants it to be
// asked. It returns false when the attempt has failed, and nothing of the body was read.
func (t *http1Trip) awaitContinue() bool {
	if t.settled == nil {
		return true
	}
	timer := time.NewTimer(expectWait)
	defer timer.Stop()
	select {
	case <-t.settled:
	case <-timer.C:
	}
	return !t.failed.Load()
}

var errBodyLength = errors.New("the request's body has not the length it announced")

// sendBytes sends a body of known length, and not a byte more.
func (t *http1Trip) sendBytes(buf []byte) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{t.conn}, io.LimitReader(t.req.Body, t.req.ContentLength), buf)
	if err != nil {
		return err
	}
	more, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, t.req.Body, buf) // to the end that the body tells
	if err == nil && n+more != t.req.ContentLength {
		return errBodyLength
	}
	return err
}

// sendChunks sends each piece as a chunk as soon as it is there, and the trailers behind the last one.
func (t *http1Trip) sendChunks(buf []byte) error {
	const before, behind = 10, 2 // a size of eight digits and its line's end; the end of the chunk
	for {
		n, err := t.req.Body.Read(buf[before : len(buf)-behind])
		if n > 0 {
			if werr := t.sendChunk(buf, before, n); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return t.endChunks()
		}
		if err != nil {
			return err
		}
	}
}

// sendChunk frames n bytes of buf, which begin at from and have room on both sides.
func (t *http1Trip) sendChunk(buf []byte, from, n int) error {
	var hex [16]byte
	size := append(strconv.AppendInt(hex[:0], int64(n), 16), '\r', '\n')
	start := from - copy(buf[from-len(size):], size)
	end := from + n + copy(buf[from+n:], "\r\n")
	_, err := t.conn.Write(buf[start:end])
	return err
}

func (t *http1Trip) endChunks() error {
	var b strings.Builder
	b.WriteString("0\r\n")
	_ = t.req.Trailer.Write(&b) // a Builder takes everything
	b.WriteString("\r\n")
	_, err := io.WriteString(t.conn, b.String())
	return err
}
