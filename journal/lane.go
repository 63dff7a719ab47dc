package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	suffix    = ".log"
	newSuffix = ".new" // being written; a leftover of a crash at the next start
	aside     = ".corrupt-"
	asideMax  = 3 // of each lane
)

// segment is one file of a lane: "<name>-<number>.log". Numbers only grow.
type segment struct {
	number int64
	size   int64
}

// lane is the open files of a Lane. After openLane only the journal's own goroutine touches it.
type lane struct {
	Lane
	root     *os.Root
	log      *zap.Logger
	segments []segment // oldest first
	file     *os.File  // the newest segment; nil: the next record begins a new one
	trimmed  bool
}

func (l *lane) fileName(number int64) string { return fmt.Sprintf("%s-%06d%s", l.Name, number, suffix) }

// openLane reads the segments of a lane.
func openLane(root *os.Root, cfg Lane, index int, log *zap.Logger) (*lane, []Record, error) {
	l := &lane{Lane: cfg, root: root, log: log}
	numbers, err := l.numbers()
	if err != nil {
		return nil, nil, err
	}
	l.trimmed = len(numbers) > 0 && numbers[0] > 1
	var all []Record
	for i, n := range numbers {
		records, err := l.read(n, i == len(numbers)-1)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range records {
			r.Lane = index
			all = append(all, r)
		}
	}
	return l, all, nil
}

// numbers are those of the segments there are, in order. What a crash left half written goes.
func (l *lane) numbers() ([]int64, error) {
	entries, err := fs.ReadDir(l.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, e := range entries {
		middle, ours := strings.CutPrefix(e.Name(), l.Name+"-")
		if !ours {
			continue
		}
		if strings.HasSuffix(middle, newSuffix) {
			_ = l.root.Remove(e.Name()) // next time
			continue
		}
		digits, ours := strings.CutSuffix(middle, suffix)
		n, err := strconv.ParseInt(digits, 10, 64)
		if ours && err == nil && n > 0 && l.fileName(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// read takes in one segment. The newest may end in the middle of a record, and is appended to.
func (l *lane) read(number int64, newest bool) ([]Record, error) {
	name := l.fileName(number)
	b, err := l.root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	records, whole, damaged := parse(b)
	size := int64(len(b))
	switch {
	case damaged || whole < len(b) && !newest:
		if size, err = l.repair(name, records); err != nil {
			return nil, err
		}
	case whole < len(b):
		if err := l.cut(name, int64(whole)); err != nil {
			return nil, err
		}
		size = int64(whole)
	}
	l.segments = append(l.segments, segment{number, size})
	if newest {
		l.file, err = l.root.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o600)
	}
	return records, err
}

// cut takes off what a crash tore.
func (l *lane) cut(name string, size int64) error {
	f, err := l.root.OpenFile(name, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// repair sets a damaged segment aside and puts one with its whole records in its place.
func (l *lane) repair(name string, records []Record) (size int64, err error) {
	var b []byte
	for _, r := range records {
		b = appendLine(b, r)
	}
	fresh := strings.TrimSuffix(name, suffix) + newSuffix
	if err := writeFile(l.root, fresh, b); err != nil {
		return 0, err
	}
	kept := name + aside + time.Now().UTC().Format("20060102T150405Z")
	if err := errors.Join(l.root.Rename(name, kept), l.root.Rename(fresh, name), l.syncFolder()); err != nil {
		return 0, err
	}
	l.log.Warn("events damaged", zap.String("file", name), zap.String("set_aside", kept), zap.Int("kept", len(records)))
	l.forgetAside()
	return int64(len(b)), nil
}

func writeFile(root *os.Root, name string, b []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// forgetAside removes the oldest of many damaged files.
func (l *lane) forgetAside() {
	names, _ := fs.Glob(l.root.FS(), l.Name+"-*"+aside+"*")
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(after(a), after(b)) })
	for _, name := range names[:max(0, len(names)-asideMax)] {
		_ = l.root.Remove(name)
	}
}

// after is the time in the name of a file that was set aside.
func after(name string) string {
	_, at, _ := strings.Cut(name, aside)
	return at
}

// append writes records and returns when they are on disk. On an error none of them counts as written.
func (l *lane) append(records []Record) error {
	if err := l.begin(records[0]); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, r := range records {
		b.Write(appendLine(nil, r))
	}
	newest := &l.segments[len(l.segments)-1]
	_, err := l.file.Write(b.Bytes())
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// Half a record in the middle would be damage: take it back, or go on in another file.
		if l.file.Truncate(newest.size) != nil {
			_ = l.file.Close()
			l.file = nil
		}
		return err
	}
	newest.size += int64(b.Len())
	return nil
}

// begin opens a new segment when the newest is large enough, and forgets the oldest when there are too many.
func (l *lane) begin(r Record) error {
	if l.file != nil && l.segments[len(l.segments)-1].size < l.Bytes/4 {
		return nil
	}
	number := int64(1)
	if n := len(l.segments); n > 0 {
		number = l.segments[n-1].number + 1
	}
	f, err := l.root.OpenFile(l.fileName(number), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin a file for record %d: %w", r.ID, err)
	}
	_ = l.close()
	l.file, l.segments = f, append(l.segments, segment{number: number})
	l.forget()
	return l.syncFolder()
}

// forget removes the oldest segments until the rest has its room.
func (l *lane) forget() {
	total := int64(0)
	for _, s := range l.segments {
		total += s.size
	}
	for len(l.segments) > 1 && total > l.Bytes*3/4 {
		if err := l.root.Remove(l.fileName(l.segments[0].number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn("old events not removed", zap.Error(err))
			return
		}
		total -= l.segments[0].size
		l.segments = l.segments[1:]
	}
}

// syncFolder makes names durable.
func (l *lane) syncFolder() error {
	d, err := l.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (l *lane) close() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}
