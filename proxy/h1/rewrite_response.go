package h1

import "bytes"

// Answering is what [AppendResponse] has to know beside the head itself.
type Answering struct {
	Close  bool   // the client is told that its connection ends
	Date   string // for a response without a Date field (RFC 9110 §6.6.1), as in the field; "" none
	Cookie string // a Set-Cookie value of our own; "" none
}

// AppendResponse appends to dst the head of a response as an HTTP/1.1 client receives it: its own version,
// the reason as it came, and the fields without those of the target's connection, in their order. head is
// one that [CheckResponse] accepted, r its result. Nothing is allocated when dst has room.
//
// It serves interim responses too, for which everything in a stays empty. A body framed by the end of the
// connection stays so framed, and the client is told.
func AppendResponse(dst, head []byte, r *Response, a *Answering) []byte {
	section := fieldLines(head)
	var gone options
	if r.Options > 0 {
		gone.gather(section)
	}
	dst = appendAnswerStart(dst, head, r, a)
	dated := false
	p := section
	for name, value, rest := nextField(p); name != nil; name, value, rest = nextField(p) {
		if keepAnswered(name, r, &gone) {
			dated = dated || same(name, "date")
			dst = appendLine(dst, p, name, value)
		}
		p = rest
	}
	if !dated && a.Date != "" {
		dst = appendField(dst, []byte("Date"), a.Date)
	}
	return append(dst, "\r\n"...)
}

// appendAnswerStart appends the status line, the fields of connection and framing, and our cookie, so that
// the target's stand behind it and win.
func appendAnswerStart(dst, head []byte, r *Response, a *Answering) []byte {
	line := head[:bytes.IndexByte(head, '\n')-1]
	dst = append(append(dst, "HTTP/1.1 "...), line[9:12]...)
	dst = append(dst, ' ')
	if len(line) > 12 {
		dst = append(dst, line[13:]...)
	}
	dst = append(dst, "\r\n"...)
	if a.Close || r.Framing == UntilClose {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if r.Upgrade {
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	if r.Framing == Chunked {
		dst = appendChunked(dst, fieldLines(head))
	}
	if a.Cookie != "" {
		dst = appendField(dst, []byte("Set-Cookie"), a.Cookie)
	}
	return dst
}

// keepAnswered reports whether a field is passed on to the client.
func keepAnswered(name []byte, r *Response, gone *options) bool {
	var f folded
	n := f.fold(name)
	if hopByHop(n) {
		return false
	}
	if string(n) == "content-length" {
		switch {
		case r.Framing == Length:
			return true // named by Connection or not: it frames the body
		case r.Status < 200 || r.Status == 204:
			return false // RFC 9110 §8.6
		}
	}
	return !gone.name(name)
}
