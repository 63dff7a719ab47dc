// Package h1 knows HTTP/1.1 as bytes: it checks heads, follows bodies to their end, and says which
// bytes of a connection may be passed on. It is strict where two programs could read one message in
// two ways (RFC 9112 §11), so that whatever passes here means the same to everybody behind it.
//
// [CheckRequest] and [CheckResponse] are pure functions over a whole head. [Chunks] follows a
// chunked body. [RequestScanner] and [ResponseScanner] join them into state machines for one side
// of a connection each. [AppendRequest] and [AppendResponse] write heads that were accepted anew, for
// the next connection. Nothing allocates for messages that pass, nothing keeps the bytes it is
// given, and nothing is safe for concurrent use.
//
// The package does no I/O, decodes nothing, and knows neither routing nor metrics nor logs.
package h1

import "bytes"

// Framing is how the end of a message's body is found.
type Framing uint8

// The framings. UntilClose is for responses only.
const (
	None       Framing = iota // there is no body
	Length                    // Content-Length bytes, which may be 0
	Chunked                   // the chunked transfer coding
	UntilClose                // all that comes before the connection ends
)

// String returns a word for f.
func (f Framing) String() string {
	switch f {
	case None:
		return "none"
	case Length:
		return "length"
	case Chunked:
		return "chunked"
	case UntilClose:
		return "until-close"
	}
	return "unknown"
}

// lines finds the empty line that ends a head or a trailer section in a buffer that grows. The zero
// value is at the start of the buffer; it remembers what it has seen, so that a head that arrives
// byte by byte costs no more than one that arrives whole.
type lines struct {
	seen  int // bytes looked at
	start int // where the current line begins
}

// end returns the length of the section at the front of p, or 0 while its end is not in sight. It
// refuses a section longer than limit, and a bare line feed as soon as it sees one.
func (l *lines) end(p []byte, limit int) (n int, bad *Refusal) {
	p = p[:min(len(p), limit)]
	l.seen = min(l.seen, len(p))
	for {
		i := bytes.IndexByte(p[l.seen:], '\n')
		if i < 0 {
			break
		}
		i += l.seen
		if i == 0 || p[i-1] != '\r' {
			return 0, errBareLF
		}
		if i-1 == l.start {
			return i + 1, nil
		}
		l.seen, l.start = i+1, i+1
	}
	l.seen = len(p)
	if len(p) == limit {
		return 0, errHeadTooLarge
	}
	return 0, nil
}

// eachField calls take for each field line of a section that must end with its empty line and
// nothing behind it.
func eachField(p []byte, limit int, take func(name, value []byte) *Refusal) *Refusal {
	for n := 0; ; n++ {
		name, value, rest, bad := cutField(p)
		switch {
		case bad != nil:
			return bad
		case name == nil && len(rest) > 0:
			return errIncomplete
		case name == nil:
			return nil
		case n == limit:
			return errTooManyFields
		}
		if bad := take(name, value); bad != nil {
			return bad
		}
		p = rest
	}
}

// facts gathers what the fields of one head say about framing and connection.
type facts struct {
	length    int64
	hasLength bool
	chunked   bool

	close, keepAlive, upgrade bool // connection options
	options                   int  // bytes of Connection fields

	upgrades  int  // Upgrade field lines
	websocket bool // and the last one is exactly websocket
}

// take notes one field. Names it does not know are not its business.
func (f *facts) take(name, value []byte) *Refusal {
	switch {
	case same(name, "content-length"):
		return f.takeLength(value)
	case same(name, "transfer-encoding"):
		return f.takeCoding(value)
	case same(name, "connection"):
		f.takeConnection(value)
	case same(name, "upgrade"):
		f.upgrades++
		f.websocket = same(value, "websocket")
	case same(name, "trailer"):
		return checkAnnounced(value)
	}
	return nil
}

// takeLength reads a Content-Length. RFC 9110 §8.6 allows a recipient to merge identical repeats;
// this one does not, for neither clients nor servers that mean well send them.
func (f *facts) takeLength(value []byte) *Refusal {
	if f.hasLength {
		return errLengthTwice
	}
	if len(value) < 1 || len(value) > 18 || !all(value, digitByte) {
		return errLength
	}
	for _, c := range value {
		f.length = f.length*10 + int64(c-'0')
	}
	f.hasLength = true
	return nil
}

func (f *facts) takeCoding(value []byte) *Refusal {
	if f.chunked {
		return errCodingTwice
	}
	if !same(value, "chunked") {
		return errCoding
	}
	f.chunked = true
	return nil
}

func (f *facts) takeConnection(value []byte) {
	f.options += len(value)
	for len(value) > 0 {
		var option []byte
		option, value = cutElement(value)
		switch {
		case same(option, "close"):
			f.close = true
		case same(option, "keep-alive"):
			f.keepAlive = true
		case same(option, "upgrade"):
			f.upgrade = true
		}
	}
}

// framing says how the body's end is found, where the start line has nothing to add. RFC 9112 §6.
func (f *facts) framing(version11 bool) (Framing, *Refusal) {
	switch {
	case f.chunked && f.hasLength:
		return None, errLengthCoding
	case f.chunked && !version11:
		return None, errCodingOld
	case f.chunked:
		return Chunked, nil
	case f.hasLength:
		return Length, nil
	}
	return None, nil
}

// closes reports whether the connection ends with this message. RFC 9112 §9.3.
func (f *facts) closes(version11 bool) bool {
	return f.close || !version11 && !f.keepAlive
}

// upgradesToWebsocket reports whether the fields are those of RFC 6455 §4 and no others.
func (f *facts) upgradesToWebsocket() bool {
	return f.upgrade && f.upgrades == 1 && f.websocket
}

// shadowed are the fields whose names an application may also find under their twin with
// underscores (CGI and its heirs turn "-" into "_"): what the proxy sets or obeys.
var shadowed = []string{
	"content-length", "transfer-encoding", "x-real-ip", "keep-alive", "proxy-connection", "http2-settings",
}

// shadowedPrefixes begin whole families of such fields.
var shadowedPrefixes = []string{"x-forwarded-", "switchback-"}

// shadows reports whether name has an underscore and passes for one of them without it.
func shadows(name []byte) bool {
	return bytes.IndexByte(name, '_') >= 0 && passesFor(name, shadowed)
}

// headOnly are the fields that mean nothing good in a trailer section: framing, connection,
// routing, and who is asking. RFC 9110 §6.5.1.
var headOnly = []string{
	"content-length", "transfer-encoding", "trailer", "te", "host", "connection", "keep-alive",
	"proxy-connection", "upgrade", "http2-settings", "expect", "max-forwards", "forwarded", "x-real-ip",
	"authorization", "proxy-authorization", "cookie",
}

// checkTrailers checks a trailer section with its empty line.
func checkTrailers(p []byte, lim Limits) *Refusal {
	return eachField(p, lim.fields(), func(name, _ []byte) *Refusal {
		if passesFor(name, headOnly) {
			return errTrailerName
		}
		return nil
	})
}

// checkAnnounced checks the names in a Trailer field.
func checkAnnounced(value []byte) *Refusal {
	for len(value) > 0 {
		var name []byte
		name, value = cutElement(value)
		if !all(name, tokenByte) || passesFor(name, headOnly) {
			return errTrailerName
		}
	}
	return nil
}

// passesFor reports whether name is in the list or has a shadowed prefix, in any case and with
// underscores taken for hyphens.
func passesFor(name []byte, list []string) bool {
	for _, l := range list {
		if len(name) == len(l) && looksLike(name, l) {
			return true
		}
	}
	for _, l := range shadowedPrefixes {
		if len(name) >= len(l) && looksLike(name[:len(l)], l) {
			return true
		}
	}
	return false
}

// looksLike compares two names of one length.
func looksLike(name []byte, lower string) bool {
	for i, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_':
			c = '-'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
