package control

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/journal"
	"go.uber.org/zap"
)

// The lanes of events. What is seen may be frequent; it pushes out nothing that was decided.
const (
	laneDecided = iota // what people, files and the judge decided
	laneSeen           // health, state, node, refusals
)

// Lanes are the lanes of a journal that keeps events.
var Lanes = []journal.Lane{{Name: "decided", Bytes: 16 << 20}, {Name: "seen", Bytes: 4 << 20}}

// keepEvents bounds the events that can be asked for, by lane. Together they have at most the lane's bytes, as on
// disk: an event of the judge is larger than most.
var keepEvents = [...]int{laneDecided: 10_000, laneSeen: 4_000}

// chronicle is the events in the one order in which they became known. Readers and writers may come from
// anywhere and never wait for a disk.
type chronicle struct {
	now     func() time.Time
	log     *zap.Logger
	journal *journal.Journal // nil: nothing outlives the process

	mu    sync.RWMutex // guards the five below
	lanes [len(keepEvents)][]*entry
	bytes [len(keepEvents)]int64 // of what is in lanes, as the journal has it
	gone  [len(keepEvents)]int64 // the newest id that was forgotten, by lane
	last  int64                  // the newest id
	newer chan struct{}          // closed by the next event
}

// entry is an event as it is kept. It is not changed. Seq tells decisions about one thing apart, with their
// time: numbers begin anew when a state is lost.
type entry struct {
	api.Event
	Seq  int64 `json:"seq,omitempty"`
	id   int64
	size int64 // in the journal
}

func newChronicle(o Options) *chronicle {
	return &chronicle{now: o.Now, log: o.Log, journal: o.Journal, newer: make(chan struct{})}
}

// load takes in what a journal had.
func (c *chronicle) load(records []journal.Record) {
	for _, r := range records {
		t := &entry{id: r.ID, size: int64(len(r.Value))}
		if r.Lane < 0 || r.Lane >= len(c.lanes) || json.Unmarshal(r.Value, t) != nil || r.ID <= c.last {
			continue // another version wrote it
		}
		t.ID = strconv.FormatInt(r.ID, 10)
		c.last = r.ID
		c.keep(r.Lane, t)
	}
}

// tell adds an event. One that is urgent is on its way to the disk when tell returns, others within a moment.
func (c *chronicle) tell(lane int, e api.Event, seq int64) {
	value, err := json.Marshal(entry{Event: e, Seq: seq})
	if err != nil {
		c.log.Error("event not kept", zap.String("type", e.Type), zap.Error(err))
		return
	}
	t := &entry{Event: e, Seq: seq, size: int64(len(value))}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Ids are microseconds where the clock allows: after a crash no id comes again that somebody has seen.
	t.id = max(c.last+1, c.now().UnixMicro())
	t.ID = strconv.FormatInt(t.id, 10)
	c.last = t.id
	c.keep(lane, t)
	if c.journal != nil {
		c.journal.Append(journal.Record{Lane: lane, ID: t.id, Value: value}, lane == laneDecided)
	}
	close(c.newer)
	c.newer = make(chan struct{})
}

// keep adds an entry and forgets the oldest ones of its lane that are too many. It needs mu. Readers may hold what
// is cut off; nobody changes it.
func (c *chronicle) keep(lane int, t *entry) {
	all := append(c.lanes[lane], t)
	c.bytes[lane] += t.size
	for len(all) > keepEvents[lane] || c.bytes[lane] > Lanes[lane].Bytes {
		c.gone[lane] = all[0].id
		c.bytes[lane] -= all[0].size
		all = all[1:]
	}
	c.lanes[lane] = all
}

// after is the events behind an id, oldest first and at most limit of them, 0 all. Gone is the newest that is
// forgotten; newer is closed when there are more.
func (c *chronicle) after(id int64, limit int) (events []*entry, gone int64, newer <-chan struct{}) {
	c.mu.RLock()
	a, b := behind(c.lanes[laneDecided], id), behind(c.lanes[laneSeen], id)
	gone, newer = slices.Max(c.gone[:]), c.newer
	c.mu.RUnlock()
	n := len(a) + len(b)
	if limit > 0 {
		n = min(n, limit)
	}
	events = make([]*entry, 0, n)
	for len(events) < n {
		if len(b) == 0 || len(a) > 0 && a[0].id < b[0].id {
			events, a = append(events, a[0]), a[1:]
		} else {
			events, b = append(events, b[0]), b[1:]
		}
	}
	return events, gone, newer
}

func behind(lane []*entry, id int64) []*entry {
	i, found := slices.BinarySearchFunc(lane, id, func(t *entry, id int64) int { return cmp.Compare(t.id, id) })
	if found {
		i++
	}
	return lane[i:]
}

// horizon is the time before which a decision that is no event may be one that was forgotten; zero: none was.
func (c *chronicle) horizon() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	forgot := c.gone[laneDecided] > 0 || c.journal != nil && c.journal.Trimmed(laneDecided)
	if !forgot || len(c.lanes[laneDecided]) == 0 {
		return time.Time{}
	}
	return c.lanes[laneDecided][0].At
}
