package h1

// Response is what a vetted response head says.
type Response struct {
	Status    int     // 100 to 599
	Framing   Framing // of the body; None for 1xx, 204, 304 and answers to HEAD, whatever the fields say
	Length    int64   // of the body in bytes, for Length
	Version11 bool    // HTTP/1.1; else HTTP/1.0
	Close     bool    // the connection ends after this response
	Upgrade   bool    // status 101 to websocket
	Options   int     // bytes of the values of all Connection fields
}

// CheckResponse vets a response head, from the status line to the empty line and no byte more.
// method is that of the request it answers. The refusal's status is 502.
//
// It is as strict as [CheckRequest] but for what servers in use do and nobody can misread: the
// reason may be missing, with or without the space before it; Content-Length may stand in a 204 and
// a 304, and one of 0 in a 1xx; Upgrade may advertise whatever it likes outside a 101.
func CheckResponse(head []byte, method string, lim Limits) (Response, *Refusal) {
	if len(head) > lim.head() {
		return Response{}, errHeadTooLarge.upstream()
	}
	var r Response
	var f facts
	line, rest, bad := cutLine(head)
	if bad == nil {
		bad = r.line(line)
	}
	if bad == nil {
		bad = eachField(rest, lim.fields(), f.take)
	}
	if bad == nil {
		bad = r.finish(&f, method)
	}
	if bad != nil {
		return Response{}, bad.upstream()
	}
	return r, nil
}

// line reads the status line. RFC 9112 §4.
func (r *Response) line(line []byte) *Refusal {
	if len(line) < 12 || !all(line, valueByte) {
		return errStatusLine
	}
	switch string(line[:9]) {
	case "HTTP/1.1 ":
		r.Version11 = true
	case "HTTP/1.0 ":
	default:
		return errStatusLine
	}
	code := line[9:12]
	if !all(code, digitByte) || code[0] < '1' || code[0] > '5' || len(line) > 12 && line[12] != ' ' {
		return errStatusLine
	}
	r.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	return nil
}

// finish draws the conclusions from all fields. RFC 9112 §6.3.
func (r *Response) finish(f *facts, method string) *Refusal {
	framing, bad := f.framing(r.Version11)
	if bad != nil {
		return bad
	}
	interim := r.Status < 200
	if (interim || r.Status == 204) && f.chunked || interim && f.length > 0 {
		return errBodyless
	}
	r.Close, r.Options = f.closes(r.Version11), f.options
	switch {
	case r.Status == 101:
		r.Upgrade = r.Version11 && f.upgradesToWebsocket()
		if !r.Upgrade {
			return errBad101
		}
	case interim || r.Status == 204 || r.Status == 304 || method == "HEAD":
	case framing == None:
		r.Framing, r.Close = UntilClose, true
	default:
		r.Framing, r.Length = framing, f.length
	}
	return nil
}
