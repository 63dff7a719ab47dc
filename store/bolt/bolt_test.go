package bolt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
	"github.com/switchback-proxy/switchback/store/storetest"
	"go.etcd.io/bbolt"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return open(t, scratch(t)) })
}

func TestContractReopened(t *testing.T) {
	storetest.RunReopen(t, func(t testing.TB, place string) store.Store { return open(t, place) })
}

func TestElections(t *testing.T) {
	storetest.RunElector(t, func(t testing.TB) storetest.Electing { return open(t, scratch(t)) })
}

func TestElectionsReopened(t *testing.T) {
	storetest.RunElectorReopen(t, func(t testing.TB, place string) storetest.Electing { return open(t, place) })
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "switchback")
	s, report := openReport(t, dir)
	if report.Origin != bolt.Fresh || len(report.Warnings) != 0 || report.SetAside != "" {
		t.Errorf("first start: %+v, want fresh and no word more", report)
	}
	put(t, s, "k", []byte("v"), 0)
	want := map[string]os.FileMode{".": 0o700, "lock": 0o600, database: 0o600, lastGood: 0o600, mark: 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, mode)
		}
	}
	if list := named(t, dir, ""); len(list) != len(want)-1 {
		t.Errorf("files %v, want those of %v", list, want)
	}
}

func TestFolderOthersMayWriteTo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, report := openReport(t, dir); !strings.Contains(fmt.Sprint(report.Warnings), "written to by others") {
		t.Errorf("warnings %q, want one about the mode", report.Warnings)
	}
}

func TestInUse(t *testing.T) {
	dir, want := sample(t)
	impatient := bolt.Options{Timeout: 150 * time.Millisecond}
	refused := func(by string) {
		t.Helper()
		before := named(t, dir, "")
		_, _, err := bolt.Open(dir, impatient)
		if !errors.Is(err, bolt.ErrInUse) || !strings.Contains(err.Error(), dir+": in use by another switchback process") {
			t.Errorf("open while %s uses it: %v", by, err)
		}
		if after := named(t, dir, ""); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("open while %s uses it left %v of %v", by, after, before)
		}
	}
	s := open(t, dir)
	refused("another store")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	db, err := bbolt.Open(filepath.Join(dir, database), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	refused("a tool")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin != bolt.Intact || got != want {
		t.Errorf("when it is free again: %v with %.80s, want intact with %.80s", report.Origin, got, want)
	}
}

func TestWaitsForThePreviousProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	type opened struct {
		s   *bolt.Store
		err error
	}
	done := make(chan opened)
	go func() {
		s, _, err := bolt.Open(dir, bolt.Options{})
		done <- opened{s, err}
	}()
	at := put(t, s, "k", []byte("last words"), 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := <-done
	if next.err != nil {
		t.Fatal(next.err)
	}
	defer next.s.Close()
	if e, err := next.s.Get(t.Context(), "k"); err != nil || e.Revision != at {
		t.Errorf("the next process reads %v, %v; want revision %d", e, err, at)
	}
}

// TestTimeout gives Open no time. Whether it is done in no time or gives up, the folder must be as before.
func TestTimeout(t *testing.T) {
	dir, want := sample(t)
	for range 20 {
		s, _, err := bolt.Open(dir, bolt.Options{Timeout: 1})
		if err == nil {
			err = s.Close()
		} else if errors.Is(err, store.ErrUnavailable) || errors.Is(err, bolt.ErrInUse) {
			err = nil // the latter: the attempt before is still at it
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin != bolt.Intact || got != want {
		t.Errorf("after impatience: %+v with %.80s, want %.80s", report, got, want)
	}
}

func TestDirIsAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", nil)
	if _, _, err := bolt.Open(filepath.Join(dir, "file"), bolt.Options{}); err == nil || !strings.Contains(err.Error(), "open state dir") {
		t.Errorf("open of a file as state dir: %v", err)
	}
}

// TestStaysSmall overwrites a few keys very often.
func TestStaysSmall(t *testing.T) {
	writes := 2000
	if testing.Short() {
		writes = 400
	}
	dir := scratch(t)
	s := open(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	at := map[string]store.Revision{}
	for range writes {
		key := fmt.Sprint("evidence/", rnd.IntN(4))
		at[key] = put(t, s, key, make([]byte, rnd.IntN(4<<10)), at[key])
	}
	for _, name := range []string{database, lastGood} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > int64(64*os.Getpagesize()) {
			t.Errorf("%s has %d bytes after %d writes of 4 keys of at most 4 KiB", name, info.Size(), writes)
		}
	}
}

// TestLastGoodFails makes last-good.json unwritable for a while by laying a folder in its way.
func TestLastGoodFails(t *testing.T) {
	dir := t.TempDir()
	var warnings []error
	s, _, err := bolt.Open(dir, bolt.Options{OnWarning: func(err error) { warnings = append(warnings, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	obstacle := filepath.Join(dir, lastGood+".new")
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}

	at := put(t, s, "k", []byte("1"), 0)
	if s.LastGood() == nil || len(warnings) != 1 {
		t.Errorf("after a write without last-good: %v and %d warnings, want an error and one", s.LastGood(), len(warnings))
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", []byte("2"), at)
	if s.LastGood() != nil || len(warnings) != 1 {
		t.Errorf("after the next write: %v and %d warnings, want none and one", s.LastGood(), len(warnings))
	}
	want := content(t, s)
	s.Close()
	remove(t, dir, database)
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin != bolt.Recovered || got != want {
		t.Errorf("recovered %v with %s, want %s", report.Origin, got, want)
	}
}

// TestCloseCatchesUp: what last-good.json missed, Close tries once more.
func TestCloseCatchesUp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	obstacle := filepath.Join(dir, lastGood+".new")
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", []byte("1"), 0)
	want := content(t, s)
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	s.Close()
	remove(t, dir, database)
	if got := content(t, open(t, dir)); got != want {
		t.Errorf("recovered %s, want %s", got, want)
	}
}
