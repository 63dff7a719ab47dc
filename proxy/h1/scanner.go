package h1

import "math"

// Event is what a scanner found at the front of the bytes it was given.
type Event uint8

// The events. Their n counts bytes at the front.
const (
	// More: n is 0; nothing can be said before there are more bytes behind those given.
	More Event = iota
	// Drop: n bytes to throw away: an empty line before a request, or what follows the last
	// request of a connection.
	Drop
	// Interim: a vetted 1xx head of n bytes, other than 101. Responses only.
	Interim
	// Head: a vetted head of n bytes, whole.
	Head
	// Body: n bytes of the body with its framing, trailers included.
	Body
	// End: n is 0; the message is over. Whatever comes next is not part of it.
	End
	// Tunnel: n bytes after an upgrade, of no known meaning.
	Tunnel
)

// String returns the event's name.
func (e Event) String() string {
	switch e {
	case More:
		return "more"
	case Drop:
		return "drop"
	case Interim:
		return "interim"
	case Head:
		return "head"
	case Body:
		return "body"
	case End:
		return "end"
	case Tunnel:
		return "tunnel"
	}
	return "unknown"
}

type state uint8

const (
	between   state = iota // requests: a head may begin; responses: nothing is expected
	expecting              // responses: a head is to come
	inBody                 // the head is out
	atEnd                  // all of the message is out; End is owed
	held                   // requests: an upgrade is not answered yet
	dropping               // requests: the last one is over
	inTunnel               // upgraded
)

// RequestScanner follows the requests of one client connection and says which bytes may be passed
// on to whoever serves them. The zero value is at the start of a connection and has the default
// limits. Its use in a connection's Read, with the bytes read but not passed on in buf:
//
//	for c.vetted == 0 {
//		n, event, refusal := c.scanner.Scan(c.buf)
//		switch {
//		case refusal != nil:        // see below
//			return 0, c.refuse(refusal)
//		case event == h1.More:      // read behind buf; Limits.Buffer bytes are always room enough
//			if err := c.fill(); err != nil {
//				return 0, err
//			}
//		case event == h1.Drop:
//			c.buf = c.buf[n:]
//		case event == h1.End:       // between requests: note it
//		default:                    // Head, Body, Tunnel
//			c.vetted = n
//		}
//	}
//	n := copy(p, c.buf[:c.vetted])  // p may be shorter: net/http's server reads single bytes ahead
//	c.vetted -= n
//	c.buf = c.buf[n:]
//	return n, nil
//
// A head is vetted as a whole before its first byte may pass, and no call reaches over the end of a
// message. So a refusal at a head arrives in the Read that asks for the next request, which under
// net/http may be one the server makes ahead while the handler still answers the request before:
// the refusal is written after that answer, not into it. net/http's server answers on its own
// behalf unless the error is io.EOF. A refusal in a body is an error of that body.
//
// While Ahead is above zero and buf is empty, up to so many bytes may be read straight into p, and
// then be given to Scan for the count.
type RequestScanner struct {
	Limits Limits // set before the first Scan

	state    state
	blank    bool // an empty line was dropped before this request
	upgraded bool
	partial  bool // bytes were held back at the last Scan
	lines    lines
	request  Request
	body     body
	refusal  *Refusal
}

// Scan looks at p, the bytes of the connection that no earlier call has accounted for, and says
// what the first n of them are. The caller passes them on or drops them, and calls again with the
// rest. After [More] it calls again with the same bytes and more behind them. A refusal is final
// and is returned again by every later call.
func (s *RequestScanner) Scan(p []byte) (n int, event Event, bad *Refusal) {
	if s.refusal == nil {
		n, event, s.refusal = s.step(p)
		s.partial = event == More && len(p) > 0
	}
	return n, event, s.refusal
}

// Request returns the request whose head was found last. Its slices point into the bytes of the
// call to Scan that returned [Head] and are good as long as those.
func (s *RequestScanner) Request() Request { return s.request }

// Ahead returns how many of the next bytes will pass whatever they are.
func (s *RequestScanner) Ahead() int64 {
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

// Upgraded says that the request with Upgrade has been answered by a 101: what follows it may pass
// from now on. Without this call nothing behind such a request ever passes, so an upgrade that is
// turned down must close the connection. The call does nothing after another kind of request.
func (s *RequestScanner) Upgraded() {
	s.upgraded = s.request.Upgrade
	if s.upgraded && s.state == held {
		s.state = inTunnel
	}
}

// Section returns the length of the trailer section, with its empty line, at the end of the piece of a body found
// last; 0 when the piece does not end the chunks of a body.
func (s *RequestScanner) Section() int { return s.body.chunks.section }

// Fresh reports whether the scanner stands where a new one with the same limits would: between two requests, and
// has seen nothing of the next.
func (s *RequestScanner) Fresh() bool {
	return s.state == between && !s.blank && !s.partial && s.refusal == nil
}

// EOF says that the connection has ended, and returns a refusal named truncated if that was inside
// a request.
func (s *RequestScanner) EOF() *Refusal {
	switch {
	case s.refusal != nil:
		return s.refusal
	case s.state == inBody, s.state == between && s.partial:
		return errTruncated
	}
	return nil
}

func (s *RequestScanner) step(p []byte) (int, Event, *Refusal) {
	switch s.state {
	case inBody:
		n, done, bad := s.body.scan(p)
		if done {
			s.state = atEnd
		}
		return n, eventIf(Body, n), bad
	case atEnd:
		s.next()
		return 0, End, nil
	case held:
		if len(p) >= s.Limits.head() {
			return 0, More, errEarlyUpgraded
		}
		return 0, More, nil
	case inTunnel:
		return len(p), eventIf(Tunnel, len(p)), nil
	case dropping:
		return len(p), eventIf(Drop, len(p)), nil
	case between, expecting:
	}
	return s.head(p)
}

// head waits for a whole head and vets it.
func (s *RequestScanner) head(p []byte) (int, Event, *Refusal) {
	switch {
	case len(p) == 0 || !s.blank && string(p) == "\r":
		return 0, More, nil
	case !s.blank && p[0] == '\r' && p[1] == '\n': // RFC 9112 §2.2: one empty line is forgiven
		s.blank = true
		return 2, Drop, nil
	case p[0] != '\n' && classes[p[0]]&tokenByte == 0: // TLS, or noise: no need to wait for a line
		return 0, More, errMethod
	}
	n, bad := s.lines.end(p, s.Limits.head())
	if bad != nil || n == 0 {
		return 0, More, s.overlong(bad)
	}
	r, bad := CheckRequest(p[:n], s.Limits)
	if bad != nil {
		return 0, More, bad
	}
	s.request, s.upgraded = r, false
	s.state = atEnd
	if s.body.start(r.Framing, r.Length, s.Limits) {
		s.state = inBody
	}
	return n, Head, nil
}

// overlong says better what a head without end is when not even its first line has one.
func (s *RequestScanner) overlong(bad *Refusal) *Refusal {
	if bad == errHeadTooLarge && s.lines.start == 0 {
		return errTargetLong
	}
	return bad
}

// next goes on behind the end of a request.
func (s *RequestScanner) next() {
	s.blank, s.lines = false, lines{}
	switch {
	case s.upgraded:
		s.state = inTunnel
	case s.request.Upgrade:
		s.state = held
	case s.request.Close: // RFC 9112 §9.6: nothing after it is processed
		s.state = dropping
	default:
		s.state = between
	}
}

// eventIf returns e when it has bytes.
func eventIf(e Event, n int) Event {
	if n == 0 {
		return More
	}
	return e
}

// body follows a message's body to its end.
type body struct {
	framing Framing
	left    int64
	chunks  Chunks
}

// start prepares for a body and reports whether there is any.
func (b *body) start(f Framing, length int64, lim Limits) bool {
	b.framing, b.left, b.chunks = f, length, Chunks{Limits: lim}
	return f == Chunked || f == UntilClose || f == Length && length > 0
}

// scan is like [Chunks.Scan], for any framing.
func (b *body) scan(p []byte) (n int, done bool, bad *Refusal) {
	switch b.framing {
	case Chunked:
		return b.chunks.Scan(p)
	case UntilClose:
		return len(p), false, nil
	case None, Length:
	}
	n = int(min(int64(len(p)), b.left))
	b.left -= int64(n)
	return n, b.left == 0, nil
}

func (b *body) ahead() int64 {
	switch b.framing {
	case Chunked:
		return b.chunks.Ahead()
	case UntilClose:
		return math.MaxInt64
	case None, Length:
	}
	return b.left
}
