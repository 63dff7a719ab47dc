package metrics

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Journeys counts, for one check of a service, the requests that something good is hoped of, and the good
// that came of them: carts that were looked at, and orders.
//
// Where users have a key a journey belongs to one user: it begins with the first request of the one kind,
// in its second, pool and revision, and has arrived when the same user makes one of the other kind within
// the time given, wherever that is served. Further requests of the user meanwhile begin nothing. So the
// pool that took a user in answers for the outcome, and a pool that got its users a moment ago does not
// look bad because their orders are still to come. Without a key both kinds are counted each in its own
// second and pool; as every request is drawn anew then, both follow the weights at once.
//
// Begin and Arrive are safe for concurrent use, one goroutine at a time may call Take. No lock is shared by
// all requests.
type Journeys struct {
	clock  clock
	shards [maxShards]journeyShard
}

// Traveller is who makes a request that a journey may consist of.
type Traveller struct {
	User  uint32 // hash of the key; 0: there is none
	Group uint8  // counted modulo Groups
	Pool  string // that was drawn for the request
}

// mostOpen bounds the journeys of a shard that are under way. Beyond it new ones are not counted at all,
// which leaves out good and bad alike.
const mostOpen = 8192

type journeyShard struct {
	mu     sync.Mutex // guards the rest
	closed int64      // seconds up to this one were taken
	cells  []*Passage
	open   map[uint32]*journey
	queue  []*journey // as they began; the first ends first
	free   []*journey
	_      [24]byte
}

// journey is one user's, under way or arrived.
type journey struct {
	user    uint32
	ends    int64 // the last second in which it can arrive
	cell    *Passage
	group   uint8
	arrived bool
}

// Passage is what began in one second, pool and revision, by group, and how much of it arrived.
type Passage struct {
	Second, Revision int64
	Pool             string
	Groups           [Groups]Arrivals
}

// Arrivals are journeys. Without keys more may arrive than begin.
type Arrivals struct{ Begun, Arrived uint32 }

// Total is the sum over the groups.
func (p *Passage) Total() (sum Arrivals) {
	for _, g := range p.Groups {
		sum.Begun += g.Begun
		sum.Arrived += g.Arrived
	}
	return sum
}

func newJourneys(c clock) *Journeys {
	j := &Journeys{clock: c}
	for i := range j.shards {
		j.shards[i].closed, j.shards[i].open = -1<<62, map[uint32]*journey{}
	}
	return j
}

// shard is the user's, or any when there is none.
func (j *Journeys) shard(t Traveller) *journeyShard {
	user := t.User
	if user == 0 {
		user = rand.Uint32() //nolint:gosec // spreads load, no secret
	}
	return &j.shards[(user>>16^user)%maxShards]
}

// Begin counts a request that something is hoped of. within is how long it may take to arrive.
func (j *Journeys) Begin(at time.Time, revision int64, t Traveller, within time.Duration) {
	second := j.clock.second(at)
	s := j.shard(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	group := t.Group % Groups
	if t.User == 0 {
		s.cell(second, revision, t.Pool).Groups[group].Begun++
		return
	}
	s.expire(second)
	if s.open[t.User] != nil || len(s.queue) >= mostOpen {
		return
	}
	cell := s.cell(second, revision, t.Pool)
	cell.Groups[group].Begun++
	n := s.journey()
	*n = journey{user: t.User, ends: second + int64(within/time.Second), cell: cell, group: group}
	s.open[t.User] = n
	s.queue = append(s.queue, n)
}

// Arrive counts a good request.
func (j *Journeys) Arrive(at time.Time, revision int64, t Traveller) {
	second := j.clock.second(at)
	s := j.shard(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.User == 0 {
		s.cell(second, revision, t.Pool).Groups[t.Group%Groups].Arrived++
		return
	}
	n := s.open[t.User]
	if n == nil || n.arrived || second > n.ends || n.cell.Second <= s.closed {
		return
	}
	n.arrived = true
	n.cell.Groups[n.group].Arrived++
}

// Take hands out what began in the seconds up to and including upto, once, by second, revision and pool.
// That is to be long enough ago for all to have arrived that will. What nobody takes is dropped when there
// is too much of it.
func (j *Journeys) Take(upto int64, all []Passage) []Passage {
	first := len(all)
	at := map[passageKey]int{}
	for i := range j.shards {
		all = j.shards[i].take(upto, all, at)
	}
	slices.SortFunc(all[first:], func(a, b Passage) int {
		return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Pool, b.Pool))
	})
	return all
}

type passageKey struct {
	second, revision int64
	pool             string
}

func (s *journeyShard) take(upto int64, all []Passage, at map[passageKey]int) []Passage {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = max(s.closed, upto)
	s.cells = slices.DeleteFunc(s.cells, func(c *Passage) bool {
		if c.Second > upto {
			return false
		}
		all = appendPassage(all, at, c)
		return true
	})
	s.expire(upto)
	return all
}

func appendPassage(all []Passage, at map[passageKey]int, c *Passage) []Passage {
	key := passageKey{c.Second, c.Revision, c.Pool}
	i, known := at[key]
	if !known {
		at[key] = len(all)
		return append(all, *c)
	}
	for g := range c.Groups {
		all[i].Groups[g].Begun += c.Groups[g].Begun
		all[i].Groups[g].Arrived += c.Groups[g].Arrived
	}
	return all
}

// mostPassages of a shard cover an hour; older ones that nobody takes are dropped.
const mostPassages = 8192

// cell is the passage of a second, revision and pool. What was taken already counts where nobody looks.
func (s *journeyShard) cell(second, revision int64, pool string) *Passage {
	second = max(second, s.closed+1)
	for i := len(s.cells) - 1; i >= 0; i-- {
		c := s.cells[i]
		if c.Second == second && c.Revision == revision && c.Pool == pool {
			return c
		}
		if c.Second < second-1 {
			break
		}
	}
	if len(s.cells) >= mostPassages {
		s.cells = slices.Delete(s.cells, 0, mostPassages/2)
	}
	c := &Passage{Second: second, Revision: revision, Pool: pool}
	s.cells = append(s.cells, c)
	return c
}

// expire forgets journeys that cannot arrive any more.
func (s *journeyShard) expire(second int64) {
	n := 0
	for n < len(s.queue) && s.queue[n].ends < second {
		gone := s.queue[n]
		if s.open[gone.user] == gone {
			delete(s.open, gone.user)
		}
		gone.cell = nil
		s.free = append(s.free, gone)
		n++
	}
	s.queue = slices.Delete(s.queue, 0, n)
}

func (s *journeyShard) journey() *journey {
	if n := len(s.free); n > 0 {
		j := s.free[n-1]
		s.free = s.free[:n-1]
		return j
	}
	return &journey{}
}
