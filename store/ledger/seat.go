package ledger

import (
	"context"
	"sync"

	"github.com/switchback-proxy/switchback/store"
)

// Seat lets one holder at a time lead, for stores whose nodes all live in this process. Make one with
// NewSeat. It is safe for concurrent use.
type Seat struct {
	taken  chan struct{} // holds a token while somebody leads, or is about to
	closed chan struct{}

	mu     sync.Mutex // guards the two below
	ended  bool
	holder func() // ends the term that runs; nil: none
}

// NewSeat returns a seat that nobody holds.
func NewSeat() *Seat {
	return &Seat{taken: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Campaign implements store.Elector. next numbers the term; when it fails nobody leads.
func (s *Seat) Campaign(ctx context.Context, next func() (int64, error)) (store.Term, error) {
	if err := ctx.Err(); err != nil {
		return store.Term{}, err
	}
	select {
	case s.taken <- struct{}{}:
	case <-s.closed:
		return store.Term{}, store.ErrClosed
	case <-ctx.Done():
		return store.Term{}, ctx.Err()
	}
	n, err := next()
	if err != nil {
		<-s.taken
		return store.Term{}, err
	}
	return s.hold(ctx, n)
}

// hold begins a term that ends with ctx, with Depose or with the seat.
func (s *Seat) hold(ctx context.Context, n int64) (store.Term, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		<-s.taken
		return store.Term{}, store.ErrClosed
	}
	done := make(chan struct{})
	end := sync.OnceFunc(func() {
		s.mu.Lock()
		s.holder = nil
		s.mu.Unlock()
		close(done)
		<-s.taken
	})
	stop := context.AfterFunc(ctx, end)
	s.holder = func() {
		stop()
		end()
	}
	return store.Term{N: n, Done: done}, nil
}

// Depose ends the term that runs.
func (s *Seat) Depose() {
	s.mu.Lock()
	end := s.holder
	s.mu.Unlock()
	if end != nil {
		end()
	}
}

// Close ends the term that runs; no other begins. It may be called again.
func (s *Seat) Close() {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	s.mu.Unlock()
	if first {
		close(s.closed)
	}
	s.Depose()
}
