// Package memory is a store that forgets everything with its process: for tests and demonstrations. It
// can be told to fail. It is never durable.
package memory

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/ledger"
)

// Store is a store.Store in memory. Make one with New.
type Store struct {
	ledger *ledger.Ledger

	mu       sync.Mutex // held from planning a write to applying it, and guards the two below
	writeErr error
	readErr  error
	term     int64

	seat *ledger.Seat
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Elector = (*Store)(nil)
)

// New makes an empty store.
func New() *Store { return &Store{ledger: ledger.New(nil, 0), seat: ledger.NewSeat()} }

// Fail makes every later write answer an error that wraps err and store.ErrUnavailable, and write
// nothing, until Fail(nil).
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeErr = unavailable(err)
}

// FailReads does to Get, List and the start of Watch what Fail does to writes. Watches that run go on.
func (s *Store) FailReads(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readErr = unavailable(err)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := s.readable(ctx); err != nil {
		return store.Entry{}, fmt.Errorf("get %s: %w", key, err)
	}
	e, err := s.ledger.Read(key)
	if err != nil {
		return store.Entry{}, fmt.Errorf("get %s: %w", key, err)
	}
	return e, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]store.Entry, store.Revision, error) {
	if err := s.readable(ctx); err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", prefix, err)
	}
	list, at, err := s.ledger.List(prefix)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", prefix, err)
	}
	return list, at, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	err := store.Check(key, value)
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", key, err)
	}
	at, err := s.write(ctx, func() (store.Change, error) { return s.ledger.Put(key, value, prev) })
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", key, err)
	}
	return at, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, prev store.Revision) error {
	_, err := s.write(ctx, func() (store.Change, error) { return s.ledger.Delete(key, prev) })
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		s.mu.Lock()
		err := s.readErr
		s.mu.Unlock()
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		s.ledger.Watch(ctx, prefix, after)(yield)
	}
}

// Campaign implements store.Elector: those who share the store compete. While writes fail nobody is
// elected.
func (s *Store) Campaign(ctx context.Context) (store.Term, error) {
	term, err := s.seat.Campaign(ctx, func() (int64, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writeErr != nil {
			return 0, s.writeErr
		}
		s.term++
		return s.term, nil
	})
	if err != nil {
		return store.Term{}, fmt.Errorf("campaign: %w", err)
	}
	return term, nil
}

// Depose ends the term that runs, as the loss of a lease would.
func (s *Store) Depose() { s.seat.Depose() }

// Close implements store.Store. It never fails.
func (s *Store) Close() error {
	s.seat.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.Close()
	return nil
}

func (s *Store) write(ctx context.Context, plan func() (store.Change, error)) (store.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.writeErr != nil {
		return 0, s.writeErr
	}
	c, err := plan()
	if err != nil {
		return 0, err
	}
	s.ledger.Apply(c)
	return c.Revision, nil
}

func (s *Store) readable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readErr
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
