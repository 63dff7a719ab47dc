// Package ledger is the picture in memory of one store: its entries, its revision and its latest
// changes, for stores that keep everything at hand. It decides compare-and-swap and feeds watches. It
// does no I/O and makes nothing durable; that is for the store around it.
package ledger

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/switchback-proxy/switchback/store"
)

// The history a Ledger keeps for watches: whichever bound is met first. It bridges the moments in which a watch
// stands still. One that is further behind lists again, which costs less than to keep for ever what it might want.
const (
	MaxChanges = 1024
	MaxBytes   = store.MaxValue // room for one of any size
)

// Ledger holds entries and the latest changes. It is safe for concurrent use, but whoever plans a
// change and applies it must be the only one doing so at a time.
type Ledger struct {
	mu       sync.RWMutex // guards everything below
	entries  map[string]store.Entry
	revision store.Revision
	changes  []store.Change // oldest first
	kept     int            // bytes of the values in changes
	floor    store.Revision // every change after it is in changes
	wake     chan struct{}  // closed, and replaced, when something changes
	closed   bool
}

// New makes a ledger of the entries a store had at a revision. It takes entries over. Changes up to that
// revision are not known: watching from before it is ErrCompacted.
func New(entries []store.Entry, at store.Revision) *Ledger {
	l := &Ledger{
		entries:  make(map[string]store.Entry, len(entries)),
		revision: at,
		floor:    at,
		wake:     make(chan struct{}),
	}
	for _, e := range entries {
		l.entries[e.Key] = e
	}
	return l
}

// Read returns one entry. ErrNotFound, ErrClosed.
func (l *Ledger) Read(key string) (store.Entry, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return store.Entry{}, store.ErrClosed
	}
	e, ok := l.entries[key]
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return clone(e), nil
}

// List returns the entries under a prefix, sorted by key, and the revision they were read at. ErrClosed.
func (l *Ledger) List(prefix string) ([]store.Entry, store.Revision, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, 0, store.ErrClosed
	}
	var list []store.Entry
	for key, e := range l.entries {
		if strings.HasPrefix(key, prefix) {
			list = append(list, clone(e))
		}
	}
	slices.SortFunc(list, byKey)
	return list, l.revision, nil
}

// Put plans a write: the change it would be, with a copy of value. ErrConflict, ErrClosed.
func (l *Ledger) Put(key string, value []byte, prev store.Revision) (store.Change, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return store.Change{}, store.ErrClosed
	}
	if was := l.entries[key].Revision; was != prev {
		return store.Change{}, conflict(prev, was)
	}
	e := store.Entry{Key: key, Value: bytes.Clone(value), Revision: l.revision + 1}
	return store.Change{Entry: e}, nil
}

// Delete plans a removal. ErrNotFound, ErrConflict, ErrClosed.
func (l *Ledger) Delete(key string, prev store.Revision) (store.Change, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return store.Change{}, store.ErrClosed
	}
	e, ok := l.entries[key]
	if !ok {
		return store.Change{}, store.ErrNotFound
	}
	if e.Revision != prev {
		return store.Change{}, conflict(prev, e.Revision)
	}
	return store.Change{Entry: store.Entry{Key: key, Revision: l.revision + 1}, Deleted: true}, nil
}

// Snapshot returns every entry as the planned changes would leave them, sorted by key. The values are
// those of the ledger: to be read only.
func (l *Ledger) Snapshot(planned ...store.Change) []store.Entry {
	l.mu.RLock()
	entries := maps.Clone(l.entries)
	l.mu.RUnlock()
	for _, c := range planned {
		if c.Deleted {
			delete(entries, c.Key)
		} else {
			entries[c.Key] = c.Entry
		}
	}
	return slices.SortedFunc(maps.Values(entries), byKey)
}

// Apply makes a planned change visible and hands it to the watches. It never blocks on them.
func (l *Ledger) Apply(c store.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Deleted {
		delete(l.entries, c.Key)
	} else {
		l.entries[c.Key] = c.Entry
	}
	l.revision = c.Revision
	l.changes = append(l.changes, c)
	l.kept += len(c.Value)
	for len(l.changes) > MaxChanges || l.kept > MaxBytes {
		l.forget()
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

// Revision is that of the last change.
func (l *Ledger) Revision() store.Revision {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.revision
}

// Close ends the watches and makes everything answer ErrClosed. It may be called again.
func (l *Ledger) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.wake)
}

// forget drops the oldest change. The caller holds mu.
func (l *Ledger) forget() {
	l.floor = l.changes[0].Revision
	l.kept -= len(l.changes[0].Value)
	l.changes[0] = store.Change{} // lets go of the value while the array lives on
	l.changes = l.changes[1:]
}

func byKey(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) }

func clone(e store.Entry) store.Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}

func conflict(prev, was store.Revision) error {
	return fmt.Errorf("%w: expected revision %d, found %d", store.ErrConflict, prev, was)
}
