package bolt_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
)

// The files of a state folder, as an operator sees them.
const (
	database = "state.db"
	lastGood = "last-good.json"
	mark     = "initialized"
)

// open opens a store without an accident, and closes it with the test.
func open(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	s, _ := openReport(t, dir)
	return s
}

func openReport(t testing.TB, dir string) (*bolt.Store, bolt.Report) {
	t.Helper()
	s, report, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, report
}

// content is all of a store in one comparable string.
func content(t testing.TB, s store.Store) string {
	t.Helper()
	list, at, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return describe(list, at)
}

func describe(list []store.Entry, at store.Revision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %d:", at)
	for _, e := range list {
		fmt.Fprintf(&b, " %s=%x@%d", e.Key, e.Value, e.Revision)
	}
	return b.String()
}

const nothing = "at 0:"

// sample makes a folder with a state that takes every kind of page, and returns its content.
func sample(t testing.TB) (dir, want string) {
	t.Helper()
	dir = scratch(t)
	s := open(t, dir)
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100+50*i) }
	for i := range 30 {
		at := put(t, s, fmt.Sprintf("service/%02d", i), value(i), 0)
		if i%7 == 0 {
			put(t, s, fmt.Sprintf("service/%02d", i), value(i+1), at)
		}
	}
	put(t, s, "evidence/large", value(300), 0)
	if err := s.Delete(t.Context(), "service/03", 5); err != nil {
		t.Fatal(err)
	}
	want = content(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

func put(t testing.TB, s store.Store, key string, value []byte, prev store.Revision) store.Revision {
	t.Helper()
	at, err := s.Put(t.Context(), key, value, prev)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// scratch is a folder in memory where the system has one: syncing thousands of times costs nothing there.
// What a test here is about never depends on the medium.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "switchback-store-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// copyOf is a folder like dir, to be damaged.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := scratch(t)
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// named lists the files of a folder whose names begin so.
func named(t testing.TB, dir, prefix string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}
