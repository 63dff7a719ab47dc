package bolt

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/switchback-proxy/switchback/store"
)

// termKey holds the number of the last term.
const termKey = "term"

var _ store.Elector = (*Store)(nil)

// Campaign implements store.Elector. The process that has the folder open leads; terms are numbered
// across restarts, so the number is written first. When it cannot be, the process leads all the same, for
// nobody else could; that number may come again after a restart.
func (s *Store) Campaign(ctx context.Context) (store.Term, error) {
	term, err := s.seat.Campaign(ctx, func() (int64, error) { return s.nextTerm(ctx) })
	if err != nil {
		return store.Term{}, fmt.Errorf("campaign: %w", err)
	}
	return term, nil
}

func (s *Store) nextTerm(ctx context.Context) (int64, error) {
	e, err := s.Get(ctx, termKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	n := int64(0)
	if err == nil {
		if n, err = strconv.ParseInt(string(e.Value), 10, 64); err != nil {
			return 0, fmt.Errorf("read %s: %w", termKey, err)
		}
	}
	n = max(n, s.term) + 1
	_, err = s.Put(ctx, termKey, strconv.AppendInt(nil, n, 10), e.Revision)
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		return 0, err
	}
	s.term = n
	return n, nil
}
