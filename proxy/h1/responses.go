package h1

import "math"

// ResponseScanner follows the responses of one upstream connection and says which bytes may be
// passed on to the client of that connection. The zero value is at the start of a connection,
// expects nothing, and has the default limits.
//
// It is used in a connection's Read like [RequestScanner], with two differences. Expect is called
// before the first byte of each request is written (with http.Transport: in httptrace's GotConn,
// which has the connection); since that is another goroutine than the reader's, a mutex guards the
// scanner, never held while reading. And bytes that stand behind a response in the same buffer are
// given to Scan with it, never kept back: so they are known as surplus before the connection can
// be used again.
//
// A refusal closes the connection, and makes of the response under way a 502 or a reset.
type ResponseScanner struct {
	Limits Limits // set before the first Scan

	state    state
	pending  bool // Expect was called while End was owed
	surplus  bool // bytes were there behind the message before the next was expected
	method   string
	upgrade  bool
	interims int
	bytes    int // of interim heads
	lines    lines
	response Response
	body     body
	refusal  *Refusal
}

// Expect says that a request with this method is about to be written, and whether it asks for an
// upgrade to websocket. It returns false, and expects nothing, when the connection cannot carry
// another request: a response is under way, the last one closes the connection or has upgraded it,
// or bytes have been refused or have arrived unasked. Then the connection must be closed.
func (s *ResponseScanner) Expect(method string, upgrade bool) bool {
	free := s.state == between || s.state == atEnd && !s.pending
	if !free || s.surplus || s.response.Close || s.refusal != nil {
		return false
	}
	s.method, s.upgrade = method, upgrade
	s.interims, s.bytes, s.lines = 0, 0, lines{}
	if s.state == between {
		s.state = expecting
	} else {
		s.pending = true
	}
	return true
}

// Scan does for responses what [RequestScanner.Scan] does for requests. It never returns [Drop].
func (s *ResponseScanner) Scan(p []byte) (n int, event Event, bad *Refusal) {
	if s.refusal == nil {
		n, event, bad = s.step(p)
		s.refusal = bad.upstream()
		done := s.state == atEnd || s.state == between
		s.surplus = s.surplus || done && !s.pending && len(p) > n
	}
	return n, event, s.refusal
}

// Response returns the response, interim or final, whose head was found last.
func (s *ResponseScanner) Response() Response { return s.response }

// Ahead returns how many of the next bytes will pass whatever they are.
func (s *ResponseScanner) Ahead() int64 {
	switch {
	case s.refusal != nil:
		return 0
	case s.state == inTunnel:
		return math.MaxInt64
	case s.state == inBody:
		return s.body.ahead()
	}
	return 0
}

// Data returns how many bytes of data the chunks of the body found last have had so far; 0 when it has none.
func (s *ResponseScanner) Data() int64 { return s.body.chunks.data }

// Skip accounts for n of the bytes of Ahead that did not come by Scan.
func (s *ResponseScanner) Skip(n int64) {
	if s.body.framing == Chunked {
		panic("h1: Skip in a chunked body") // whose sizes have to be looked at
	}
	if s.body.left -= n; s.body.left <= 0 {
		s.state = atEnd
	}
}

// Section returns the length of the trailer section, with its empty line, at the end of the piece of a body found
// last; 0 when the piece does not end the chunks of a body.
func (s *ResponseScanner) Section() int { return s.body.chunks.section }

// EOF says that the connection has ended, and returns a refusal named truncated if that was before
// the end of an expected response. The end of the connection is the end of a response that is
// framed by it.
func (s *ResponseScanner) EOF() *Refusal {
	switch {
	case s.refusal != nil:
		return s.refusal
	case s.state == inBody && s.body.framing != UntilClose, s.state == expecting, s.pending:
		return errTruncated.upstream()
	}
	return nil
}

func (s *ResponseScanner) step(p []byte) (int, Event, *Refusal) {
	switch {
	case s.state == atEnd:
		s.state = between
		if s.pending {
			s.state, s.pending = expecting, false
		}
		return 0, End, nil
	case s.state == inBody:
		n, done, bad := s.body.scan(p)
		if done {
			s.state = atEnd
		}
		return n, eventIf(Body, n), bad
	case s.state == inTunnel:
		return len(p), eventIf(Tunnel, len(p)), nil
	case len(p) == 0:
		return 0, More, nil
	case s.state == between:
		return 0, More, errUnsolicited
	}
	return s.head(p)
}

// head waits for a whole head and vets it.
func (s *ResponseScanner) head(p []byte) (int, Event, *Refusal) {
	n, bad := s.lines.end(p, s.Limits.head())
	if bad != nil || n == 0 {
		return 0, More, bad
	}
	r, bad := CheckResponse(p[:n], s.method, s.Limits)
	switch {
	case !s.upgrade && (r.Upgrade || bad == errBad101):
		return 0, More, errUnasked101
	case bad != nil:
		return 0, More, bad
	case r.Status < 200 && !r.Upgrade:
		return s.interim(n, r)
	}
	s.response, s.state = r, atEnd
	switch {
	case r.Upgrade:
		s.state = inTunnel
	case s.body.start(r.Framing, r.Length, s.Limits):
		s.state = inBody
	}
	return n, Head, nil
}

// interim passes a 1xx head as long as there are not too many of them.
func (s *ResponseScanner) interim(n int, r Response) (int, Event, *Refusal) {
	s.interims++
	s.bytes += n
	if s.interims > maxInterim || s.bytes > maxInterimBytes {
		return 0, More, errInterim
	}
	s.response, s.lines = r, lines{}
	return n, Interim, nil
}
