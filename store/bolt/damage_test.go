package bolt_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/switchback-proxy/switchback/store/bolt"
	"go.etcd.io/bbolt"
)

// TestDamage is every kind of harm, what Open makes of it, and that the store works afterwards.
func TestDamage(t *testing.T) {
	dir, want := sample(t)
	tests := []struct {
		name   string
		harm   func(t *testing.T, dir string)
		origin bolt.Origin
		want   string
		aside  int // databases set aside
	}{
		{"none", func(*testing.T, string) {}, bolt.Intact, want, 0},
		{"database missing", gone(database), bolt.Recovered, want, 0},
		{"database empty", filled(database, 0, 0), bolt.Recovered, want, 1},
		{"database short garbage", filled(database, 10, 1), bolt.Recovered, want, 1},
		{"database zeroed", filled(database, -1, 0), bolt.Recovered, want, 1},
		{"database garbage", filled(database, -1, 1), bolt.Recovered, want, 1},
		{"database is a folder", folder(database), bolt.Recovered, want, 1},
		{"database is a link to nowhere", link(database, "nowhere"), bolt.Recovered, want, 1},
		{"database is a link out of the folder", link(database, ""), bolt.Recovered, want, 1},
		{"database of something else", foreign, bolt.Recovered, want, 1},
		{"database lost its last write", stale, bolt.Recovered, want, 1},
		{"database has one meta page", meta(false), bolt.Intact, want, 0},
		{"database unreadable", unreadable(database), bolt.Recovered, want, 1},
		{"last-good missing", gone(lastGood), bolt.Intact, want, 0},
		{"last-good empty", filled(lastGood, 0, 0), bolt.Intact, want, 0},
		{"last-good garbage", filled(lastGood, -1, 1), bolt.Intact, want, 0},
		{"last-good is a folder", folder(lastGood), bolt.Intact, want, 0},
		{"last-good of a format to come", future, bolt.Intact, want, 0},
		{"both garbage", both(filled(database, -1, 1), filled(lastGood, -1, 1)), bolt.Lost, nothing, 1},
		{"both empty", both(filled(database, 0, 0), filled(lastGood, 0, 0)), bolt.Lost, nothing, 1},
		{"both missing", both(gone(database), gone(lastGood)), bolt.Lost, nothing, 0},
		{"database missing, last-good garbage", both(gone(database), filled(lastGood, -1, 1)), bolt.Lost, nothing, 0},
		{"database missing, last-good of a format to come", both(gone(database), future), bolt.Lost, nothing, 0},
		{"mark missing", gone(mark), bolt.Intact, want, 0},
		{"mark and database missing", both(gone(mark), gone(database)), bolt.Recovered, want, 0},
		{"mark missing, both garbage", both(gone(mark), both(filled(database, -1, 1), filled(lastGood, -1, 1))), bolt.Lost, nothing, 1},
		{"all missing", both(gone(mark), both(gone(database), gone(lastGood))), bolt.Fresh, nothing, 0},
		{"crash while writing", leftovers, bolt.Intact, want, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, dir)
			test.harm(t, dir)
			s, report := openReport(t, dir)
			if got := content(t, s); report.Origin != test.origin || got != test.want {
				t.Errorf("%v with %.100s, want %v with %.100s", report.Origin, got, test.origin, test.want)
			}
			if quiet := test.origin == bolt.Fresh || test.name == "none" || test.name == "mark missing" || test.name == "crash while writing"; quiet != (len(report.Warnings) == 0) {
				t.Errorf("warnings %q", report.Warnings)
			}
			if aside := named(t, dir, database+".corrupt-"); len(aside) != test.aside || (report.SetAside != "") != (test.aside > 0) {
				t.Errorf("set aside: %v, reported %q, want %d", aside, report.SetAside, test.aside)
			}
			worksOn(t, dir, s)
		})
	}
}

// worksOn checks that a store that was repaired is a good one: it takes a write, and after a restart both
// the database and last-good.json have it.
func worksOn(t *testing.T, dir string, s *bolt.Store) {
	t.Helper()
	put(t, s, "after", []byte("repair"), 0)
	want := content(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := named(t, dir, "*.new"); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	for _, origin := range []bolt.Origin{bolt.Intact, bolt.Recovered} {
		s, report := openReport(t, dir)
		if got := content(t, s); report.Origin != origin || got != want {
			t.Errorf("next start: %v with %.100s, want %v with %.100s", report.Origin, got, origin, want)
		}
		s.Close()
		remove(t, dir, database) // for the second start
	}
}

func TestTruncated(t *testing.T) {
	dir, want := sample(t)
	whole := read(t, dir, database)
	lengths := []int{0, 1, 15, 16, 17, 79, 80, 100, 1024}
	for page := os.Getpagesize(); page < len(whole); page += os.Getpagesize() {
		lengths = append(lengths, page-1, page, page+1)
	}
	for _, n := range lengths {
		dir := copyOf(t, dir)
		write(t, dir, database, whole[:n])
		s, report := openReport(t, dir)
		if got := content(t, s); got != want || report.Origin == bolt.Lost {
			t.Errorf("database of %d bytes: %v with %.100s, want what was acknowledged", n, report.Origin, got)
		}
		s.Close()
	}
}

// TestFlippedBits damages the database at places all over it. With a good last-good.json there is one
// right answer.
func TestFlippedBits(t *testing.T) {
	dir, want := sample(t)
	whole := read(t, dir, database)
	rnd := rand.New(rand.NewPCG(3, 4))
	flips := 250
	if testing.Short() {
		flips = 60
	}
	recovered := 0
	for range flips {
		dir := copyOf(t, dir)
		at, bit := rnd.IntN(len(whole)), rnd.IntN(8)
		if rnd.IntN(2) == 0 {
			at = at / os.Getpagesize() * os.Getpagesize() // where the page heads are
			at += rnd.IntN(128)
		}
		write(t, dir, database, flipped(whole, at, bit))
		s, report := openReport(t, dir)
		if got := content(t, s); got != want || report.Origin == bolt.Lost {
			t.Errorf("bit %d of byte %d: %v with %.100s, want what was acknowledged", bit, at, report.Origin, got)
		}
		if report.Origin == bolt.Recovered {
			recovered++
		}
		s.Close()
	}
	if recovered < flips/10 {
		t.Errorf("%d of %d flips did harm: too few to have tested much", recovered, flips)
	}
}

// TestFlippedBitsOfLastGood: without a database, last-good.json is right as a whole or of no use.
func TestFlippedBitsOfLastGood(t *testing.T) {
	dir, want := sample(t)
	whole := read(t, dir, lastGood)
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 100 {
		dir := copyOf(t, dir)
		remove(t, dir, database)
		at, bit := rnd.IntN(len(whole)), rnd.IntN(8)
		if i < 60 {
			at = i // the checksum comes first
		}
		write(t, dir, lastGood, flipped(whole, at, bit))
		s, report := openReport(t, dir)
		got := content(t, s)
		if right := report.Origin == bolt.Recovered && got == want; !right && (report.Origin != bolt.Lost || got != nothing) {
			t.Errorf("bit %d of byte %d: %v with %.100s, want all or nothing", bit, at, report.Origin, got)
		}
		s.Close()
	}
}

// TestOneWriteBehind: when the latest meta page is damaged and last-good.json cannot tell what it said, the
// state before is better than none, but it is not called intact.
func TestOneWriteBehind(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	at := put(t, s, "k", []byte("1"), 0)
	want := content(t, s)
	put(t, s, "k", []byte("2"), at)
	s.Close()
	stale(t, dir)
	remove(t, dir, lastGood)
	s, report := openReport(t, dir)
	if got := content(t, s); report.Origin != bolt.Recovered || got != want {
		t.Errorf("%v with %s, want recovered with %s", report.Origin, got, want)
	}
	worksOn(t, dir, s)
}

func TestKeepsThreeDamagedDatabases(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		open(t, dir).Close()
		write(t, dir, database, fmt.Append(nil, "garbage ", i))
	}
	open(t, dir).Close()
	list := named(t, dir, database+".corrupt-")
	if len(list) != 3 {
		t.Fatalf("set aside: %v, want three", list)
	}
	for i, name := range list {
		if b, _ := os.ReadFile(name); string(b) != fmt.Sprint("garbage ", i+3) {
			t.Errorf("%s holds %q, want the three latest", name, b)
		}
	}
}

type harm = func(t *testing.T, dir string)

func both(one, other harm) harm {
	return func(t *testing.T, dir string) {
		one(t, dir)
		other(t, dir)
	}
}

func gone(name string) harm {
	return func(t *testing.T, dir string) { remove(t, dir, name) }
}

// filled puts n bytes in a file, or as many as it has: zeros, or noise from a seed.
func filled(name string, n int, seed uint64) harm {
	return func(t *testing.T, dir string) {
		if n < 0 {
			n = len(read(t, dir, name))
		}
		b := make([]byte, n)
		if seed != 0 {
			rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
		}
		write(t, dir, name, b)
	}
}

func folder(name string) harm {
	return func(t *testing.T, dir string) {
		remove(t, dir, name)
		if err := os.MkdirAll(filepath.Join(dir, name, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func link(name, to string) harm {
	return func(t *testing.T, dir string) {
		if to == "" {
			elsewhere := t.TempDir()
			write(t, elsewhere, name, read(t, dir, name))
			to = filepath.Join(elsewhere, name)
		}
		remove(t, dir, name)
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// unreadable takes the permissions away. Root reads it all the same, so for root it becomes a folder.
func unreadable(name string) harm {
	if os.Geteuid() == 0 {
		return folder(name)
	}
	return func(t *testing.T, dir string) {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// foreign makes a good database that is not one of ours.
func foreign(t *testing.T, dir string) {
	remove(t, dir, database)
	db, err := bbolt.Open(filepath.Join(dir, database), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func future(t *testing.T, dir string) {
	write(t, dir, lastGood, []byte(`{"sha256":"b98ce2ad9ee34e01a5a70ca7cdb0da8c05ecb05b8b2e3e2dc5f3cbc9e4c8f2b2","payload":{"format":2}}`))
}

func leftovers(t *testing.T, dir string) {
	for _, name := range []string{database, lastGood, mark} {
		write(t, dir, name+".new", []byte("half"))
	}
}

// stale damages the meta page of the last transaction; bbolt then goes on with the one before.
func stale(t *testing.T, dir string) { meta(true)(t, dir) }

func meta(latest bool) harm {
	return func(t *testing.T, dir string) {
		b := read(t, dir, database)
		const transaction = 16 + 48 // in a meta page
		at := 0
		tx := func(page int) uint64 { return binary.NativeEndian.Uint64(b[page*os.Getpagesize()+transaction:]) }
		if (tx(1) > tx(0)) == latest {
			at = os.Getpagesize()
		}
		write(t, dir, database, flipped(b, at+20, 3))
	}
}

func flipped(b []byte, at, bit int) []byte {
	b = append([]byte{}, b...)
	b[at] ^= 1 << bit
	return b
}
