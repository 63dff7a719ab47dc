package ledger

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/store"
)

// Watch yields the changes under a prefix after a revision, as store.Store describes it. It takes them
// from the history at its own pace, so a consumer that stands still costs nobody anything.
func (l *Ledger) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		at := after
		for {
			news, wake, err := l.since(at)
			for _, c := range news {
				if ctx.Err() != nil {
					return
				}
				at = c.Revision
				if strings.HasPrefix(c.Key, prefix) && !yield(copied(c), nil) {
					return
				}
			}
			if len(news) > 0 {
				continue // more may have come while the consumer was at work
			}
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(store.Change{}, err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
		}
	}
}

// since returns the changes after a revision and a channel that is closed when there are more. What a
// closed ledger still knows is delivered before ErrClosed.
func (l *Ledger) since(at store.Revision) ([]store.Change, <-chan struct{}, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if at < l.floor {
		return nil, nil, store.ErrCompacted
	}
	from, found := slices.BinarySearchFunc(l.changes, at, func(c store.Change, r store.Revision) int {
		return cmp.Compare(c.Revision, r)
	})
	if found {
		from++
	}
	// A copy, because forget clears what it drops.
	news := slices.Clone(l.changes[from:])
	if l.closed {
		return news, nil, store.ErrClosed
	}
	return news, l.wake, nil
}

func copied(c store.Change) store.Change {
	c.Entry = clone(c.Entry)
	return c
}
