package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/proxy/h1"
)

// connectionFields may not be in a message of HTTP/2 (RFC 9113 §8.2.2).
var connectionFields = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

// vetStream refuses what the transport lets through and HTTP/1.1 could not carry on, and settles which
// responses have no body. Names and values are checked by the transport.
func vetStream(res *http.Response) error {
	for _, name := range connectionFields {
		if _, ok := res.Header[name]; ok {
			return &h1.Refusal{Status: http.StatusBadGateway, Reason: "bad-field", Detail: "a field of one connection over HTTP/2"}
		}
	}
	if lengths, ok := res.Header["Content-Length"]; ok {
		if _, err := strconv.ParseUint(lengths[0], 10, 63); len(lengths) > 1 || err != nil {
			return &h1.Refusal{Status: http.StatusBadGateway, Reason: "bad-content-length", Detail: "a length that is no number, or more than one"}
		}
	}
	if bodyless := res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified; bodyless {
		_ = res.Body.Close()
		res.Body = http.NoBody
	}
	return nil
}

// streamError has the shape of the error with which net/http tells of a stream that was reset, which can be
// had by errors.As only.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("stream reset with code %d", e.Code) }

// errBodyClosed ends the reading of a body for a stream to a target that has ended. What ended it is in
// the transport's error.
var errBodyClosed = errors.New("the stream to the target has ended")

// streamBody is an upload for an HTTP/2 stream. There the transport tells nobody that a stream has failed
// before the reader of its body has come back, and asks the reader to by Close.
type streamBody struct{ *upload }

// Close wakes the reader. Nothing of this stream of the client is read any more, but its answer goes on.
func (b streamBody) Close() error {
	if b.use.Load() == sending {
		b.stop(errBodyClosed)
	}
	return nil
}

// pumpedBody is one of an HTTP/1.1 client, whose reading cannot be ended without ending the connection. The
// goroutine that reads ends with the exchange, which stops the upload.
type pumpedBody struct {
	*upload
	r     *io.PipeReader
	w     *io.PipeWriter
	begin sync.Once
}

func newPumpedBody(u *upload) *pumpedBody {
	b := &pumpedBody{upload: u}
	b.r, b.w = io.Pipe()
	return b
}

func (b *pumpedBody) Read(p []byte) (int, error) {
	b.begin.Do(func() {
		go func() {
			_, err := io.Copy(b.w, b.upload)
			_ = b.w.CloseWithError(err) // nil is the end of the body
		}()
	})
	return b.r.Read(p)
}

// Close wakes the transport.
func (b *pumpedBody) Close() error { return b.r.Close() }

// streamCause is why we reset a stream ourselves, where that is so: the target broke the protocol.
func streamCause(err error) error {
	var reset streamError
	if !errors.As(err, &reset) || reset.Cause == nil || reset.Cause.Error() == "received from peer" {
		return err
	}
	var refusal *h1.Refusal
	if errors.As(reset.Cause, &refusal) {
		return refusal
	}
	return &h1.Refusal{Status: http.StatusBadGateway, Reason: "bad-frames", Detail: reset.Cause.Error()}
}

// grpcOfReset is what gRPC makes of the code of a reset (RFC 9113 §7); zero when err is none.
func grpcOfReset(err error) int {
	var reset streamError
	if !errors.As(err, &reset) {
		return 0
	}
	switch reset.Code {
	case 7: // refused
		return grpcUnavailable
	case 8:
		return grpcCancelled
	case 11: // enhance your calm
		return grpcResourceExhausted
	case 12: // inadequate security
		return grpcPermissionDenied
	}
	return grpcInternal
}

// grpcTrailers end a call whose answer broke off. net/http cannot pass on the code of a reset, so the
// status that follows from it stands where the target's would.
func (f failure) grpcTrailers(err error) http.Header {
	status := f.grpcStatus()
	if known := grpcOfReset(err); known != 0 && f.outcome == metrics.Truncated {
		status = known
	}
	return http.Header{"Grpc-Status": {strconv.Itoa(status)}, "Grpc-Message": {grpcMessage(f.detail)}}
}
