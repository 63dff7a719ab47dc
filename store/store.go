// Package store is the contract for durable state: small values under keys, compare-and-swap, and a
// watch. It knows nothing of the shape of the values. Its implementations are subpackages that all pass
// storetest.Run.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"
)

// The bounds of what a store takes, in bytes. Beyond them Put answers ErrInvalid.
const (
	MaxKey   = 512
	MaxValue = 1 << 20
)

// Revision orders the writes of a store. It grows with every write, also across restarts; 0 is before
// the first one.
type Revision int64

// Entry is a value and the revision that wrote it.
type Entry struct {
	Key      string
	Value    []byte
	Revision Revision
}

// Change is one write that a watch saw. Deleted entries have no value; their revision is that of the
// deletion.
type Change struct {
	Entry
	Deleted bool
}

// Errors callers branch on, tested with errors.Is.
var (
	// ErrNotFound: the key is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the key is not at the revision the caller believes. Read again, then decide again.
	ErrConflict = errors.New("changed by somebody else meanwhile")
	// ErrCompacted: the changes after that revision are not kept any more. List, then watch from there.
	ErrCompacted = errors.New("revision no longer kept")
	// ErrUnavailable: the store could not do it now. It is worth trying again later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("store closed")
	// ErrInvalid: a key that is empty, too long or not UTF-8, or a value that is too long.
	ErrInvalid = errors.New("invalid key or value")
)

// Store keeps durable state. Every method is safe for concurrent use. Values are copied on the way in
// and on the way out: a caller may change its slice at will.
//
// Only ErrUnavailable leaves open whether a write happened; after any other error, that of an ended
// context included, nothing was written. An implementation may promise more.
type Store interface {
	// Get reads one entry. ErrNotFound, ErrClosed.
	Get(ctx context.Context, key string) (Entry, error)
	// List reads every entry whose key starts with prefix, sorted by key, and the revision of the
	// store at that moment: one consistent read. A watch after that revision misses nothing.
	List(ctx context.Context, prefix string) ([]Entry, Revision, error)
	// Put writes value if key is still at prev; prev 0 means the key must not exist. ErrConflict.
	// When it returns without error the value is durable. It blocks for the time the medium needs; ctx
	// is honoured until the write begins.
	Put(ctx context.Context, key string, value []byte, prev Revision) (Revision, error)
	// Delete removes the key if it is still at prev. ErrConflict, ErrNotFound. Deleting takes a
	// revision too.
	Delete(ctx context.Context, key string, prev Revision) error
	// Watch yields every change after a revision, in order, until ctx ends or the store is closed.
	// ErrCompacted: list again.
	//
	// An error is the last thing it yields. It ends silently with ctx, and with ErrClosed when the store
	// is closed. A watcher that is too slow gets ErrCompacted; it never holds up a writer.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error]
	// Close ends every watch and waits for the write in progress. Afterwards every method answers
	// ErrClosed; closing again does nothing.
	Close() error
}

// Elector finds one node among those that share a store.
type Elector interface {
	// Campaign blocks until this node leads, and until then at most as long as ctx. ctx also bounds the
	// term: whoever does not want to lead any more ends it. ErrUnavailable, ErrClosed.
	Campaign(ctx context.Context) (Term, error)
}

// Term is a time during which one node leads. A later term has a higher N, also across restarts of a
// durable store; the first is at least 1. Done is closed when the term is over, before the next begins.
type Term struct {
	N    int64
	Done <-chan struct{}
}

// Check tells whether a store takes this key and value: nil, or an error that wraps ErrInvalid.
func Check(key string, value []byte) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes, at most %d", ErrInvalid, len(key), MaxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: key %q is not UTF-8", ErrInvalid, key)
	case len(value) > MaxValue:
		return fmt.Errorf("%w: value of %d bytes, at most %d", ErrInvalid, len(value), MaxValue)
	}
	return nil
}
