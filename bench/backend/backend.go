// Package backend is the server behind the proxies that are measured: fixed answers, nothing else, so that
// it takes as little of the machine from them as a Go program can.
//
// GET or POST /N answers with N bytes, /chunked/N with the same in chunks, / with two. Request bodies have a
// length; they are read and forgotten.
package backend

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
)

// Sizes are those N that are answered.
var Sizes = []int{100, 1 << 10, 4 << 10, 10 << 10, 1 << 20}

// Server answers on any number of listeners. The zero value is not usable, New makes one.
type Server struct {
	answers map[string][]byte
	served  atomic.Int64
}

// New makes all answers in advance.
func New() *Server {
	s := &Server{answers: map[string][]byte{"/": answer(2, false)}}
	for _, n := range Sizes {
		s.answers[fmt.Sprintf("/%d", n)] = answer(n, false)
		s.answers[fmt.Sprintf("/chunked/%d", n)] = answer(n, true)
	}
	return s
}

// Served is how many requests for anything but / were answered; that is what health checks ask for.
func (s *Server) Served() int64 { return s.served.Load() }

// answer is a whole response; in chunks, it has four.
func answer(size int, chunked bool) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n")
	if !chunked {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", size)
		b.Write(bytes.Repeat([]byte{'x'}, size))
		return b.Bytes()
	}
	b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	for range 4 {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", size/4, bytes.Repeat([]byte{'x'}, size/4))
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

// Serve answers until the listener is closed, and waits for nothing: connections end when their clients
// end them.
func (s *Server) Serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
		go s.serve(conn)
	}
}

// ListenAndServe serves on all addresses and returns at the first error.
func (s *Server) ListenAndServe(addrs []string) error {
	failed := make(chan error, len(addrs))
	for _, addr := range addrs {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		defer func() { _ = ln.Close() }()
		go func() { failed <- s.Serve(ln) }()
	}
	return <-failed
}

func (s *Server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReaderSize(conn, 8<<10)
	for {
		path, last, err := request(r)
		if err != nil {
			return
		}
		a, ok := s.answers[path]
		if !ok {
			a, last = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), true
		}
		if path != "/" {
			s.served.Add(1)
		}
		if _, err := conn.Write(a); err != nil || last {
			return
		}
	}
}

// request reads one and says whether the client wants no other on this connection.
func request(r *bufio.Reader) (path string, last bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", false, err
	}
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return "", false, errors.New("no request line")
	}
	path, last = string(fields[1]), string(fields[2]) == "HTTP/1.0"
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return "", false, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte{':'})
		switch {
		case len(name) == 0:
			_, err = r.Discard(length)
			return path, last, err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", false, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return "", false, errors.New("a body in chunks")
		case bytes.EqualFold(name, []byte("Connection")):
			last = last || bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
}
