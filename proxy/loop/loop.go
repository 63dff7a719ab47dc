// Package loop carries plain HTTP/1.1 in event loops: a connection is a small state machine instead of a
// goroutine, its bytes are vetted and rewritten by package h1, and nothing is allocated for a request. It
// knows nothing of routing, health and metrics but what Proxy tells it, and gives what it does not carry
// to net/http, connection and bytes.
package loop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/proxy/h1"
)

// Reason says why a connection is given to net/http.
type Reason uint8

// The reasons.
const (
	Upgrade    Reason = iota // to WebSocket
	Expect                   // 100-continue
	Version                  // HTTP/1.0
	Absolute                 // the target has the absolute form
	Trailer                  // the request announces trailers
	Connection               // the request has many connection options
	GRPC                     // a gRPC call over HTTP/1.1
	HTTP2                    // the preface of HTTP/2, where the listener speaks it
	Refused                  // the request is refused, which net/http's side does
	Service                  // the service has targets that are not reached by plain HTTP/1.1
	Reasons                  // how many there are
)

// Request is what Proxy is asked about. Everything in it is good until the exchange ends.
type Request struct {
	Head   []byte // from the request line to the empty line
	Parsed *h1.Request
	At     time.Time // its head was there
	Peer   netip.Addr
	Wake   func() // has the loop ask Cause of every exchange; safe for concurrent use
}

// Verdict is what Begin makes of a request.
type Verdict uint8

// The verdicts.
const (
	Go       Verdict = iota // to the target of Aim
	Answer                  // nowhere: Fail tells the answer
	HandOver                // to net/http; nothing is counted yet, there is no exchange
)

// Proxy is what the loops know of routing, health and metrics. Its methods are called by all loops at once
// and do not block.
type Proxy interface {
	// Begin decides where a request goes. x is an exchange that ended, to be used again, or nil.
	Begin(x Exchange, q *Request) (Exchange, Verdict)
	// Opened and Closed count a client's connection in and out; one that is handed over is still open.
	Opened()
	Closed()
	// HandOver takes a connection with what has been read of it. It is called in a goroutine of its own
	// and may block. It closes c in the end, and counts that itself.
	HandOver(c net.Conn, read []byte, why Reason)
	// Panicked is told of a defect of ours. It has cost one client its connection.
	Panicked(value any, stack []byte)
}

// Event is what happens to a connection to a target.
type Event uint8

// The events.
const (
	Opened   Event = iota // a new one is there
	Reused                // a kept one carries another request
	Stale                 // a kept one had ended before anything of an answer came; another is tried
	Poisoned              // bytes came that nobody asked for, or an answer broke its own framing
)

// Upstream is the connections to the targets of one pool. Every loop has its own of each.
type Upstream struct {
	Dial  func(ctx context.Context, addr string) (net.Conn, error) // a TCP connection; may block
	Idle  time.Duration                                            // how long an unused connection is kept; 0: for ever
	Count func(Event)                                              // safe for concurrent use; does not block

	retired atomic.Bool
}

// Retire has unused connections closed soon, and what is in use once its exchange has ended.
func (u *Upstream) Retire() { u.retired.Store(true) }

var (
	// ErrClientGone says that the client went away first, or takes nothing of its answer any more.
	ErrClientGone = errors.New("the client has gone")
	// ErrSlowBody says that nothing more came of a request's body.
	ErrSlowBody = errors.New("the request's body does not come")
)

// Exchange is one request from Begin to End. One goroutine at a time uses it.
type Exchange interface {
	// Aim is the connections to the target of the attempt that runs, and its address.
	Aim() (*Upstream, string)
	// Forward fills in what the head for that target says.
	Forward(f *h1.Forwarding)
	// Answered notes the head of the final answer.
	Answered(status int, head []byte)
	// Answering fills in what the head for the client says.
	Answering(a *h1.Answering)
	// Next ends an attempt that failed and says whether another one follows. sent tells whether anything
	// of the request may have reached the target.
	Next(err error, sent bool) bool
	// Malformed ends the attempt of a request that breaks its own framing; Fail follows.
	Malformed(bad *h1.Refusal)
	// Fail appends the answer of our own that follows from what ended the attempts. The exchange ends.
	// closes tells that the client's connection has to end with it; so does the result.
	Fail(dst []byte, closes bool) (out []byte, ends bool)
	// Gone ends the exchange of a client that went away before the head of an answer.
	Gone()
	// End ends an exchange whose answer's head has left; err is why its body broke off, nil when it did
	// not. bytes is the length of the body that was sent.
	End(err error, bytes int64)
	// Abandon ends an exchange after a defect of ours, if it has not ended.
	Abandon()
	// Limits are how long the target may take to its answer's head once the request is sent, and how long
	// the exchange may; 0: as long as it likes.
	Limits() (head, whole time.Duration)
	// Cause is why the exchange has been ended from outside, nil: it has not.
	Cause() error
	// Expire says that the exchange has taken as long as it may. It returns the cause, nil to go on.
	Expire() error
}
