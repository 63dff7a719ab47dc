// Package store is the contract for durable state: small values under keys, compare-and-swap, and a
// watch. It knows nothing of the shape of the values. Its implementations are subpackages that all pass
// storetest.Run.
package store

import (
	"context"
	"errors"
	"iter"
)

// Revision orders the writes of a store. It grows with every write; 0 is before the first one.
type Revision int64

// Entry is a value and the revision that wrote it.
type Entry struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Change is one write that a watch saw. Deleted entries have no value.
type Change struct {
	Entry
	Deleted bool
}

// Errors callers branch on, tested with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("changed by somebody else meanwhile")
	ErrCompacted   = errors.New("revision no longer kept")
	ErrUnavailable = errors.New("store unavailable")
	ErrClosed      = errors.New("store closed")
)

// Store keeps durable state. Every method is safe for concurrent use. An error that is none of the
// above but ErrUnavailable means that nothing was written.
type Store interface {
	// Get reads one entry. ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// List reads every entry whose key starts with prefix, sorted by key, and the revision of the
	// store at that moment: one consistent read.
	List(ctx context.Context, prefix string) ([]Entry, Revision, error)
	// Put writes value if key is still at prev; prev 0 means the key must not exist. ErrConflict.
	// When it returns without error the value is durable.
	Put(ctx context.Context, key string, value []byte, prev Revision) (Revision, error)
	// Delete removes the key if it is still at prev. ErrConflict, ErrNotFound.
	Delete(ctx context.Context, key string, prev Revision) error
	// Watch yields every change after a revision, in order, until ctx ends or the store is closed.
	// ErrCompacted: list again.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error]
	Close() error
}
