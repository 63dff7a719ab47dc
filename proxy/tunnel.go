package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/metrics"
)

// tunnel joins client and target after 101 until either ends, or the exchange is ended from outside:
// then the client is told by a WebSocket close frame where the stream allows one.
func (x *exchange) tunnel(ctx context.Context, w http.ResponseWriter, r *http.Request, c client, res *http.Response) {
	target, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		f := failure{http.StatusBadGateway, "upgrade-failed", "The upstream's connection cannot be upgraded.", metrics.Malformed}
		x.finish(r, c, f.outcome, f.status, f.answer(w, r))
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		x.reason = "upgrade-failed"
		x.finish(r, c, metrics.Unexpected, http.StatusInternalServerError, 0)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Time{})
	if g, ok := conn.(*guard); ok {
		g.upgraded()
	}
	x.issueCookie(res.Header, c)
	if err := switchProtocols(buffered.Writer, res); err != nil {
		x.finish(r, c, metrics.ClientGone, statusClientGone, 0)
		return
	}
	x.stays()
	down := &downstream{conn: conn}
	bytes := join(ctx, down, target, buffered.Reader)
	x.finish(r, c, metrics.OK, http.StatusSwitchingProtocols, bytes)
}

// switchProtocols writes the 101 with its end-to-end fields and those that make the switch.
func switchProtocols(w *bufio.Writer, res *http.Response) error {
	removeHopByHop(res.Header)
	res.Header["Connection"] = []string{"Upgrade"}
	res.Header["Upgrade"] = []string{"websocket"}
	head := http.Response{StatusCode: res.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: res.Header}
	if err := head.Write(w); err != nil {
		return err
	}
	return w.Flush()
}

// closeGrace is how long a peer may take to answer a close frame.
const closeGrace = time.Second

// join copies both ways and returns the bytes that went to the client.
func join(ctx context.Context, down *downstream, target io.ReadWriteCloser, fromClient io.Reader) int64 {
	var up sync.WaitGroup
	ended := make(chan struct{})
	up.Go(func() {
		_, _ = io.Copy(target, fromClient)
		// The client is done; a target that has nothing left to say is closed with it.
		_ = target.Close()
	})
	up.Go(func() {
		select {
		case <-ctx.Done():
			if down.goAway() {
				_ = down.conn.SetReadDeadline(time.Now().Add(closeGrace))
				select {
				case <-ended:
				case <-time.After(closeGrace):
				}
			}
			_ = target.Close()
		case <-ended:
		}
	})
	n, _ := io.Copy(down, target)
	close(ended)
	_ = down.conn.Close()
	up.Wait()
	return n
}

// downstream is the way to the client. It follows the WebSocket frames that pass, so that a close frame
// of ours never lands inside another frame.
type downstream struct {
	conn   net.Conn
	mu     sync.Mutex // guards frames, closed and the order of writes
	frames frames
	closed bool
}

var errGoneAway = errors.New("close frame sent")

func (d *downstream) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, errGoneAway
	}
	n, err := d.conn.Write(p)
	d.frames.pass(p[:n])
	return n, err
}

// goAway sends close code 1001 (RFC 6455 §7.4.1) if no frame is half sent, and reports whether it did.
// Nothing follows it in any case.
func (d *downstream) goAway() bool {
	_ = d.conn.SetWriteDeadline(time.Now().Add(closeGrace)) // a client that does not read must not hold the lock
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if !d.frames.between() {
		return false
	}
	_, err := d.conn.Write([]byte{0x88, 0x02, 0x03, 0xe9})
	return err == nil
}

// frames follows a stream of unmasked WebSocket frames (RFC 6455 §5.2).
type frames struct {
	head    [10]byte
	have    int    // bytes of head seen
	payload uint64 // bytes of payload still to come
}

// between reports whether the stream stands between two frames.
func (f *frames) between() bool { return f.have == 0 && f.payload == 0 }

func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		if f.payload > 0 {
			n := min(f.payload, uint64(len(p)))
			f.payload -= n
			p = p[n:]
			continue
		}
		f.head[f.have] = p[0]
		f.have++
		p = p[1:]
		if f.have >= 2 && f.have == f.headLen() {
			f.payload, f.have = f.payloadLen(), 0
		}
	}
}

func (f *frames) headLen() int {
	switch f.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func (f *frames) payloadLen() uint64 {
	n := uint64(f.head[1] & 0x7f)
	if n < 126 {
		return n
	}
	n = 0
	for _, b := range f.head[2:f.headLen()] {
		n = n<<8 | uint64(b)
	}
	return n
}
