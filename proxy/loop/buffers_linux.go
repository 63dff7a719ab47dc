package loop

const (
	crumbSize = 1 << 10 // for the beginning of a head whose client is slow
	pageSize  = 8 << 10 // for a usual head with a usual form behind it
	bigSize   = 64 << 10
)

// sizes are what is kept to be used again, and how many of each.
var sizes = [...]struct{ bytes, kept int }{{crumbSize, 512}, {pageSize, 512}, {bigSize, 16}}

// buffers keeps what connections borrow while they have something to hold, by size.
type buffers [len(sizes)][][]byte

// get returns an empty buffer with room for n bytes.
func (b *buffers) get(n int) []byte {
	for i := range sizes {
		size, kept := sizes[i].bytes, len(b[i])
		switch {
		case n > size:
		case kept == 0:
			return make([]byte, 0, size)
		default:
			p := b[i][kept-1]
			b[i] = b[i][:kept-1]
			return p
		}
	}
	return make([]byte, 0, n)
}

// put takes a buffer back. Nobody may look at it any more.
func (b *buffers) put(p []byte) {
	for i := range sizes {
		if cap(p) == sizes[i].bytes && len(b[i]) < sizes[i].kept {
			b[i] = append(b[i], p[:0])
		}
	}
}
