package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/switchback-proxy/switchback/store"
)

// increments counts up one key from many goroutines, each by read, compare and swap.
func increments(t *testing.T, s store.Store) {
	const workers, each = 8, 10
	put(t, s, "n", "0", 0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if err := increment(t.Context(), s, "n"); err != nil {
					t.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	e, err := s.Get(t.Context(), "n")
	if err != nil || string(e.Value) != strconv.Itoa(workers*each) {
		t.Errorf("counter is %s, %v; want %d", e.Value, err, workers*each)
	}
}

func increment(ctx context.Context, s store.Store, key string) error {
	for {
		e, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, key, []byte(strconv.Itoa(n+1)), e.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// listIsOneMoment counts up two keys in turn, a before b. In every list a is b, or one more, and the
// revision of the list is that of the newer one.
func listIsOneMoment(t *testing.T, s store.Store) {
	a, b := put(t, s, "a", "0", 0), put(t, s, "b", "0", 0)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop()
		for i := 1; i <= 50; i++ {
			a = put(t, s, "a", strconv.Itoa(i), a)
			b = put(t, s, "b", strconv.Itoa(i), b)
		}
	})
	for ctx.Err() == nil {
		list, at, err := s.List(t.Context(), "")
		if err != nil || len(list) != 2 {
			t.Errorf("list: %v, %v; want a and b", list, err)
			break
		}
		na, _ := strconv.Atoi(string(list[0].Value))
		nb, _ := strconv.Atoi(string(list[1].Value))
		if na != nb && na != nb+1 {
			t.Errorf("list at %d sees a=%d b=%d: no such moment", at, na, nb)
			break
		}
		if newer := max(list[0].Revision, list[1].Revision); at != newer {
			t.Errorf("list at revision %d holds an entry of %d", at, newer)
			break
		}
	}
	wg.Wait()
}
