package config

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchOptions tune a Watcher. The zero value is what production wants.
type WatchOptions struct {
	Quiet  time.Duration // without events before the file is read; 0 means 100 ms
	AtMost time.Duration // after the first event the file is read even so; 0 means 1 s
	Poll   time.Duration // between looks at the file without any event; 0 means 10 s

	// OnPollOnly is called from Run when the system cannot report events, for instance because its
	// watches are used up, so that changes are found by polling only. nil ignores it.
	OnPollOnly func(error)
}

// Loaded is one reading of the file: a Config, or why there is none.
type Loaded struct {
	Config *Config // nil with an error
	Digest string  // of the bytes read; "" when the file could not be read
	Err    error   // Problems when the file is wrong, another error when it cannot be read
	Poked  bool    // it was read because of Poke
}

// Watcher notices changes of a file, whichever way editors and orchestrators make them: in place, by
// renaming a new file over it, or by turning a symbolic link on the way to it.
type Watcher struct {
	path   string
	opts   WatchOptions
	poke   chan struct{}
	reload chan chan Loaded
	ran    atomic.Bool
	done   chan struct{} // closed when Run returns
	last   string        // what was delivered last, see reading.key; owned by Run

	newEvents func() (*fsnotify.Watcher, error) // for tests of a system without events
}

// NewWatcher prepares to watch path. Only changes from loaded are delivered; nil means the first
// reading is one. It starts nothing and touches no file: Run does.
func NewWatcher(path string, loaded *Config, opts WatchOptions) (*Watcher, error) {
	if path == "" {
		return nil, errors.New("watch config: no file given")
	}
	for _, d := range []*time.Duration{&opts.Quiet, &opts.AtMost, &opts.Poll} {
		if *d < 0 {
			return nil, fmt.Errorf("watch config %s: negative duration %s", path, *d)
		}
	}
	opts.Quiet = orDefault(opts.Quiet, 100*time.Millisecond)
	opts.AtMost = orDefault(opts.AtMost, time.Second)
	opts.Poll = orDefault(opts.Poll, 10*time.Second)
	w := &Watcher{
		path:      path,
		opts:      opts,
		poke:      make(chan struct{}, 1),
		reload:    make(chan chan Loaded),
		done:      make(chan struct{}),
		newEvents: fsnotify.NewWatcher,
	}
	if loaded != nil {
		w.last = loaded.Digest
	}
	return w, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Poke asks Run to read the file now and to deliver it even if it did not change. It does not wait;
// pokes that come before the reading count once. Safe for concurrent use.
func (w *Watcher) Poke() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Reload is Poke that waits: when it returns, the file was read after the call and deliver has
// returned. Its error says that nothing was read, because ctx ended or Run has; what is wrong with the
// file is in Loaded. It must not be called from deliver. Safe for concurrent use.
func (w *Watcher) Reload(ctx context.Context) (Loaded, error) {
	reply := make(chan Loaded, 1)
	select {
	case w.reload <- reply:
	case <-ctx.Done():
		return Loaded{}, fmt.Errorf("reload config %s: %w", w.path, context.Cause(ctx))
	case <-w.done:
		return Loaded{}, fmt.Errorf("reload config %s: nobody watches it any more", w.path)
	}
	select {
	case l := <-reply:
		return l, nil
	case <-ctx.Done():
		return Loaded{}, fmt.Errorf("reload config %s: %w", w.path, context.Cause(ctx))
	}
}

// Run watches until ctx ends and then returns nil. It calls deliver for each change of the file's
// bytes and for each Poke and Reload, one call at a time. A wrong file is delivered once as an error,
// and a file that stays away or unreadable once as well; when the former bytes come back, they are
// delivered again. Run works once: a second call is an error.
func (w *Watcher) Run(ctx context.Context, deliver func(Loaded)) error {
	if !w.ran.CompareAndSwap(false, true) {
		return fmt.Errorf("watch config %s: already ran", w.path)
	}
	defer close(w.done)
	e := openEvents(w)
	defer e.close()
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	var q quiet
	q.look(w, time.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-e.events():
			if !ok {
				e.lose(errors.New("the stream of events has ended"))
			} else if e.concerns(event) {
				q.event(w, time.Now())
			}
		case <-e.errors(): //nolint:errcheck // whatever it is, it means what the next line says
			q.event(w, time.Now()) // events may have been lost
		case <-poll.C:
			if q.look(w, time.Now()) {
				e.renew() // no event told of it: what is watched is not what is read
			}
		case <-q.timer():
			e.follow()
			q.settle(w, deliver)
		case <-w.poke:
			e.follow()
			w.deliver(w.read(), func(l Loaded) {
				l.Poked = true
				deliver(l)
			})
		case reply := <-w.reload:
			e.follow()
			reply <- w.deliver(w.read(), deliver)
		}
	}
}

// deliver hands over a reading and remembers it.
func (w *Watcher) deliver(r reading, deliver func(Loaded)) Loaded {
	w.last = r.key()
	l := Loaded{Digest: r.digest, Err: r.err}
	if r.err == nil {
		l.Config, l.Err = Parse(w.path, r.data)
	}
	deliver(l)
	return l
}

// reading is what a look at the file found.
type reading struct {
	data   []byte
	digest string
	err    error
}

func (w *Watcher) read() reading {
	data, err := read(w.path)
	if err != nil {
		return reading{err: err}
	}
	return reading{data: data, digest: Digest(data)}
}

// key is the same for readings that say the same.
func (r reading) key() string {
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	return r.digest
}

// quiet waits until nothing happens to the file any more, but not for ever.
type quiet struct {
	t           *time.Timer
	first, last time.Time // events since the file was last settled
}

// timer fires when the file is to be read. It is nil while nothing has happened.
func (q *quiet) timer() <-chan time.Time {
	if q.t == nil {
		return nil
	}
	return q.t.C
}

func (q *quiet) event(w *Watcher, at time.Time) {
	if q.t == nil {
		q.first = at
	} else {
		q.t.Stop()
	}
	q.last = at
	q.t = time.NewTimer(min(w.opts.Quiet, q.first.Add(w.opts.AtMost).Sub(at)))
}

// look takes a difference for an event. What a single look finds may be a file half written, so it is
// not delivered before the quiet time.
func (q *quiet) look(w *Watcher, at time.Time) bool {
	if q.t != nil || w.read().key() == w.last {
		return false
	}
	q.event(w, at)
	return true
}

// settle delivers what is there now if it differs from what was delivered last. A file that is away
// while events still come is most likely being replaced: it gets another quiet time.
func (q *quiet) settle(w *Watcher, deliver func(Loaded)) {
	busy := time.Since(q.last) < w.opts.Quiet
	q.t = nil
	r := w.read()
	switch {
	case r.key() == w.last:
	case r.err != nil && busy:
		q.event(w, time.Now())
	default:
		w.deliver(r, deliver)
	}
}
