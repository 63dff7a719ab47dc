package h1

import "bytes"

// Request is what a vetted request head says. Its slices point into the head.
type Request struct {
	Method []byte
	// Target is the request target as it was sent: a path with query, an absolute http or https
	// URI, or "*".
	Target []byte
	// Host is the authority of an absolute target, else the Host field. Only HTTP/1.0 may have none.
	Host []byte
	// HostDiffers is set when an absolute target names another host than the Host field, which
	// then does not count. RFC 9112 §3.2.2.
	HostDiffers bool
	Framing     Framing // None, Length or Chunked
	Length      int64   // of the body in bytes, for Length
	Version11   bool    // HTTP/1.1; else HTTP/1.0
	Close       bool    // the connection ends after this request
	Upgrade     bool    // an upgrade to websocket is asked for
	Expect      bool    // 100-continue is expected; never in HTTP/1.0
	Options     int     // bytes of the values of all Connection fields
}

// CheckRequest vets a request head, from the request line to the empty line and no byte more.
//
// It holds RFC 9110 and RFC 9112 where they are strict, and beyond: lines end in CRLF; no field is
// folded; Content-Length stands alone and once; Transfer-Encoding is "chunked" or absent; a target
// has no byte above 0x7e and its path no invalid escape; CONNECT, and an Upgrade to anything but
// websocket or from anything but a plain HTTP/1.1 GET, are refused.
func CheckRequest(head []byte, lim Limits) (Request, *Refusal) {
	var c requestCheck
	if len(head) > lim.head() {
		return Request{}, errHeadTooLarge
	}
	line, rest, bad := cutLine(head)
	if bad == nil {
		bad = c.line(line, lim)
	}
	if bad == nil {
		bad = eachField(rest, lim.fields(), c.field)
	}
	if bad == nil {
		bad = c.finish()
	}
	if bad != nil {
		return Request{}, bad
	}
	return c.Request, nil
}

// requestCheck is a request while it is being vetted.
type requestCheck struct {
	Request
	facts     facts
	authority []byte // of an absolute target
	hosts     int
	expects   bool
	settings  bool // HTTP2-Settings
}

// line reads the request line. RFC 9112 §3.
func (c *requestCheck) line(line []byte, lim Limits) *Refusal {
	if bytes.IndexByte(line, '\r') >= 0 {
		return errBareCR
	}
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return errRequestLine
	}
	j := bytes.IndexByte(line[i+1:], ' ')
	if j < 0 {
		return errRequestLine
	}
	c.Method, c.Target = line[:i], line[i+1:i+1+j]
	if len(c.Method) == 0 || !all(c.Method, tokenByte) {
		return errMethod
	}
	if len(c.Target) > lim.target() {
		return errTargetLong
	}
	if bad := c.version(line[i+j+2:]); bad != nil {
		return bad
	}
	if string(c.Method) == "CONNECT" {
		return errConnect
	}
	return c.target()
}

func (c *requestCheck) version(v []byte) *Refusal {
	switch {
	case string(v) == "HTTP/1.1":
		c.Version11 = true
		return nil
	case string(v) == "HTTP/1.0":
		return nil
	case len(v) == 8 && string(v[:5]) == "HTTP/" && v[6] == '.' && all(v[5:6], digitByte) && all(v[7:], digitByte):
		return errVersionOther
	}
	return errVersion
}

// target accepts the origin, absolute and asterisk forms. RFC 9112 §3.2.
func (c *requestCheck) target() *Refusal {
	t := c.Target
	if len(t) == 0 || !all(t, targetByte) {
		return errTarget
	}
	if t[0] == '/' {
		return checkPath(t)
	}
	if string(t) == "*" {
		if string(c.Method) != "OPTIONS" {
			return errTarget
		}
		return nil
	}
	return c.absolute(t)
}

// absolute reads scheme and authority of an absolute target.
func (c *requestCheck) absolute(t []byte) *Refusal {
	var rest []byte
	switch {
	case len(t) > 7 && same(t[:7], "http://"):
		rest = t[7:]
	case len(t) > 8 && same(t[:8], "https://"):
		rest = t[8:]
	default:
		return errTarget
	}
	i := bytes.IndexAny(rest, "/?")
	if i < 0 {
		i = len(rest)
	}
	c.authority = rest[:i]
	if !validHost(c.authority) {
		return errHost
	}
	return checkPath(rest[i:])
}

// checkPath checks the percent escapes before the query. An escaped NUL ends the name for whoever
// keeps it in a C string, so it means two things.
func checkPath(p []byte) *Refusal {
	if i := bytes.IndexByte(p, '?'); i >= 0 {
		p = p[:i]
	}
	for {
		i := bytes.IndexByte(p, '%')
		if i < 0 {
			return nil
		}
		p = p[i+1:]
		if len(p) < 2 || !all(p[:2], hexByte) || string(p[:2]) == "00" {
			return errEscape
		}
	}
}

// field notes one field.
func (c *requestCheck) field(name, value []byte) *Refusal {
	switch {
	case same(name, "host"):
		if c.hosts++; c.hosts > 1 {
			return errHostTwice
		}
		if !validHost(value) {
			return errHost
		}
		c.Host = value
	case same(name, "expect"):
		if !same(value, "100-continue") {
			return errExpect
		}
		c.expects = true
	case same(name, "http2-settings"):
		c.settings = true
	case shadows(name):
		return errShadow
	}
	return c.facts.take(name, value)
}

// finish draws the conclusions from all fields.
func (c *requestCheck) finish() *Refusal {
	if c.Version11 && c.hosts == 0 {
		return errNoHost
	}
	if c.authority != nil {
		c.HostDiffers = c.hosts > 0 && !bytes.EqualFold(c.Host, c.authority)
		c.Host = c.authority
	}
	var bad *Refusal
	if c.Framing, bad = c.facts.framing(c.Version11); bad != nil {
		return bad
	}
	c.Length, c.Options = c.facts.length, c.facts.options
	c.Close = c.facts.closes(c.Version11)
	c.Expect = c.expects && c.Version11 // RFC 9110 §10.1.1
	if c.settings || c.facts.upgrades > 0 {
		if c.settings || !c.mayUpgrade() {
			return errUpgrade
		}
		c.Upgrade = true
	}
	return nil
}

func (c *requestCheck) mayUpgrade() bool {
	return c.facts.upgradesToWebsocket() && c.Version11 && string(c.Method) == "GET" &&
		c.Framing != Chunked && c.Length == 0
}
