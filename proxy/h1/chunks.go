package h1

import "math"

const (
	maxSizeDigits = 16
	maxExtension  = 256 // bytes of extensions of one chunk, with the first semicolon
	maxSizeLine   = maxSizeDigits + maxExtension + 2

	// maxExtensions is the most bytes of extensions in one message. It stays below the 16 KiB of
	// overhead at which net/http's reader gives up, so that the refusal is always ours.
	maxExtensions = 15 << 10
)

// Chunks follows a chunked body (RFC 9112 §7.1) to its end. It decodes nothing: all bytes of the
// coding are counted, sizes and trailers with the data. The zero value is at the start of a body
// and has the default limits.
//
// It accepts sizes of 1 to 16 hexadecimal digits up to 2^63-1, extensions of ASCII text up to
// 256 bytes a chunk and 15 KiB a message, and trailers of the grammar and limits of a head, none of
// which may be a field of framing, connection, routing or identity.
type Chunks struct {
	Limits Limits // set before the first Scan

	state      chunkState
	left       int64 // bytes of the chunk's data not yet seen
	data       int64 // bytes of data seen
	extensions int   // bytes so far
	section    int   // bytes of the trailer section, with its empty line, once it is seen
	trailers   lines
}

type chunkState uint8

const (
	atSize chunkState = iota
	inData
	atDataEnd
	inTrailers
	atChunksEnd
)

// Scan says how many bytes at the front of p belong to the body and are sound, and whether the body
// ends with them. When n is less than len(p) and done is false, the rest is the beginning of a line
// that cannot be judged yet, or is refused by the next call: call again with that rest, and with
// more bytes behind it if n is 0. Refusals have status 400 or 431, and are final.
func (c *Chunks) Scan(p []byte) (n int, done bool, bad *Refusal) {
	for c.state != atChunksEnd {
		m, bad := c.step(p[n:])
		if bad != nil && n == 0 {
			return 0, false, bad
		}
		if bad != nil || m == 0 {
			return n, false, nil
		}
		n += m
	}
	return n, true, nil
}

// Ahead returns how many bytes will pass next whatever they are: what is left of a chunk's data.
func (c *Chunks) Ahead() int64 {
	if c.state == inData {
		return c.left
	}
	return 0
}

// step takes one line or piece of data off the front of p. It changes nothing when it refuses or
// needs more, so it can be asked again.
func (c *Chunks) step(p []byte) (n int, bad *Refusal) {
	switch c.state {
	case atSize:
		return c.size(p)
	case inData:
		return c.piece(p), nil
	case atDataEnd:
		return c.dataEnd(p)
	case inTrailers:
		return c.trailer(p)
	case atChunksEnd:
	}
	return 0, nil
}

func (c *Chunks) size(p []byte) (n int, bad *Refusal) {
	n, size, extension, bad := sizeLine(p)
	switch {
	case bad != nil || n == 0:
		return 0, bad
	case size > math.MaxInt64:
		return 0, errChunkOverflow
	case c.extensions+extension > maxExtensions:
		return 0, errChunkExtLong
	}
	c.extensions += extension
	c.left, c.state = int64(size), inData
	if size == 0 {
		c.state = inTrailers
	}
	return n, nil
}

func (c *Chunks) piece(p []byte) int {
	n := min(int64(len(p)), c.left)
	c.data += n
	if c.left -= n; c.left == 0 {
		c.state = atDataEnd
	}
	return int(n)
}

func (c *Chunks) dataEnd(p []byte) (n int, bad *Refusal) {
	switch {
	case len(p) > 0 && p[0] != '\r', len(p) > 1 && p[1] != '\n':
		return 0, errChunkEnd
	case len(p) < 2:
		return 0, nil
	}
	c.state = atSize
	return 2, nil
}

func (c *Chunks) trailer(p []byte) (n int, bad *Refusal) {
	n, bad = c.trailers.end(p, c.Limits.head())
	if bad == nil && n > 0 {
		bad = checkTrailers(p[:n], c.Limits)
	}
	if bad != nil || n == 0 {
		return 0, bad
	}
	c.state, c.section = atChunksEnd, n
	return n, nil
}

// sizeLine reads the line before a chunk's data: its own length with the CRLF, the size, and the
// length of the extensions. The length is 0 when the line is not complete yet. A wrong byte is
// refused as soon as it is seen.
func sizeLine(p []byte) (n int, size uint64, extension int, bad *Refusal) {
	i := 0
	for ; i < len(p) && classes[p[i]]&hexByte != 0; i++ {
		if i == maxSizeDigits {
			return 0, 0, 0, errChunkSize
		}
		size = size<<4 | uint64(unhex(p[i]))
	}
	if i == 0 && len(p) > 0 {
		return 0, 0, 0, errChunkSize
	}
	extension, bad = extensionLength(p[i:])
	if bad != nil {
		return 0, 0, 0, bad
	}
	i += extension
	if len(p) < i+2 {
		return 0, 0, 0, nil
	}
	return i + 2, size, extension, nil
}

// extensionLength returns the length of the extensions at the front of p and refuses what is
// neither that nor a CRLF behind it. White space between size and semicolon is refused with the
// rest: RFC 9112 would forgive it, net/http's reader does not.
func extensionLength(p []byte) (int, *Refusal) {
	for i, c := range p {
		switch {
		case c == '\n':
			return 0, errBareLF
		case c == '\r' && i+1 < len(p) && p[i+1] != '\n':
			return 0, errBareCR
		case c == '\r':
			return i, nil
		case i == 0 && c != ';':
			return 0, errChunkSize
		case i == maxExtension:
			return 0, errChunkExtLong
		case classes[c]&valueByte == 0 || c >= 0x80:
			return 0, errChunkExtension
		}
	}
	return len(p), nil
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
