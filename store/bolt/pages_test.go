package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/store"
)

// A database that inspect passes must be safe to hand to bbolt: no crash, no endless walk, no memory
// without end. These tests damage a database below its checksums and open it; a miss ends the process.

func TestInspectPassesWhatBboltWrites(t *testing.T) {
	for _, n := range []int{0, 1, 5, 100, 2000} {
		b := built(t, n)
		whole, err := inspect(bytes.NewReader(b), int64(len(b)))
		if err != nil || !whole {
			t.Errorf("database of %d entries: whole %v, %v", n, whole, err)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	const n = 1500 // enough for a branch page, also where pages are large
	good := built(t, n)
	page := os.Getpagesize()
	m := metaAt(t, good)
	head := func(id uint64) []byte { return good[id*uint64(page):] }
	var branch, leaf uint64
	for id := uint64(2); id < m.pages; id++ {
		switch binary.NativeEndian.Uint16(head(id)[8:]) {
		case flagBranch:
			branch = id
		case flagLeaf:
			if id != m.root {
				leaf = id
			}
		}
	}
	if branch == 0 || leaf == 0 {
		t.Fatalf("no branch (%d) or no leaf (%d) in a database of %d entries", branch, leaf, n)
	}
	latest := m.txn % 2
	second := binary.NativeEndian.Uint64(head(branch)[pageHead+element+8:])
	type edit struct {
		at   int
		to   uint64
		size int
	}
	tests := []struct {
		name  string
		page  uint64
		edits []edit
	}{
		{"meta with another page size", latest, []edit{{pageHead + 8, 1024, 4}}},
		{"meta with no page size", latest, []edit{{pageHead + 8, 0, 4}}},
		{"meta with a root out of the file", latest, []edit{{pageHead + 16, 1 << 40, 8}}},
		{"meta with a meta page as root", latest, []edit{{pageHead + 16, 1, 8}}},
		{"meta without a free list", latest, []edit{{pageHead + 32, 1<<64 - 1, 8}}},
		{"meta with more pages than the file", latest, []edit{{pageHead + 40, 1 << 60, 8}}},
		{"meta with fewer pages than in use", latest, []edit{{pageHead + 40, 4, 8}}},
		{"page number of another", leaf, []edit{{0, leaf + 1, 8}}},
		{"unknown flags", leaf, []edit{{8, 0x80, 2}}},
		{"two flags", leaf, []edit{{8, 3, 2}}},
		{"more elements than fit", leaf, []edit{{10, 0xFFFF, 2}}},
		{"overflow past the end", leaf, []edit{{12, 0x7FFFFFFF, 4}}},
		{"leaf element far away", leaf, []edit{{pageHead + 4, 0xFFFFFFF0, 4}}},
		{"leaf key too long", leaf, []edit{{pageHead + 8, 1 << 30, 4}}},
		{"leaf value too long", leaf, []edit{{pageHead + 12, 1 << 30, 4}}},
		{"leaf element is a bucket", leaf, []edit{{pageHead, 1, 4}}},
		{"leaf element of unknown kind", leaf, []edit{{pageHead, 8, 4}}},
		{"branch without children", branch, []edit{{10, 0, 2}}},
		{"branch key far away", branch, []edit{{pageHead, 0xFFFFFFF0, 4}}},
		{"branch to itself", branch, []edit{{pageHead + 8, branch, 8}}},
		{"branch to a meta page", branch, []edit{{pageHead + 8, 0, 8}}},
		{"branch out of the file", branch, []edit{{pageHead + 8, 1 << 40, 8}}},
		{"two branches to one leaf", branch, []edit{{pageHead + 8, second, 8}}},
		{"free list of another kind", m.freelist, []edit{{8, flagLeaf, 2}}},
		{"free list too long", m.freelist, []edit{{10, 0xFFFE, 2}}},
		{"free list without end", m.freelist, []edit{{10, 0xFFFF, 2}, {pageHead, 1 << 62, 8}}},
		{"free list with a page in use", m.freelist, []edit{{pageHead, leaf, 8}}},
		{"free list with a meta page", m.freelist, []edit{{pageHead, 1, 8}}},
		{"free list with a page out of the file", m.freelist, []edit{{pageHead, 1 << 40, 8}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bytes.Clone(good)
			for _, e := range test.edits {
				value := binary.NativeEndian.AppendUint64(nil, e.to)
				if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 { // the low bytes come last here
					value = value[8-e.size:]
				}
				copy(b[int(test.page)*page+e.at:], value[:e.size])
			}
			reseal(b)
			if _, err := inspect(bytes.NewReader(b), int64(len(b))); err == nil {
				t.Error("passed")
			}
		})
	}
}

// TestDamagedPagesAreSafe opens thousands of databases with noise in the used pages, meta pages with a
// right checksum over wrong numbers among them.
func TestDamagedPagesAreSafe(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	good := built(t, 300)
	m := metaAt(t, good)
	used := int(m.pages) * os.Getpagesize()
	rnd := rand.New(rand.NewPCG(7, 8))
	f := emptyFolder(t)
	refused := 0
	for range rounds {
		b := bytes.Clone(good)
		for range 1 + rnd.IntN(3) {
			at := rnd.IntN(used)
			if rnd.IntN(3) > 0 { // page heads and the first elements do the most harm
				at = at/os.Getpagesize()*os.Getpagesize() + rnd.IntN(96)
			}
			b[at] ^= 1 << rnd.IntN(8)
		}
		reseal(b)
		if err := tryOpen(t, f, b, 300); err != nil {
			refused++
		}
	}
	if refused < rounds/4 {
		t.Errorf("%d of %d were refused: too few to have tested much", refused, rounds)
	}
}

// FuzzOpenDatabase: whatever is in the file, opening it is an error or gives content that is sealed.
func FuzzOpenDatabase(f *testing.F) {
	f.Add(built(f, 3))
	f.Add([]byte{})
	f.Add(make([]byte, 16<<10))
	dir := emptyFolder(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		reseal(b)
		_ = tryOpen(t, dir, b, -1)
	})
}

// tryOpen puts b in place and opens it. What opens must be the entries that were built.
func tryOpen(t testing.TB, f *folder, b []byte, want int) error {
	t.Helper()
	if err := f.root.WriteFile(databaseName, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, content, _, err := openDatabase(f, time.Second)
	if err != nil {
		return err
	}
	if want >= 0 && len(content.entries) != want {
		t.Errorf("%d entries passed as %d", len(content.entries), want)
	}
	if err := d.close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return nil
}

// reseal makes the checksums of both meta pages right again.
func reseal(b []byte) {
	for _, at := range []int{pageHead, os.Getpagesize() + pageHead} {
		if len(b) < at+metaSize {
			return
		}
		sum := fnv.New64a()
		sum.Write(b[at : at+metaSize-8])
		binary.NativeEndian.PutUint64(b[at+metaSize-8:], sum.Sum64())
	}
}

// built is the file of a database with n entries, some of them rewritten so that there are free pages.
func built(t testing.TB, n int) []byte {
	t.Helper()
	f := emptyFolder(t)
	if err := buildDatabase(f, empty); err != nil {
		t.Fatal(err)
	}
	if err := f.install(databaseName); err != nil {
		t.Fatal(err)
	}
	d, _, _, err := openDatabase(f, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	for i := range n {
		entries = append(entries, store.Entry{
			Key: fmt.Sprintf("service/%05d", i), Value: make([]byte, 100), Revision: store.Revision(i + 1),
		})
	}
	var last store.Change
	if n > 0 {
		last.Entry = entries[n-1]
	}
	will, err := newImage(entries, store.Revision(n))
	if err != nil {
		t.Fatal(err)
	}
	for _, seal := range [][]byte{nil, will.seal(), nil} { // all anew, one entry, all anew
		if n == 0 {
			break
		}
		if err := d.write(last, seal, will); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	b, err := f.root.ReadFile(databaseName)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func metaAt(t testing.TB, b []byte) meta {
	t.Helper()
	m, _, err := readMeta(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func emptyFolder(t testing.TB) *folder {
	t.Helper()
	parent, err := os.MkdirTemp("/dev/shm", "switchback-pages-")
	if err != nil {
		parent = t.TempDir()
	}
	f, err := openFolder(filepath.Join(parent, "state"), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.close()
		os.RemoveAll(parent)
	})
	return f
}
