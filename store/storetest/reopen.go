package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/switchback-proxy/switchback/store"
)

// RunReopen holds a durable store against the contract across restarts. open opens the store kept at a
// place, an empty folder of its own at first; the suite closes it and opens it again.
func RunReopen(t *testing.T, open func(t testing.TB, place string) store.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, reopen func() store.Store)
	}{
		{"entries come back", entriesComeBack},
		{"revisions go on", revisionsGoOn},
		{"history may be gone, never wrong", historyAfterReopen},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			place := t.TempDir()
			var s store.Store
			test.run(t, func() store.Store {
				if s != nil {
					if err := s.Close(); err != nil {
						t.Fatalf("close: %v", err)
					}
				}
				s = open(t, place)
				return s
			})
		})
	}
}

func entriesComeBack(t *testing.T, reopen func() store.Store) {
	s := reopen()
	for i := range 20 {
		at := put(t, s, fmt.Sprint("k", i), fmt.Sprint("first ", i), 0)
		if i%2 == 0 {
			at = put(t, s, fmt.Sprint("k", i), fmt.Sprint("second ", i), at)
		}
		if i%5 == 0 {
			if err := s.Delete(t.Context(), fmt.Sprint("k", i), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Put(t.Context(), "no value", nil, 0); err != nil {
		t.Fatal(err)
	}
	put(t, s, "<key> \u2028 & \x00", "odd", 0)
	want, wantAt, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	got, gotAt, err := reopen().List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if gotAt != wantAt || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a restart %v at %d, want %v at %d", got, gotAt, want, wantAt)
	}
}

func revisionsGoOn(t *testing.T, reopen func() store.Store) {
	s := reopen()
	var last store.Revision
	for i := range 5 {
		key := fmt.Sprint("k", i)
		at := put(t, s, key, "v", 0)
		if at <= last {
			t.Fatalf("revision %d after %d and a restart", at, last)
		}
		if err := s.Delete(t.Context(), key, at); err != nil { // the highest revision belongs to no entry
			t.Fatal(err)
		}
		last = at + 1
		s = reopen()
		if _, at, err := s.List(t.Context(), ""); err != nil || at < last {
			t.Fatalf("the store is at %d after a restart, %v; it was at %d", at, err, last)
		}
	}
}

func historyAfterReopen(t *testing.T, reopen func() store.Store) {
	s := reopen()
	first := put(t, s, "k", "1", 0)
	second := put(t, s, "k", "2", first)
	s = reopen()
	for c, err := range s.Watch(t.Context(), "", first) {
		if !errors.Is(err, store.ErrCompacted) && c.Revision != second {
			t.Errorf("watch from before the restart: %s, %v; want ErrCompacted or revision %d", describe(c), err, second)
		}
		break
	}
	changes := watch(t, s, "", second)
	third := put(t, s, "k", "3", second)
	if c := next(t, changes); c.Revision != third {
		t.Errorf("first change after the restart: %d, want %d", c.Revision, third)
	}
}
