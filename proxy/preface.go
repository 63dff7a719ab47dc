package proxy

// preface is what an HTTP/2 client says first (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// choose decides once, by the first bytes of a connection, between HTTP/1.1 and HTTP/2 with prior
// knowledge. Nothing is passed on before that.
func (g *guard) choose() error {
	for {
		n := min(len(g.buf), len(preface))
		switch {
		case string(g.buf[:n]) != preface[:n]:
			g.undecided = false
			return nil
		case n == len(preface):
			g.undecided, g.http2 = false, true
			if g.spoke != nil { // net/http tells of no state before the first stream
				g.spoke()
				g.spoke = nil
			}
			return nil
		}
		if err := g.fill(); err != nil {
			return err
		}
	}
}

// readFrames passes on what HTTP/2 has framed itself.
func (g *guard) readFrames(p []byte) (int, error) {
	if len(g.buf) == 0 {
		g.buf, g.store = nil, nil
		return g.Conn.Read(p)
	}
	n := copy(p, g.buf)
	g.buf = g.buf[n:]
	return n, nil
}
