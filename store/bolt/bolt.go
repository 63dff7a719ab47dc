// Package bolt is the durable store of one machine: an embedded bbolt database, and beside it
// last-good.json, the same content again, from which a damaged database is rebuilt.
//
// Reads are served from memory; the disk is read once, at Open, and then all of it is verified. A write is
// two commits: to the database, which makes it durable, and to last-good.json, which makes it recoverable.
// The package does not know what the values mean, does not log, and shares its folder with no other
// process.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/ledger"
)

// Store is a store.Store in a folder. Make one with Open.
//
// It promises more than the contract: after ErrUnavailable nothing was written as far as this process and
// last-good.json are concerned. The next write that succeeds makes that final; should the process end
// before, the refused write is the only other one that may be found. The changes a watch can go back to
// are those since Open, at most ledger.MaxChanges.
type Store struct {
	ledger *ledger.Ledger
	seat   *ledger.Seat
	term   int64 // the last one; whoever is about to take the seat may touch it
	folder *folder
	warn   func(error)

	turn chan struct{} // holds one token; whoever has it may write, and touch the next three
	db   *database     // nil after a fault, until the next write rebuilds it
	seal []byte        // of the content last acknowledged
	done bool          // closed

	mu      sync.Mutex // guards goodErr
	goodErr error
}

var _ store.Store = (*Store)(nil)

func newStore(f *folder, db *database, o Options) *Store {
	s := &Store{seat: ledger.NewSeat(), folder: f, db: db, warn: o.OnWarning, turn: make(chan struct{}, 1)}
	if s.warn == nil {
		s.warn = func(error) {}
	}
	s.turn <- struct{}{}
	return s
}

// Get implements store.Store. It does not touch the disk.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	err := ctx.Err()
	var e store.Entry
	if err == nil {
		e, err = s.ledger.Read(key)
	}
	if err != nil {
		return store.Entry{}, fmt.Errorf("get %s: %w", key, err)
	}
	return e, nil
}

// List implements store.Store. It does not touch the disk.
func (s *Store) List(ctx context.Context, prefix string) ([]store.Entry, store.Revision, error) {
	err := ctx.Err()
	var list []store.Entry
	var at store.Revision
	if err == nil {
		list, at, err = s.ledger.List(prefix)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", prefix, err)
	}
	return list, at, nil
}

// Put implements store.Store. When last-good.json cannot be written the value is durable all the same and
// Put succeeds; see LastGood.
func (s *Store) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	at, err := store.Revision(0), store.Check(key, value)
	if err == nil {
		at, err = s.write(ctx, func() (store.Change, error) { return s.ledger.Put(key, value, prev) })
	}
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
	return s.ledger.Watch(ctx, prefix, after)
}

// LastGood is nil while last-good.json holds what the database holds, and else why it does not. Every
// write tries again.
func (s *Store) LastGood() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goodErr
}

// Close implements store.Store. It gives the folder free.
func (s *Store) Close() error {
	s.seat.Close()
	<-s.turn
	defer s.end()
	if s.done {
		return nil
	}
	s.done = true
	if s.LastGood() != nil {
		if content, err := newImage(s.ledger.Snapshot(), s.ledger.Revision()); err == nil {
			s.keepGood(content)
		}
	}
	s.ledger.Close()
	var err error
	if s.db != nil {
		err = s.db.close()
	}
	if err = errors.Join(err, s.folder.close()); err != nil {
		return fmt.Errorf("close state dir %s: %w", s.folder.path, err)
	}
	return nil
}

// write makes a planned change durable, then visible.
func (s *Store) write(ctx context.Context, plan func() (store.Change, error)) (store.Revision, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	c, err := plan()
	if err != nil {
		return 0, err
	}
	will, err := newImage(s.ledger.Snapshot(c), c.Revision)
	if err != nil {
		return 0, err
	}
	if err := s.commit(c, will); err != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	s.seal = will.seal()
	s.keepGood(will)
	s.ledger.Apply(c)
	return c.Revision, nil
}

func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) end() { s.turn <- struct{}{} }

func (s *Store) commit(c store.Change, will image) error {
	if s.db == nil {
		if err := s.repair(); err != nil {
			return err
		}
	}
	err := s.db.write(c, s.seal, will)
	if errors.Is(err, errFault) {
		s.db.abandon(err)
		s.db = nil
	}
	return err
}

// repair puts a new database, made of what is in memory, in the place of one that faulted.
func (s *Store) repair() error {
	content, err := newImage(s.ledger.Snapshot(), s.ledger.Revision())
	if err != nil {
		return err
	}
	db, aside, err := rebuildDatabase(s.folder, content)
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", databaseName, err)
	}
	s.db = db
	s.warn(fmt.Errorf("%s faulted and was rebuilt; the old one is now %s", databaseName, aside))
	return nil
}

func (s *Store) keepGood(content image) {
	err := s.folder.writeGood(content)
	s.mu.Lock()
	s.goodErr = err
	s.mu.Unlock()
	if err != nil {
		s.warn(err)
	}
}
