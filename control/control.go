// Package control owns the life of a decision: it keeps the configuration in force, the durable state of
// every service and the table made of both, and changes them one at a time. It serves no request, probes
// no target and speaks no HTTP; what it needs of those who do it asks through Swapper and Prober.
package control

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/journal"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/scrape"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// Swapper puts a table in force. Swap cannot fail and returns when every request that begins afterwards
// uses the table.
type Swapper interface{ Swap(t *router.Table) }

// Prober finds out which targets can serve and says so in their State.
type Prober interface {
	// Sync starts and stops probes until they match the targets of all tables together; where two
	// tables disagree about a check, the later one counts. It does not wait for probes.
	Sync(tables ...*router.Table)
	// Wait returns nil once cond holds, which it asks at once and after every finding, and the error of
	// ctx when that ends first.
	Wait(ctx context.Context, cond func() bool) error
}

// Options are what a Loop works with. Config, Store, Swapper and Prober are needed.
type Options struct {
	Config  *config.Config // in force from the start
	Store   store.Store
	Swapper Swapper
	Prober  Prober
	Log     *zap.Logger // nil: no log

	// Reread reads the file now, for Reload. Its error says why the file is not valid. It may deliver
	// what it read to Offer and Invalid as well. Nil: config.Load of the file of Config.
	Reread func(ctx context.Context) (*config.Config, error)
	Now    func() time.Time // nil: time.Now

	// Restart names the keys of a file that would take effect at the next start only. Nil: none.
	Restart func(*config.Config) []string

	Version string // of this program, for Overview
	Origin  string // how the store was found: fresh, intact, recovered or lost
	Lost    bool   // the store had states and lost them: those missing are not a first start

	// Connections counts clients' connections by path, for Overview. Nil: there are none.
	Connections func() metrics.Paths

	Sampler   Sampler          // what is judged; nil: no rollout advances
	Elector   store.Elector    // says which node decides; nil: no rollout advances
	Count     Counter          // nil: nothing is counted
	Scraper   Scraper          // fetches single values; nil: they are missing
	Messenger Messenger        // asks gates and announces; nil: no gate opens by itself and nobody is told
	Journal   *journal.Journal // keeps events, in Lanes; nil: they end with the process
	Kept      []journal.Record // what Journal had when it was opened
	Node      string           // tells this node from others that share the store; "": a random name
}

// Loop decides. Make one with New, then Start, then Run. Its other methods are safe for concurrent use
// once Start has returned; those that change something wait until Run takes them up, those that only
// read wait for nothing outside the process.
type Loop struct {
	o       Options
	log     *zap.Logger
	tasks   chan func()   // what Run does next
	ended   chan struct{} // closed when Run returns
	view    atomic.Pointer[view]
	events  *chronicle
	showing sync.RWMutex          // held while view shows decisions that are no events yet
	asked   atomic.Pointer[cause] // who has the file read now; nil: nobody
	readers atomic.Int64          // of events
	wg      sync.WaitGroup        // what Run started

	// The rest belongs to the goroutine of Run, and to Start before it.
	ctx          context.Context // of Run
	config       *config.Config  // in force
	table        *router.Table   // in force
	records      map[string]record
	flags        map[string]flagRecord // what was decided at run time, by name
	flagProblems string                // said last
	flagsListed  store.Revision        // of the store when Start read them
	listed       store.Revision        // of the store when Start read it
	reload       *reload               // a newer file that is not in force yet; nil: none
	file         fileStatus
	writeErr     string // of the last write to the store; "" once one succeeded

	generations map[string][]generation // by service, oldest first
	locals      int64                   // the last number of a generation that the store does not have

	count   Counter
	term    store.Term         // zero: this node does not lead
	resign  context.CancelFunc // ends the term
	ticked  time.Time          // the last tick
	away    bool               // the store refused a write in this tick
	decided bool               // a decision was made in this tick
	trials  map[string]*trial  // while leading
	helpers map[string]*helper // while not
	judged  map[string]*judged // what readers are told
	jobs    []scrape.Job       // of this tick

	unchanged []unchanged           // answers to requests that changed nothing, at most keepUnchanged
	decisions map[string]*decisions // that are events, by source
	caughtUp  bool                  // those of before the start are events
	bursts    bursts                // of what may be frequent; from anywhere

	askings  map[string]*asking // while leading: questions to gates, by service
	outboxes map[string]*outbox // while leading: announcements, by service
}

// New returns a Loop that does nothing yet.
func New(o Options) *Loop {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Reread == nil {
		file := o.Config.File
		o.Reread = func(context.Context) (*config.Config, error) { return config.Load(file) }
	}
	if o.Node == "" {
		o.Node = rand.Text()
	}
	if o.Count == nil {
		o.Count = noCounter{}
	}
	l := &Loop{
		o: o, log: o.Log, records: map[string]record{}, flags: map[string]flagRecord{},
		tasks: make(chan func()), ended: make(chan struct{}),
		generations: map[string][]generation{}, count: o.Count,
		trials: map[string]*trial{}, helpers: map[string]*helper{}, judged: map[string]*judged{},
		askings: map[string]*asking{}, outboxes: map[string]*outbox{},
		events: newChronicle(o), decisions: map[string]*decisions{},
	}
	l.events.load(o.Kept)
	l.o.Kept = nil // read; its many megabytes need not stay beside the events
	l.remembered()
	return l
}
