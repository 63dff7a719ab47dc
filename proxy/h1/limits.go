package h1

// Limits bounds what one message may ask of the proxy. A zero or negative field means its default.
type Limits struct {
	// MaxHead is the most bytes a head may have, from its first line to its empty line; the same
	// holds for the trailer section of a chunked body. The default is 64 KiB.
	MaxHead int
	// MaxTarget is the most bytes of a request target. The default is 8 KiB.
	MaxTarget int
	// MaxFields is the most field lines of a head or a trailer section. The default is 200.
	MaxFields int
}

const (
	defaultMaxHead   = 64 << 10
	defaultMaxTarget = 8 << 10
	defaultMaxFields = 200

	maxInterim      = 100       // interim responses before a final one
	maxInterimBytes = 256 << 10 // bytes of all of them together
)

// Buffer returns the most bytes a scanner asks its caller to hold before it can say more: a caller
// with a buffer of this size never meets [More] with a full buffer.
func (l Limits) Buffer() int { return max(l.head(), maxSizeLine) }

func (l Limits) head() int   { return orDefault(l.MaxHead, defaultMaxHead) }
func (l Limits) target() int { return orDefault(l.MaxTarget, defaultMaxTarget) }
func (l Limits) fields() int { return orDefault(l.MaxFields, defaultMaxFields) }

func orDefault(n, d int) int {
	if n <= 0 {
		return d
	}
	return n
}
