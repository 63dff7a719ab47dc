// Package storetest is the contract of store.Store as a test suite. Every implementation runs it. It
// does not look at how a store keeps its data.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
)

// patience is how long something that must happen may take before a test fails.
const patience = 20 * time.Second

// Run holds a store against the contract. open makes an empty store for one subtest and sees to its
// cleanup; the suite may have closed it before.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"get of nothing", getNothing},
		{"put, then get", putGet},
		{"put compares revisions", putCompares},
		{"delete", deletes},
		{"list is sorted and consistent", lists},
		{"values are copies", copies},
		{"bounds", bounds},
		{"ended context", endedContext},
		{"revisions grow", revisionsGrow},
		{"concurrent increments lose nothing", increments},
		{"list under writes is one moment", listIsOneMoment},
		{"closed store", closed},
		{"watch in order", watchInOrder},
		{"watch after a revision", watchAfter},
		{"watch follows a list", watchFollowsList},
		{"watch under concurrent writes", watchConcurrent},
		{"watch ends with its context", watchEndsWithContext},
		{"watch ends with its consumer", watchEndsWithConsumer},
		{"watch ends with the store", watchEndsWithStore},
		{"watch from long ago", watchCompacted},
		{"slow watch holds up nobody", watchSlow},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func getNothing(t *testing.T, s store.Store) {
	if _, err := s.Get(t.Context(), "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of a missing key: %v, want ErrNotFound", err)
	}
	list, at, err := s.List(t.Context(), "")
	if err != nil || len(list) != 0 || at != 0 {
		t.Errorf("list of an empty store: %v at %d, %v; want nothing at 0", list, at, err)
	}
}

func putGet(t *testing.T, s store.Store) {
	for _, value := range []string{"", "x", "\x00\xff binary", strings.Repeat("long ", 10_000)} {
		key := fmt.Sprintf("service/%d", len(value))
		at := put(t, s, key, value, 0)
		e, err := s.Get(t.Context(), key)
		if err != nil || e.Key != key || string(e.Value) != value || e.Revision != at {
			t.Errorf("get %s: %.40v, %v; want the %d bytes written at revision %d", key, e, err, len(value), at)
		}
	}
}

func putCompares(t *testing.T, s store.Store) {
	ctx := t.Context()
	refused := func(prev store.Revision, why string) {
		t.Helper()
		before, _ := s.Get(ctx, "k")
		if _, err := s.Put(ctx, "k", []byte("refused"), prev); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", why, err)
		}
		if after, _ := s.Get(ctx, "k"); after.Revision != before.Revision || !bytes.Equal(after.Value, before.Value) {
			t.Errorf("%s: a refused put changed %v to %v", why, before, after)
		}
	}
	refused(7, "put over a missing key")
	first := put(t, s, "k", "1", 0)
	refused(0, "create over an existing key")
	second := put(t, s, "k", "2", first)
	refused(first, "put over an older revision")
	refused(second+1, "put over a revision to come")
	other := put(t, s, "other", "1", 0)
	refused(other, "put over the revision of another key")
	put(t, s, "k", "3", second)
}

func deletes(t *testing.T, s store.Store) {
	ctx := t.Context()
	if err := s.Delete(ctx, "k", 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("delete of a missing key: %v, want ErrNotFound", err)
	}
	first := put(t, s, "k", "1", 0)
	second := put(t, s, "k", "2", first)
	for _, prev := range []store.Revision{0, first, second + 1} {
		if err := s.Delete(ctx, "k", prev); !errors.Is(err, store.ErrConflict) {
			t.Errorf("delete at %d of a key at %d: %v, want ErrConflict", prev, second, err)
		}
	}
	if err := s.Delete(ctx, "k", second); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get after delete: %v, want ErrNotFound", err)
	}
	if err := s.Delete(ctx, "k", second); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second delete: %v, want ErrNotFound", err)
	}
	if _, err := s.Put(ctx, "k", nil, second); !errors.Is(err, store.ErrConflict) {
		t.Errorf("put over the deleted revision: %v, want ErrConflict", err)
	}
	if again := put(t, s, "k", "3", 0); again <= second+1 {
		t.Errorf("revision %d after a delete that followed %d: the delete took none", again, second)
	}
}

func lists(t *testing.T, s store.Store) {
	for _, key := range []string{"service/b", "flag/x", "service/a", "serviceother", "service/a/b"} {
		put(t, s, key, "of "+key, 0)
	}
	tests := []struct{ prefix, want string }{
		{"", "flag/x service/a service/a/b service/b serviceother"},
		{"service/", "service/a service/a/b service/b"},
		{"service/b", "service/b"},
		{"none", ""},
	}
	for _, test := range tests {
		list, at, err := s.List(t.Context(), test.prefix)
		if err != nil {
			t.Fatalf("list %q: %v", test.prefix, err)
		}
		var keys []string
		for _, e := range list {
			keys = append(keys, e.Key)
			if string(e.Value) != "of "+e.Key {
				t.Errorf("list %q: %s has value %q", test.prefix, e.Key, e.Value)
			}
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("list %q: %q, want %q", test.prefix, got, test.want)
		}
		if at < 5 {
			t.Errorf("list %q: revision %d after 5 writes", test.prefix, at)
		}
	}
}

func copies(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := []byte("value")
	at, err := s.Put(ctx, "k", in, 0)
	if err != nil {
		t.Fatal(err)
	}
	spoil(in)
	e, err := s.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	spoil(e.Value)
	list, _, err := s.List(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	spoil(list[0].Value)
	for c, err := range s.Watch(ctx, "", at-1) {
		if err != nil {
			t.Fatal(err)
		}
		if string(c.Value) != "value" {
			t.Errorf("watch sees %q, want value", c.Value)
		}
		spoil(c.Value)
		break
	}
	if e, _ := s.Get(ctx, "k"); string(e.Value) != "value" {
		t.Errorf("the store holds %q after callers changed their slices, want value", e.Value)
	}
}

func spoil(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}

func bounds(t *testing.T, s store.Store) {
	tests := []struct {
		name       string
		key, value string
		want       error
	}{
		{"largest key and value", strings.Repeat("k", store.MaxKey), strings.Repeat("v", store.MaxValue), nil},
		{"long key", strings.Repeat("k", store.MaxKey+1), "", store.ErrInvalid},
		{"long value", "k", strings.Repeat("v", store.MaxValue+1), store.ErrInvalid},
		{"empty key", "", "v", store.ErrInvalid},
		{"key is not UTF-8", "k\xff", "v", store.ErrInvalid},
	}
	for _, test := range tests {
		if _, err := s.Put(t.Context(), test.key, []byte(test.value), 0); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func endedContext(t *testing.T, s store.Store) {
	at := put(t, s, "k", "v", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "k", []byte("late"), at); !errors.Is(err, context.Canceled) {
		t.Errorf("put with an ended context: %v", err)
	}
	if err := s.Delete(ctx, "k", at); !errors.Is(err, context.Canceled) {
		t.Errorf("delete with an ended context: %v", err)
	}
	if e, err := s.Get(t.Context(), "k"); err != nil || string(e.Value) != "v" {
		t.Errorf("get: %v, %v; want what was there before", e, err)
	}
}

func revisionsGrow(t *testing.T, s store.Store) {
	var last store.Revision
	grown := func(at store.Revision) {
		t.Helper()
		if at <= last {
			t.Fatalf("revision %d after %d", at, last)
		}
		last = at
	}
	for i := range 5 {
		key := fmt.Sprint("k", i)
		first := put(t, s, key, "1", 0)
		grown(first)
		second := put(t, s, key, "2", first)
		grown(second)
		if err := s.Delete(t.Context(), key, second); err != nil {
			t.Fatal(err)
		}
		_, at, err := s.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		grown(at)
	}
}

func closed(t *testing.T, s store.Store) {
	at := put(t, s, "k", "v", 0)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	ctx := t.Context()
	_, getErr := s.Get(ctx, "k")
	_, _, listErr := s.List(ctx, "")
	_, putErr := s.Put(ctx, "k", nil, at)
	var watchErr error
	for _, err := range s.Watch(ctx, "", at) {
		watchErr = err
	}
	for name, err := range map[string]error{
		"get": getErr, "list": listErr, "put": putErr, "delete": s.Delete(ctx, "k", at), "watch": watchErr,
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s on a closed store: %v, want ErrClosed", name, err)
		}
	}
}

// put writes and returns the revision. Any goroutine may call it: when the write fails, it marks the test
// as failed and returns 0.
func put(t testing.TB, s store.Store, key, value string, prev store.Revision) store.Revision {
	t.Helper()
	at, err := s.Put(t.Context(), key, []byte(value), prev)
	if err != nil {
		t.Errorf("put %.40s: %v", key, err)
	}
	return at
}
