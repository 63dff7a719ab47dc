package proxy

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// The budget of streams that an HTTP/2 client may take back before they are answered: as many as may be
// open at once, and one more each resetEvery.
const (
	resetBurst = maxStreams
	resetEvery = 100 * time.Millisecond
)

// resets counts the streams one HTTP/2 connection took back. Each cost a target work for nothing.
type resets struct {
	mu    sync.Mutex
	full  time.Time // when the budget is whole again
	ended bool
}

// spend takes one from the budget and reports, once, that nothing is left.
func (r *resets) spend(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full.Before(now) {
		r.full = now
	}
	r.full = r.full.Add(resetEvery)
	if r.ended || r.full.Sub(now) <= resetBurst*resetEvery {
		return false
	}
	r.ended = true
	return true
}

type resetsKey struct{}

// withConn lets handlers find what belongs to their connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	g, guarded := c.(*guard)
	if guarded {
		ctx = context.WithValue(ctx, guardKey{}, g)
	}
	if !guarded || g.undecided {
		ctx = context.WithValue(ctx, resetsKey{}, new(resets))
	}
	return ctx
}

// takenBack books that a stream ended before its answer. A connection whose budget is spent is told to go
// away: what it has open may end, and no stream that it opens later is looked at.
func (s *Server) takenBack(w http.ResponseWriter, r *http.Request) {
	budget, _ := r.Context().Value(resetsKey{}).(*resets)
	if r.ProtoMajor == 1 || budget == nil || !budget.spend(time.Now()) {
		return
	}
	s.refusals.Count(reasonResets)
	w.Header().Set("Connection", "close") // is how net/http is asked for a GOAWAY
	w.WriteHeader(statusClientGone)
	_ = http.NewResponseController(w).Flush() // the stream is gone, so this fails
}
