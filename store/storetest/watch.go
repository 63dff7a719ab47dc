package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
)

// enough writes to push the first ones out of any bounded history. A store that keeps all is as good.
const enough = 1500

func watchInOrder(t *testing.T, s store.Store) {
	news := watch(t, s, "service/", 0)
	first := put(t, s, "service/a", "1", 0)
	put(t, s, "flag/x", "not under the prefix", 0)
	second := put(t, s, "service/a", "2", first)
	if err := s.Delete(t.Context(), "service/a", second); err != nil {
		t.Fatal(err)
	}
	last := put(t, s, "service/b", "3", 0)

	for i, want := range []string{
		fmt.Sprintf("service/a=1@%d", first),
		fmt.Sprintf("service/a=2@%d", second),
		fmt.Sprintf("service/a gone@%d", last-1),
		fmt.Sprintf("service/b=3@%d", last),
	} {
		if got := describe(next(t, news)); got != want {
			t.Errorf("change %d: %s, want %s", i, got, want)
		}
	}
}

func watchAfter(t *testing.T, s store.Store) {
	first := put(t, s, "k", "1", 0)
	second := put(t, s, "k", "2", first)
	ofPast := watch(t, s, "", first)
	ofNow := watch(t, s, "", second)
	ofFuture := watch(t, s, "", second+1)
	third := put(t, s, "k", "3", second)
	fourth := put(t, s, "k", "4", third)
	for name, test := range map[string]struct {
		news <-chan news
		want store.Revision
	}{
		"of the past": {ofPast, second}, "of now": {ofNow, third}, "of the future": {ofFuture, fourth},
	} {
		if got := next(t, test.news); got.Revision != test.want {
			t.Errorf("first change of a watch %s: %d, want %d", name, got.Revision, test.want)
		}
	}
}

// watchFollowsList is how callers use it: what the list does not have, the watch brings.
func watchFollowsList(t *testing.T, s store.Store) {
	const writes = 60
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range writes {
			put(t, s, fmt.Sprint("k", i), "v", 0)
		}
	})
	list, at, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range list {
		seen[e.Key] = true
	}
	news := watch(t, s, "", at)
	for len(seen) < writes {
		c := next(t, news)
		if seen[c.Key] {
			t.Fatalf("%s came twice", c.Key)
		}
		seen[c.Key] = true
	}
	wg.Wait()
}

func watchConcurrent(t *testing.T, s store.Store) {
	const workers, each = 4, 15
	watches := []<-chan news{watch(t, s, "", 0), watch(t, s, "", 0)}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			at := store.Revision(0)
			for range each {
				at = put(t, s, fmt.Sprint("k", w), "v", at)
			}
		})
	}
	for _, changes := range watches {
		var last store.Revision
		for i := range workers * each {
			c := next(t, changes)
			if c.Revision <= last {
				t.Fatalf("change %d has revision %d after %d", i, c.Revision, last)
			}
			last = c.Revision
		}
		if _, at, err := s.List(t.Context(), ""); err != nil || last != at {
			t.Errorf("last change %d, the store is at %d (%v): something was left out", last, at, err)
		}
	}
	wg.Wait()
}

func watchEndsWithContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	changes := watchUntil(ctx, s, "", 0)
	put(t, s, "k", "v", 0)
	next(t, changes)
	cancel()
	ended(t, changes, nil)
}

func watchEndsWithConsumer(t *testing.T, s store.Store) {
	at := put(t, s, "k", "1", 0)
	put(t, s, "k", "2", at)
	n := 0
	for _, err := range s.Watch(t.Context(), "", 0) {
		if err != nil {
			t.Error(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d changes for a consumer that left after one", n)
	}
}

func watchEndsWithStore(t *testing.T, s store.Store) {
	changes := watch(t, s, "", 0)
	put(t, s, "k", "v", 0)
	next(t, changes)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, changes, store.ErrClosed)
}

func watchCompacted(t *testing.T, s store.Store) {
	first := put(t, s, "k", "v", 0)
	last := write(t, s, "k", first, enough)
	next := first + 1
	for c, err := range s.Watch(t.Context(), "", first) {
		if errors.Is(err, store.ErrCompacted) {
			return
		}
		if err != nil || c.Revision != next {
			t.Fatalf("change %d, %v; want ErrCompacted or every change, next %d", c.Revision, err, next)
		}
		if next++; c.Revision == last {
			return
		}
	}
	t.Fatal("the watch ended with neither ErrCompacted nor the last change")
}

func watchSlow(t *testing.T, s store.Store) {
	first := put(t, s, "k", "v", 0)
	arrived, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var last store.Revision
	go func() {
		stands := true
		at := store.Revision(0)
		for c, err := range s.Watch(t.Context(), "", 0) {
			if stands {
				stands = false
				close(arrived)
				<-leave
			}
			if err == nil && c.Revision != at+1 {
				err = fmt.Errorf("change %d after %d", c.Revision, at)
			}
			if at = c.Revision; err != nil || at == last {
				done <- err
				return
			}
		}
		done <- errors.New("the watch ended without a word")
	}()
	<-arrived
	last = write(t, s, "k", first, enough) // would hang here if the watch held up writers
	close(leave)
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, store.ErrCompacted) {
			t.Errorf("slow watch: %v, want every change or ErrCompacted", err)
		}
	case <-time.After(patience):
		t.Error("slow watch: neither caught up nor ended")
	}
}

// write overwrites a key n times and returns the last revision.
func write(t testing.TB, s store.Store, key string, at store.Revision, n int) store.Revision {
	t.Helper()
	for range n {
		if at = put(t, s, key, "v", at); at == 0 {
			t.FailNow()
		}
	}
	return at
}

// news is what a watch yielded.
type news struct {
	store.Change
	err error
}

// watch collects in the background until the test ends.
func watch(t testing.TB, s store.Store, prefix string, after store.Revision) <-chan news {
	ctx, cancel := context.WithCancel(t.Context())
	changes := watchUntil(ctx, s, prefix, after)
	t.Cleanup(cancel)
	return changes
}

func watchUntil(ctx context.Context, s store.Store, prefix string, after store.Revision) <-chan news {
	changes := make(chan news, 1024)
	go func() {
		defer close(changes)
		for c, err := range s.Watch(ctx, prefix, after) {
			changes <- news{c, err}
		}
	}()
	return changes
}

func next(t testing.TB, changes <-chan news) store.Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok || c.err != nil {
			t.Fatalf("the watch ended: %v", c.err)
		}
		return c.Change
	case <-time.After(patience):
		t.Fatal("no change came")
	}
	return store.Change{}
}

// ended waits for the end of a watch that may say one last thing: want, if that is not nil.
func ended(t testing.TB, changes <-chan news, want error) {
	t.Helper()
	var last error
	deadline := time.After(patience)
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				if !errors.Is(last, want) {
					t.Errorf("the watch ended with %v, want %v", last, want)
				}
				return
			}
			last = c.err
		case <-deadline:
			t.Fatal("the watch did not end")
		}
	}
}

func describe(c store.Change) string {
	if c.Deleted {
		return fmt.Sprintf("%s gone@%d", c.Key, c.Revision)
	}
	return fmt.Sprintf("%s=%s@%d", c.Key, c.Value, c.Revision)
}
