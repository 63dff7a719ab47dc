package metrics

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keepSeconds = 90  // a cell nobody took is dropped then
	maxCells    = 256 // of a shard, should revisions follow each other faster than seconds
	maxShards   = 16
)

// Cells counts the requests of one pool for a comparison of pools: by the second in which they began and
// by the revision of the service's state that sent them there. Counting by the start keeps fast failures
// from showing before slow successes.
//
// A request is counted in when it begins, in the cell of its start, and its outcome is booked in the same
// cell as long as that is open. Take closes cells and hands each out once. Begin, Publish, Histogram and
// Traffic are safe for concurrent use; one goroutine at a time may call Take. Cells are cut into shards:
// no lock is shared by all requests. In steady state nothing is allocated for a request.
type Cells struct {
	clock      clock
	shards     []shard
	mu         sync.Mutex                   // guards writing thresholds
	thresholds atomic.Pointer[[]generation] // by from, never empty
}

// generation is the thresholds of the cells from a second on.
type generation struct {
	from int64
	over [Thresholds]time.Duration
}

// generations is how many are remembered: requests begin in the present, or moments ago.
const generations = 8

type shard struct {
	mu     sync.Mutex // guards all below, and every cell of the shard
	cells  []*cell    // open, as they were made: the newest last
	free   []*cell
	closed int64 // cells up to this second were taken
	seen   *seen // nil until the first request
	_      [48]byte
}

// cell is the counts of one second and revision in one shard. It is used again and again.
type cell struct {
	second, revision int64
	use              uint64 // tells a sample that its cell was closed
	over             [Thresholds]time.Duration
	groups           [Groups]Counts
}

func newCells(c clock, shards int) *Cells {
	cells := &Cells{clock: c, shards: make([]shard, shards)}
	cells.thresholds.Store(&[]generation{{}})
	for i := range cells.shards {
		cells.shards[i].closed = -1 << 62
	}
	return cells
}

// shardCount is enough for every processor to find a free one most of the time. A power of two.
func shardCount() int {
	return min(1<<bits.Len(uint(runtime.GOMAXPROCS(0)-1)), maxShards)
}

// Begin counts a request that began at the given time and returns what books its outcome. Groups are
// counted modulo Groups. A second that was taken already counts in the next one that is open.
func (c *Cells) Begin(at time.Time, revision int64, group uint8) Sample {
	second := c.clock.second(at)
	s := &c.shards[rand.Uint32()&uint32(len(c.shards)-1)] //nolint:gosec // spreads load, no secret
	s.mu.Lock()
	defer s.mu.Unlock()
	cell := s.cell(c, max(second, s.closed+1), revision)
	group %= Groups
	cell.groups[group].Requests++
	if s.seen == nil {
		s.seen = &seen{first: second}
	}
	s.seen.at(second).requests++
	return Sample{shard: s, cell: cell, use: cell.use, second: second, group: group, state: begun}
}

// Publish sets the thresholds of all cells of seconds at or after from; a zero threshold is none. Call it
// for a second to come, for every pool of a comparison: cells that were begun keep theirs, and counts
// of one second against different thresholds are given up.
func (c *Cells) Publish(from int64, over [Thresholds]time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := slices.Clone(*c.thresholds.Load())
	for len(known) > 1 && known[len(known)-1].from >= from {
		known = known[:len(known)-1]
	}
	if known[len(known)-1].over == over {
		c.thresholds.Store(&known)
		return
	}
	known = append(known, generation{from, over})
	if len(known) > generations {
		known = slices.Delete(known, 1, 2) // the first stands for all that is older
	}
	c.thresholds.Store(&known)
}

// over is the thresholds of a second.
func (c *Cells) over(second int64) [Thresholds]time.Duration {
	known := *c.thresholds.Load()
	for i := len(known) - 1; i > 0; i-- {
		if known[i].from <= second {
			return known[i].over
		}
	}
	return known[0].over
}

// Take closes the cells of all seconds up to and including upto and appends them to windows, one for each
// second and revision in which a request began, by second, then revision. A window is handed out once.
// What nobody takes is dropped after about 90 seconds.
func (c *Cells) Take(upto int64, windows []Window) []Window {
	first := len(windows)
	for i := range c.shards {
		windows = c.shards[i].take(upto, windows, first)
	}
	slices.SortFunc(windows[first:], compareWindows)
	return windows
}

// cell finds the cell of a second and revision, or makes it.
func (s *shard) cell(c *Cells, second, revision int64) *cell {
	for i := len(s.cells) - 1; i >= 0; i-- {
		if s.cells[i].second == second && s.cells[i].revision == revision {
			return s.cells[i]
		}
	}
	s.trim(second)
	n := len(s.free)
	if n == 0 {
		s.free = append(s.free, &cell{})
		n = 1
	}
	made := s.free[n-1]
	s.free = s.free[:n-1]
	*made = cell{second: second, revision: revision, use: made.use, over: c.over(second)}
	s.cells = append(s.cells, made)
	return made
}

// trim drops what nobody took.
func (s *shard) trim(now int64) {
	for len(s.cells) > 0 && (s.cells[0].second < now-keepSeconds || len(s.cells) >= maxCells) {
		s.release(s.cells[0])
		s.cells = slices.Delete(s.cells, 0, 1)
	}
}

// release makes a cell free for another use.
func (s *shard) release(c *cell) {
	c.use++
	s.free = append(s.free, c)
}

func (s *shard) take(upto int64, windows []Window, first int) []Window {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = max(s.closed, upto)
	s.cells = slices.DeleteFunc(s.cells, func(c *cell) bool {
		if c.second > upto {
			return false
		}
		windows = appendCell(windows, first, c)
		s.release(c)
		return true
	})
	return windows
}

// appendCell adds a cell to the window it belongs to, among those from first on.
func appendCell(windows []Window, first int, c *cell) []Window {
	for i := first; i < len(windows); i++ {
		if windows[i].Second == c.second && windows[i].Revision == c.revision {
			windows[i].merge(c)
			return windows
		}
	}
	return append(windows, Window{Second: c.second, Revision: c.revision, Over: c.over, Groups: c.groups})
}

// clock counts seconds since 1970 that a clock set forth or back does not disturb.
type clock struct{ base time.Time }

// second is the wall's as long as nobody sets the clock.
func (c clock) second(t time.Time) int64 {
	d := t.Sub(c.base) + time.Duration(c.base.Nanosecond())
	s := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return c.base.Unix() + s
}
