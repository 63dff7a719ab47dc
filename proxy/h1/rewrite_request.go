package h1

import (
	"bytes"
	"strconv"
	"strings"
)

// Forwarding is what [AppendRequest] has to know beside the head itself.
type Forwarding struct {
	Host    string // for the Host field; never empty
	Target  string // request target in origin form, or "*" (path with query, as the client wrote it)
	Asked   string // the host as the client named it, for X-Forwarded-Host and Forwarded; "" none
	Peer    string // address of the client's connection, without port; "" when unknown
	Proto   string // "http" or "https"
	Trusted bool   // the peer is a trusted proxy: what the client says of earlier hops is kept and added to
	Drop    string // a further field name that is not passed on, any case; "" none
	Pool    string // for Switchback-Pool
	Flags   string // for Switchback-Flags; "" none
	Close   bool   // "Connection: close" is sent
}

// AppendRequest appends to dst the head of the request as the target receives it: no fields of the
// client's connection, nobody's word but that of trusted proxies about the client, our own set last. The
// rest stays as it is, in its order. head is one that [CheckRequest] accepted, r its result. Nothing is
// allocated when dst has room.
func AppendRequest(dst, head []byte, r *Request, f *Forwarding) []byte {
	section := fieldLines(head)
	w := requestRewrite{Forwarding: f, request: r, section: section}
	if r.Options > 0 {
		w.gone.gather(section)
	}
	dst = w.appendStart(dst)
	p := section
	for name, value, rest := nextField(p); name != nil; name, value, rest = nextField(p) {
		if w.keep(name, value) {
			dst = appendLine(dst, p, name, value)
		}
		p = rest
	}
	if w.trailers {
		dst = append(dst, "Te: trailers\r\n"...) // RFC 9110 §10.1.4
	}
	dst = w.appendForwarded(dst)
	return append(w.appendOwn(dst), "\r\n"...)
}

// requestRewrite is a request while its head is rewritten.
type requestRewrite struct {
	*Forwarding
	request *Request
	section []byte // the field lines as they came
	gone    options

	trailers            bool // TE has it
	listed              [3]bool
	protoTold, hostTold told
}

// The lists that are added to, as indices of listed.
const (
	listFor = iota
	listForwarded
	listVia
)

// told says what becomes of a field that trusted proxies may have set before us.
type told uint8

const (
	untold told = iota // there is none
	believed
	replaced
)

// keep decides at the first line for all of them.
func (t *told) keep(first bool) bool {
	if *t == untold {
		if *t = replaced; first {
			*t = believed
		}
	}
	return *t == believed
}

// appendStart appends the request line and the fields of connection and framing.
func (w *requestRewrite) appendStart(dst []byte) []byte {
	r := w.request
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, w.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(appendHost(dst, w.Host), "\r\n"...)
	if w.Close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if r.Upgrade {
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	switch {
	case r.Framing == Chunked:
		dst = appendChunked(dst, w.section)
	case r.Length > 0 || saysLength(r.Method):
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, r.Length, 10), "\r\n"...)
	}
	return dst
}

// appendHost leaves out what an IPv6 address means on this machine alone (RFC 6874 §4).
func appendHost(dst []byte, host string) []byte {
	from, to := strings.IndexByte(host, '%'), strings.LastIndexByte(host, ']')
	if from < 0 || to < from || host[0] != '[' {
		return append(dst, host...)
	}
	return append(append(dst, host[:from]...), host[to:]...)
}

// saysLength reports whether a request without a body has to say so (RFC 9110 §8.6).
func saysLength(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// keep reports whether a field line is passed on as it is, and notes what is written anew. Names that
// become others once "_" is taken for "-" have been refused.
func (w *requestRewrite) keep(name, value []byte) bool {
	var f folded
	n := f.fold(name)
	switch string(n) {
	case "te":
		w.trailers = w.trailers || hasElement(value, "trailers")
		return false
	case "host", "content-length", "proxy":
		return false
	}
	if hopByHop(n) || bytes.HasPrefix(n, ourPrefix) || aboutClient(n) && !w.Trusted ||
		w.gone.name(name) || w.Drop != "" && alike(name, w.Drop) {
		return false
	}
	switch string(n) {
	case "expect":
		return w.request.Version11 // RFC 9110 §10.1.1
	case "x-forwarded-for":
		w.listed[listFor] = true
		return w.Peer == ""
	case "forwarded":
		w.listed[listForwarded] = true
		return false
	case "via":
		w.listed[listVia] = true
		return false
	case "x-forwarded-proto":
		return w.protoTold.keep(len(value) > 0)
	case "x-forwarded-host":
		return w.hostTold.keep(len(value) > 0 || w.Asked == "")
	}
	return true
}

var ourPrefix, forwardedPrefix = []byte("switchback-"), []byte("x-forwarded-")

// aboutClient reports whether proxies tell of the client by a field, its name in lower case.
func aboutClient(name []byte) bool {
	return bytes.HasPrefix(name, forwardedPrefix) || string(name) == "forwarded" || string(name) == "x-real-ip"
}

// appendForwarded tells the target who asked, by both conventions, and that we are on the way. Several
// lines of a list become one.
func (w *requestRewrite) appendForwarded(dst []byte) []byte {
	if w.Peer != "" {
		dst = w.appendList(dst, listFor, "X-Forwarded-For: ", "x-forwarded-for")
		dst = append(append(dst, w.Peer...), "\r\n"...)
	}
	if w.protoTold != believed {
		dst = appendField(dst, []byte("X-Forwarded-Proto"), w.Proto)
	}
	if w.hostTold != believed && w.Asked != "" {
		dst = appendField(dst, []byte("X-Forwarded-Host"), w.Asked)
	}
	dst = w.appendList(dst, listForwarded, "Forwarded: ", "forwarded")
	dst = w.appendElement(dst)
	dst = w.appendList(dst, listVia, "Via: ", "via")
	if !w.request.Version11 {
		return append(dst, "1.0 switchback\r\n"...)
	}
	return append(dst, "1.1 switchback\r\n"...)
}

// appendList appends the beginning of a list: its name, and what came in it if that is passed on.
func (w *requestRewrite) appendList(dst []byte, list int, begin, lower string) []byte {
	dst = append(dst, begin...)
	if !w.listed[list] {
		return dst
	}
	for name, value, rest := nextField(w.section); name != nil; name, value, rest = nextField(rest) {
		if same(name, lower) {
			dst = append(append(dst, value...), ", "...)
		}
	}
	return dst
}

// appendElement appends one element of RFC 7239 and its line's end: addresses with colons and hosts are
// quoted.
func (w *requestRewrite) appendElement(dst []byte) []byte {
	dst = append(dst, "for="...)
	switch {
	case w.Peer == "":
		dst = append(dst, "unknown"...)
	case strings.IndexByte(w.Peer, ':') >= 0:
		dst = append(append(append(dst, `"[`...), w.Peer...), `]"`...)
	default:
		dst = append(dst, w.Peer...)
	}
	if w.Asked != "" { // HTTP/1.0 may come without
		dst = append(append(append(dst, `;host="`...), w.Asked...), '"')
	}
	return append(append(append(dst, ";proto="...), w.Proto...), "\r\n"...)
}

// appendOwn appends the fields that only we set.
func (w *requestRewrite) appendOwn(dst []byte) []byte {
	if w.Flags != "" {
		dst = appendField(dst, []byte("Switchback-Flags"), w.Flags)
	}
	return appendField(dst, []byte("Switchback-Pool"), w.Pool)
}
