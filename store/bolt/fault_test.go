package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
)

// TestFaultWhileRunning spoils the database under a running store. Reads go on, a write answers
// ErrUnavailable at most, and a later one puts a good database in place.
func TestFaultWhileRunning(t *testing.T) {
	page := int64(os.Getpagesize())
	tests := []struct {
		name   string
		harm   func(t *testing.T, path string)
		faults bool // the next write is refused
	}{
		{"cut to nothing", func(t *testing.T, path string) { truncate(t, path, 0) }, true},
		{"cut to the meta pages", func(t *testing.T, path string) { truncate(t, path, 2*page) }, true},
		{"zeroed", func(t *testing.T, path string) {
			size := int64(len(read(t, filepath.Dir(path), database)))
			truncate(t, path, 0)
			truncate(t, path, size)
		}, true},
		{"removed", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, want := sample(t)
			var warnings []string
			s, _, err := bolt.Open(dir, bolt.Options{OnWarning: func(err error) { warnings = append(warnings, err.Error()) }})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			test.harm(t, filepath.Join(dir, database))

			_, err = s.Put(t.Context(), "new", []byte("v"), 0)
			if test.faults != errors.Is(err, store.ErrUnavailable) || !test.faults && err != nil {
				t.Fatalf("first write: %v", err)
			}
			if test.faults {
				if got := content(t, s); got != want {
					t.Fatalf("after a refused write: %.100s, want %.100s", got, want)
				}
				put(t, s, "new", []byte("v"), 0)
				if len(warnings) != 1 || !strings.Contains(warnings[0], "rebuilt") {
					t.Errorf("warnings %q, want one about the rebuilding", warnings)
				}
			}
			want = content(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, report := openReport(t, dir)
			if got := content(t, s); report.Origin == bolt.Lost || got != want {
				t.Errorf("after a restart: %v with %.100s, want %.100s", report.Origin, got, want)
			}
		})
	}
}

// TestCloseAfterFault must not wait for a lock that a fault left behind.
func TestCloseAfterFault(t *testing.T) {
	dir, want := sample(t)
	s := open(t, dir)
	truncate(t, filepath.Join(dir, database), 0)
	if _, err := s.Put(t.Context(), "new", nil, 0); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("write to a database cut to nothing: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin != bolt.Recovered || got != want {
		t.Errorf("%v with %.100s, want recovered with %.100s", report.Origin, got, want)
	}
}

// TestConcurrentUseThroughAFault: whatever goes on, what was acknowledged is there, what was refused is not.
func TestConcurrentUseThroughAFault(t *testing.T) {
	dir := scratch(t)
	s := open(t, dir)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]bool{}
	for w := range 4 {
		wg.Go(func() {
			for i := range 40 {
				key := fmt.Sprintf("%d/%d", w, i)
				if w == 0 && i%10 == 5 {
					if err := os.Truncate(filepath.Join(dir, database), 0); err != nil {
						t.Error(err)
					}
				}
				_, err := s.Put(t.Context(), key, []byte(key), 0)
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("put: %v", err)
				}
				mu.Lock()
				acked[key] = err == nil
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	want := content(t, s)
	for key, ok := range acked {
		if _, err := s.Get(t.Context(), key); (err == nil) != ok {
			t.Errorf("%s: acknowledged %v, read %v", key, ok, err)
		}
	}
	s.Close()
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin == bolt.Lost || got != want {
		t.Errorf("after a restart: %v with %.100s, want %.100s", report.Origin, got, want)
	}
}

func truncate(t testing.TB, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// TestLeadsWithoutWriting holds an election whose number the database refuses.
func TestLeadsWithoutWriting(t *testing.T) {
	dir := scratch(t)
	s := open(t, dir)
	ctx, resign := context.WithCancel(t.Context())
	first, err := s.Campaign(ctx)
	if err != nil {
		t.Fatal(err)
	}
	resign()
	<-first.Done
	truncate(t, filepath.Join(dir, database), 0)
	second, err := s.Campaign(t.Context())
	if err != nil || second.N <= first.N {
		t.Errorf("with a database that refuses a write: term %d, %v; want one after %d", second.N, err, first.N)
	}
}
