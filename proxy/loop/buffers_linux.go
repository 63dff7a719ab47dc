package loop

const (
	crumbSize  = 1 << 10 // for the beginning of a head whose client is slow
	pageSize   = 8 << 10 // for a usual head with a usual form behind it
	bigSize    = 64 << 10
	crumbsKept = 512
	pagesKept  = 512
	bigsKept   = 16
)

// buffers keeps what connections borrow while they have something to hold.
type buffers struct{ crumbs, pages, bigs [][]byte }

// get returns an empty buffer with room for n bytes.
func (b *buffers) get(n int) []byte {
	switch {
	case n <= crumbSize:
		if k := len(b.crumbs); k > 0 {
			p := b.crumbs[k-1]
			b.crumbs = b.crumbs[:k-1]
			return p
		}
		return make([]byte, 0, crumbSize)
	case n <= pageSize:
		if k := len(b.pages); k > 0 {
			p := b.pages[k-1]
			b.pages = b.pages[:k-1]
			return p
		}
		return make([]byte, 0, pageSize)
	case n <= bigSize:
		if k := len(b.bigs); k > 0 {
			p := b.bigs[k-1]
			b.bigs = b.bigs[:k-1]
			return p
		}
		return make([]byte, 0, bigSize)
	}
	return make([]byte, 0, n)
}

// put takes a buffer back. Nobody may look at it any more.
func (b *buffers) put(p []byte) {
	switch {
	case cap(p) == crumbSize && len(b.crumbs) < crumbsKept:
		b.crumbs = append(b.crumbs, p[:0])
	case cap(p) == pageSize && len(b.pages) < pagesKept:
		b.pages = append(b.pages, p[:0])
	case cap(p) == bigSize && len(b.bigs) < bigsKept:
		b.bigs = append(b.bigs, p[:0])
	}
}
