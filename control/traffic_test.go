package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// behavior is what a pool does with requests.
type behavior struct {
	fails  float64       // share of requests
	median time.Duration // of latencies, which are spread log-normally
	hangs  bool          // no request ever ends

	converts float64       // share of the users who looked at a cart and order
	db       time.Duration // median of what answers tell of it; 0: they tell nothing
}

// world is a model of clients and upstreams. It may be changed while nodes serve it.
type world struct {
	mu    sync.Mutex
	rate  float64 // requests a second of each node
	pools map[string]behavior
}

func newWorld(rate float64) *world {
	good := behavior{fails: 0.001, median: 20 * time.Millisecond}
	return &world{rate: rate, pools: map[string]behavior{"blue": good, "green": good, "on": good, "off": good}}
}

func (w *world) set(f func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

// change makes a pool behave differently from now on.
func (w *world) change(pool string, f func(b *behavior)) {
	w.set(func(w *world) {
		b := w.pools[pool]
		f(&b)
		w.pools[pool] = b
	})
}

// traffic is the requests of one node, drawn and counted like real ones. A second is made when somebody
// looks at it, as the table and the world are by then.
type traffic struct {
	world *world

	mu     sync.Mutex
	rnd    *rand.Rand
	cells  *metrics.Registry
	tables []moment
	made   int64               // the last second that was made
	taken  map[takenKey]counts // what was handed out
}

type moment struct {
	at    time.Time
	table *router.Table
}

type takenKey struct {
	revision int64
	pool     string
}

type counts struct{ requests, failed int64 }

func newTraffic(w *world, seed uint64) *traffic {
	return &traffic{
		world: w, rnd: rand.New(rand.NewPCG(seed, 1)), cells: metrics.New("test"), taken: map[takenKey]counts{},
	}
}

// swapped notes the table in force from now on.
func (t *traffic) swapped(table *router.Table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tables = append(t.tables, moment{time.Now(), table})
	t.tables = t.tables[max(0, len(t.tables)-64):]
}

func (t *traffic) Second(at time.Time) int64 { return t.cells.Second(at) }

func (t *traffic) Cells(service, pool string) Cells {
	return &lane{Cells: t.cells.Cells(service, pool), traffic: t, pool: pool}
}

func (t *traffic) Journeys(service, check string) Journeys { return t.cells.Journeys(service, check) }

// lane is one pool of a traffic.
type lane struct {
	*metrics.Cells
	traffic *traffic
	pool    string
}

func (l *lane) Take(upto int64, windows []metrics.Window) []metrics.Window {
	t := l.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.make(upto)
	n := len(windows)
	windows = l.Cells.Take(upto, windows)
	for i := n; i < len(windows); i++ {
		sum, key := windows[i].Total(), takenKey{windows[i].Revision, l.pool}
		c := t.taken[key]
		c.requests += int64(sum.Requests)
		c.failed += int64(sum.Failed)
		t.taken[key] = c
	}
	return windows
}

func (l *lane) Traffic(now time.Time) metrics.Traffic {
	t := l.traffic
	t.mu.Lock()
	t.make(t.Second(now) - 1)
	t.mu.Unlock()
	return l.Cells.Traffic(now)
}

// make draws the requests of all seconds up to one. Those of long ago nobody looks at any more.
func (t *traffic) make(upto int64) {
	upto = min(upto, t.Second(time.Now())-1)
	if len(t.tables) == 0 || t.made == 0 {
		t.made = upto
		return
	}
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	for s := max(t.made+1, upto-60); s <= upto; s++ {
		n := t.poisson(t.world.rate)
		for i := range n {
			t.request(time.Unix(s, int64(float64(i)/float64(n)*1e9)))
		}
	}
	t.made = max(t.made, upto)
}

func (t *traffic) request(at time.Time) {
	table := t.tables[0].table
	for _, m := range t.tables {
		if m.at.After(at) {
			break
		}
		table = m.table
	}
	s := table.Services[0]
	pool := s.Baseline
	if s.Candidate != nil && t.rnd.Float64() < float64(s.Candidate.Weight)/10000 {
		pool = s.Candidate
	}
	group := uint8(t.rnd.IntN(2))
	if len(s.Config.Sticky.Key) > 0 {
		group = uint8(t.rnd.IntN(metrics.Groups))
	}
	b := t.world.pools[pool.Name]
	t.end(t.cells.Cells(s.Name, pool.Name).Begin(at, s.Revision, group), b)
	if b.converts > 0 {
		t.shop(at, s, metrics.Traveller{User: 1 + t.rnd.Uint32N(1<<31), Group: group, Pool: pool.Name}, b.converts)
	}
	user := flags.Context{Key: fmt.Sprint("user", t.rnd.IntN(5000))}
	for _, c := range s.Compared {
		r, side := c.Flag.Evaluate(&user), c.Off
		if r.Has {
			side = c.On
		}
		if r.Drawn {
			t.end(t.cells.Cells(c.Of.Name, side.Name).Begin(at, c.Of.Revision, group), t.world.pools[side.Name])
		}
	}
}

// end ends a request as a pool behaves.
func (t *traffic) end(sample metrics.Sample, b behavior) {
	switch {
	case b.hangs:
	case t.rnd.Float64() < b.fails:
		sample.Fail()
	default:
		sample.End(time.Duration(float64(b.median) * math.Exp(0.5*t.rnd.NormFloat64())))
		if b.db > 0 {
			sample.Measure(0, time.Duration(float64(b.db)*math.Exp(0.5*t.rnd.NormFloat64())))
		}
	}
}

// shop is what a user does who looked at a cart. Without a key nobody knows that it is the same.
func (t *traffic) shop(at time.Time, s *router.Service, who metrics.Traveller, converts float64) {
	if len(s.Config.Sticky.Key) == 0 {
		who.User, who.Group = 0, uint8(t.rnd.IntN(metrics.Groups))
	}
	j := t.cells.Journeys(s.Name, "conversion")
	j.Begin(at, s.Revision, who, 20*time.Second)
	if t.rnd.Float64() < converts {
		if who.User != 0 {
			at = at.Add(time.Duration(t.rnd.Float64() * float64(15*time.Second)))
		}
		j.Arrive(at, s.Revision, who)
	}
}

// poisson is a number of requests around a mean, by the normal law for large ones.
func (t *traffic) poisson(mean float64) int {
	if mean > 30 {
		return int(max(0, mean+math.Sqrt(mean)*t.rnd.NormFloat64()+0.5))
	}
	n, limit := 0, math.Exp(-mean)
	for p := t.rnd.Float64(); p > limit; p *= t.rnd.Float64() {
		n++
	}
	return n
}
