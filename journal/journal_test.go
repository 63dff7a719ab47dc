package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var lanes = []Lane{{Name: "decided", Bytes: 8 << 10}, {Name: "seen", Bytes: 4 << 10}}

func open(t *testing.T, dir string, o Options) (*Journal, []Record) {
	t.Helper()
	j, records, err := Open(dir, lanes, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, records
}

// reopen closes a journal and returns what the next one finds.
func reopen(t *testing.T, dir string, j *Journal) (*Journal, []Record) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, Options{})
}

func say(records []Record) string {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%d:%d:%s", r.Lane, r.ID, r.Value))
	}
	return strings.Join(all, " ")
}

func TestRecordsOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "events")
	j, records := open(t, dir, Options{})
	if len(records) != 0 {
		t.Errorf("a new journal has %s", say(records))
	}
	for _, r := range []Record{{0, 1, []byte(`{"a":1}`)}, {1, 2, []byte("two")}, {0, 3, []byte("")}} {
		if !j.Append(r, r.Lane == 0) {
			t.Errorf("record %d was not taken", r.ID)
		}
	}
	j, records = reopen(t, dir, j)
	if got, want := say(records), `0:1:{"a":1} 1:2:two 0:3:`; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	j.Append(Record{1, 4, []byte("four")}, false)
	j, records = reopen(t, dir, j)
	if got := say(records); !strings.HasSuffix(got, "0:3: 1:4:four") {
		t.Errorf("found %s", got)
	}
	if j.Trimmed(0) || j.Trimmed(1) {
		t.Error("nothing was forgotten yet")
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if j.Append(Record{0, 5, nil}, true) {
		t.Error("a closed journal took a record")
	}
}

// An urgent record is on disk long before a lazy one has to be: a second journal reads it while the first one
// is open.
func TestUrgentRecordsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, _ := open(t, dir, Options{})
		on := func() string {
			b, err := os.ReadFile(filepath.Join(dir, "decided-000001.log"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			records, _, _ := parse(b)
			return say(records)
		}
		began := time.Now()
		j.Append(Record{0, 1, []byte("lazy")}, false)
		synctest.Wait()
		if got := on(); got != "" {
			t.Errorf("a lazy record was written at once: %s", got)
		}
		time.Sleep(lazyWait)
		synctest.Wait()
		if got := on(); got != "0:1:lazy" {
			t.Errorf("after %v there is %q", lazyWait, got)
		}
		at := time.Now()
		j.Append(Record{0, 2, []byte("urgent")}, true)
		synctest.Wait()
		if got := on(); got != "0:1:lazy 0:2:urgent" || time.Now() != at {
			t.Errorf("after %v there is %q", time.Since(began), got)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A lane that is full forgets its own oldest records and nothing of the other's.
func TestLanesAreBounded(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, Options{})
	j.Append(Record{0, 1, []byte("rare")}, true)
	value := bytes.Repeat([]byte("x"), 100)
	for round := range 10 {
		for i := range 50 {
			j.Append(Record{1, int64(2 + 50*round + i), value}, true)
		}
		var records []Record
		j, records = reopen(t, dir, j)
		if got := records[0]; got.Lane != 0 || string(got.Value) != "rare" {
			t.Fatalf("the first record is %s", say(records[:1]))
		}
		last := records[len(records)-1].ID
		if last != int64(51+50*round) {
			t.Fatalf("the last record is %d", last)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "seen-*"))
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	// A batch is written whole, so a lane may have one batch more than its room.
	if most := lanes[1].Bytes + 50*120; size > most {
		t.Errorf("%d files have %d bytes, at most %d are allowed", len(files), size, most)
	}
	if j.Trimmed(0) || !j.Trimmed(1) {
		t.Errorf("trimmed: %v and %v, want the second one only", j.Trimmed(0), j.Trimmed(1))
	}
}

func TestDamage(t *testing.T) {
	const file = "decided-000001.log"
	tests := []struct {
		name  string
		spoil func(b []byte) []byte
		want  string
		aside bool
	}{
		{"a torn tail", func(b []byte) []byte { return b[:len(b)-3] }, "1 2", false},
		{"no line break at the end", func(b []byte) []byte { return b[:len(b)-1] }, "1 2", false},
		{"a last line of zeros", func(b []byte) []byte { return append(b, "\x00\x00\x00\x00\n"...) }, "1 2 3", false},
		{"a flipped bit", func(b []byte) []byte { b[12] ^= 4; return b }, "2 3", true},
		{"a line lost in the middle", func(b []byte) []byte { return bytes.Replace(b, []byte("two"), []byte("tw"), 1) }, "1 3", true},
		{"rubbish", func([]byte) []byte { return []byte("no\njournal\nat all\n") }, "", true},
		{"empty", func([]byte) []byte { return nil }, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := open(t, dir, Options{})
			for i, v := range []string{"one", "two", "three"} {
				j.Append(Record{0, int64(i + 1), []byte(v)}, true)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, file)
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, tt.spoil(b), 0o600); err != nil {
				t.Fatal(err)
			}
			j, records := open(t, dir, Options{})
			if got := ids(records); got != tt.want {
				t.Errorf("records %q, want %q", got, tt.want)
			}
			aside, _ := filepath.Glob(name + aside + "*")
			if (len(aside) > 0) != tt.aside {
				t.Errorf("set aside: %q, want %v", aside, tt.aside)
			}
			j.Append(Record{0, 9, []byte("later")}, true)
			_, records = reopen(t, dir, j)
			if got := ids(records); got != strings.TrimSpace(tt.want+" 9") {
				t.Errorf("after one more there are %q", got)
			}
		})
	}
}

func ids(records []Record) string {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprint(r.ID))
	}
	return strings.Join(all, " ")
}

// A disk that takes nothing holds nobody up; what does not fit is counted, and what waits is written once the
// disk takes it.
func TestDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var dropped atomic.Int64
		j, _ := open(t, dir, Options{Dropped: func(n int) { dropped.Add(int64(n)) }})
		// A folder where the file should be: it cannot be opened for writing.
		file := filepath.Join(dir, "decided-000001.log")
		if err := os.Mkdir(file, 0o700); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 3 * maxQueued {
			j.Append(Record{0, int64(i + 1), []byte("x")}, true)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("appending took %v", took)
		}
		time.Sleep(5 * retryWait)
		synctest.Wait()
		if dropped.Load() == 0 {
			t.Error("nothing was counted as dropped")
		}
		before := dropped.Load()
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * retryWait)
		synctest.Wait()
		_, records := reopen(t, dir, j)
		if int64(len(records)) != 3*maxQueued-before || dropped.Load() != before {
			t.Errorf("%d records on disk and %d dropped of %d", len(records), dropped.Load(), 3*maxQueued)
		}
		if !slices.IsSortedFunc(records, func(a, b Record) int { return int(a.ID - b.ID) }) {
			t.Error("the records are not in order")
		}
	})
}

func FuzzParse(f *testing.F) {
	good := appendLine(appendLine(nil, Record{0, 1, []byte("one")}), Record{0, 2, []byte(`{"b":2}`)})
	for _, seed := range [][]byte{good, good[:len(good)-2], []byte("\n\n"), []byte("00000000 1 x\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		records, whole, _ := parse(b)
		if whole > len(b) {
			t.Fatalf("%d whole bytes of %d", whole, len(b))
		}
		var again []byte
		for _, r := range records {
			again = appendLine(again, r)
		}
		if more, size, damaged := parse(again); len(more) != len(records) || size != len(again) || damaged {
			t.Fatalf("%d records written back are %d, damaged %v", len(records), len(more), damaged)
		}
	})
}
