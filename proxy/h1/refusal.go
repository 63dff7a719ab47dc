package h1

// Refusal says why a message may not pass. Refusals are shared values: look, do not change.
// After any of them nothing more may be read from the connection; it is answered and closed.
type Refusal struct {
	// Status is the status code to answer with: 400, 414, 417, 431, 501 or 505 for a request,
	// always 502 for a response.
	Status int
	// Reason is a short name in kebab-case, out of a fixed set: fit for a metric label or a header.
	Reason string
	// Detail is a sentence for people. It holds nothing of the message itself.
	Detail string
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string { return r.Reason + ": " + r.Detail }

// upstream returns the same refusal as the proxy's client sees it: the upstream is at fault.
func (r *Refusal) upstream() *Refusal {
	if r == nil || r.Status == 502 {
		return r
	}
	return &Refusal{Status: 502, Reason: r.Reason, Detail: r.Detail}
}

// Refusals of the line and field grammar, the same in heads and trailers, requests and responses.
var (
	errHeadTooLarge  = &Refusal{431, "head-too-large", "the head is longer than allowed"}
	errTooManyFields = &Refusal{431, "too-many-fields", "there are more field lines than allowed"}
	errIncomplete    = &Refusal{400, "incomplete-head", "the head does not end at its empty line"}
	errBareLF        = &Refusal{400, "bare-lf", "a line ends without a carriage return"}
	errBareCR        = &Refusal{400, "bare-cr", "a carriage return stands inside a line"}
	errFold          = &Refusal{400, "obs-fold", "a field line begins with white space"}
	errSpaceColon    = &Refusal{400, "space-before-colon", "white space stands between field name and colon"}
	errFieldName     = &Refusal{400, "bad-field-name", "a field name is empty, has no colon after it, or is no token"}
	errFieldValue    = &Refusal{400, "bad-field-value", "a field value holds a control character"}
)

// Refusals about where a message ends.
var (
	errLength         = &Refusal{400, "bad-content-length", "Content-Length is not a plain number of 1 to 18 digits"}
	errLengthTwice    = &Refusal{400, "repeated-content-length", "Content-Length is given more than once"}
	errCoding         = &Refusal{400, "bad-transfer-encoding", "Transfer-Encoding is not exactly chunked"}
	errCodingTwice    = &Refusal{400, "repeated-transfer-encoding", "Transfer-Encoding is given more than once"}
	errCodingOld      = &Refusal{400, "transfer-encoding-in-http-1-0", "HTTP/1.0 has no Transfer-Encoding"}
	errLengthCoding   = &Refusal{400, "length-with-transfer-encoding", "Content-Length and Transfer-Encoding are both given"}
	errTrailerName    = &Refusal{400, "bad-trailer", "a trailer field is announced or sent that may only stand in a head"}
	errChunkSize      = &Refusal{400, "bad-chunk-size", "a chunk size is not 1 to 16 hexadecimal digits"}
	errChunkOverflow  = &Refusal{400, "chunk-size-overflow", "a chunk size is above 2^63-1"}
	errChunkExtension = &Refusal{400, "bad-chunk-extension", "a chunk extension holds a byte it must not"}
	errChunkExtLong   = &Refusal{400, "chunk-extension-too-long", "chunk extensions are longer than allowed"}
	errChunkEnd       = &Refusal{400, "bad-chunk-end", "chunk data is not followed by an empty line end"}
	errTruncated      = &Refusal{400, "truncated", "the connection ended inside a message"}
)

// Refusals of requests only.
var (
	errRequestLine   = &Refusal{400, "bad-request-line", "the request line is not method, target and version with one space between"}
	errMethod        = &Refusal{400, "bad-method", "the method is not a token"}
	errTarget        = &Refusal{400, "bad-target", "the request target has none of the allowed forms"}
	errEscape        = &Refusal{400, "bad-escape", "the path holds an invalid percent escape or %00"}
	errTargetLong    = &Refusal{414, "target-too-long", "the request target is longer than allowed"}
	errVersion       = &Refusal{400, "bad-version", "the HTTP version is malformed"}
	errVersionOther  = &Refusal{505, "version-not-supported", "only HTTP/1.1 and HTTP/1.0 are spoken here"}
	errConnect       = &Refusal{501, "connect-not-allowed", "CONNECT is not offered"}
	errNoHost        = &Refusal{400, "missing-host", "HTTP/1.1 needs a Host field"}
	errHostTwice     = &Refusal{400, "repeated-host", "Host is given more than once"}
	errHost          = &Refusal{400, "bad-host", "the host is not a name or address with an optional port"}
	errShadow        = &Refusal{400, "shadow-field", "a field name with an underscore passes for a field that matters"}
	errUpgrade       = &Refusal{501, "upgrade-not-allowed", "only a GET without a body may upgrade, and only to websocket"}
	errExpect        = &Refusal{417, "unknown-expectation", "only 100-continue may be expected"}
	errEarlyUpgraded = &Refusal{400, "early-upgrade-data", "too much was sent before the upgrade was answered"}
)

// Refusals of responses only.
var (
	errStatusLine  = &Refusal{502, "bad-status-line", "the status line is malformed"}
	errUnsolicited = &Refusal{502, "unsolicited-response", "bytes arrived that no request asked for"}
	errUnasked101  = &Refusal{502, "unasked-upgrade", "status 101 arrived though no upgrade was asked for"}
	errBad101      = &Refusal{502, "bad-upgrade", "status 101 does not upgrade to websocket"}
	errInterim     = &Refusal{502, "too-many-interim", "there are more interim responses than allowed"}
	errBodyless    = &Refusal{502, "body-not-allowed", "a response that cannot have a body announces one"}
)
