// Package journal keeps records on disk in the order in which they were given, for as long as there is room:
// append-only files in lanes, each bounded by bytes, so that what is frequent cannot push out what is rare. It
// waits for no disk when it is given a record, and knows nothing of what records mean.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// MaxValue is the most bytes of one record.
	MaxValue = 64 << 10

	maxQueued = 4096    // records that wait for the disk
	maxWaits  = 8 << 20 // bytes of those
	lazyWait  = 500 * time.Millisecond
	retryWait = time.Second     // after the disk refused
	closeWait = 3 * time.Second // for the disk, at the end
)

// Lane is a sequence of records with room of its own.
type Lane struct {
	Name  string // of its files
	Bytes int64  // the most that is kept; a quarter is forgotten at a time
}

// Record is what is kept. Value is one line: it has no line break.
type Record struct {
	Lane  int   // place among the lanes given to Open
	ID    int64 // grows within a lane
	Value []byte
}

// Options of a Journal. The zero value tells nobody anything.
type Options struct {
	Log     *zap.Logger
	Dropped func(n int) // so many records were not written and will not be; called from anywhere
}

// Journal appends records. Append and Close may be called concurrently. Make one with Open.
type Journal struct {
	root  *os.Root
	lanes []*lane
	log   *zap.Logger
	drop  func(int)

	wake, urgent, closing, ended chan struct{}

	mu     sync.Mutex // guards the three below
	queue  []Record
	bytes  int
	closed bool
}

// Open reads what the lanes in a folder have, oldest first, and makes the folder when it is not there. Only one
// process may have it open. A tail that a crash tore is cut off; a file with other damage is set aside, its
// whole records are kept, and the log says so. On an error there is no journal, and nothing was changed.
func Open(dir string, lanes []Lane, o Options) (*Journal, []Record, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{
		root: root, log: o.Log, drop: o.Dropped,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	if j.log == nil {
		j.log = zap.NewNop()
	}
	if j.drop == nil {
		j.drop = func(int) {}
	}
	var all []Record
	for i, l := range lanes {
		open, records, err := openLane(root, l, i, j.log)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("open journal %s: %w", dir, err), j.closeFiles())
		}
		j.lanes, all = append(j.lanes, open), append(all, records...)
	}
	slices.SortStableFunc(all, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	go j.run()
	return j, all, nil
}

// Trimmed reports whether a lane has forgotten records to make room, as Open found it.
func (j *Journal) Trimmed(lane int) bool { return j.lanes[lane].trimmed }

// Append has a record written and does not wait: one that is urgent at once, others within half a second. When
// the disk does not take records for long, the newest are dropped and counted. It reports whether the record
// was taken.
func (j *Journal) Append(r Record, urgent bool) bool {
	j.mu.Lock()
	full := j.closed || len(j.queue) >= maxQueued || j.bytes+len(r.Value) > maxWaits || len(r.Value) > MaxValue
	if !full {
		j.queue = append(j.queue, r)
		j.bytes += len(r.Value)
	}
	j.mu.Unlock()
	if full {
		j.drop(1)
		return false
	}
	signal(j.wake)
	if urgent {
		signal(j.urgent)
	}
	return true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close writes what was given, waits for the disk a few seconds at most, and closes the files. Records given
// afterwards are dropped.
func (j *Journal) Close() error {
	j.mu.Lock()
	first := !j.closed
	j.closed = true
	j.mu.Unlock()
	if !first {
		return nil
	}
	close(j.closing)
	late := time.NewTimer(closeWait)
	defer late.Stop()
	select {
	case <-j.ended:
		return j.closeFiles()
	case <-late.C:
		return errors.New("close journal: the disk does not answer")
	}
}

func (j *Journal) closeFiles() error {
	var all []error
	for _, l := range j.lanes {
		all = append(all, l.close())
	}
	return errors.Join(append(all, j.root.Close())...)
}

// run writes what was given, many records at a time, until Close.
func (j *Journal) run() {
	defer close(j.ended)
	var rest []Record
	said := false
	for {
		last := j.await(len(rest) > 0)
		var err error
		rest, err = j.write(append(rest, j.take()...))
		switch {
		case err != nil && !said:
			j.log.Warn("events not written", zap.Error(err))
		case err == nil && said:
			j.log.Info("events written again")
		}
		said = err != nil
		if over := len(rest) - maxQueued; over > 0 {
			rest = slices.Clone(rest[over:]) // the newest say more
			j.drop(over)
		}
		if last {
			if len(rest) > 0 {
				j.drop(len(rest))
			}
			return
		}
	}
}

// await blocks until there is something to write; true at the end. After trouble it is a pause.
func (j *Journal) await(trouble bool) (last bool) {
	limit := lazyWait
	if trouble {
		limit = retryWait
	} else {
		select {
		case <-j.wake:
		case <-j.closing:
			return true
		}
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	urgent := j.urgent
	if trouble {
		urgent = nil
	}
	select {
	case <-urgent:
	case <-t.C:
	case <-j.closing:
		return true
	}
	return false
}

func (j *Journal) take() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := j.queue
	j.queue, j.bytes = nil, 0
	return all
}

// write appends records to their lanes and returns those that are not on disk.
func (j *Journal) write(records []Record) (rest []Record, err error) {
	for i, l := range j.lanes {
		var mine []Record
		for _, r := range records {
			if r.Lane == i {
				mine = append(mine, r)
			}
		}
		if len(mine) == 0 {
			continue
		}
		if failed := l.append(mine); failed != nil {
			rest, err = append(rest, mine...), failed
		}
	}
	return rest, err
}
