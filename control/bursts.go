package control

import (
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

const (
	burstSpan = time.Minute
	burstKeys = 1024 // things that are counted apart; others are not told while so many are
)

// bursts lets the first events about a thing through and counts the rest: one event for each minute says how many
// there were. It is safe for concurrent use. The zero value is ready.
type bursts struct {
	mu     sync.Mutex // guards what follows
	things map[string]*burst
}

// burst is a minute of one thing.
type burst struct {
	until time.Time
	n     int       // that went through
	held  int       // that did not
	last  api.Event // of those
}

// admit reports whether an event goes through now: at most so many about a thing in a minute do.
func (b *bursts) admit(thing string, most int, e api.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.things[thing]
	if t == nil {
		if len(b.things) >= burstKeys {
			return false
		}
		if b.things == nil {
			b.things = map[string]*burst{}
		}
		t = &burst{until: e.At.Add(burstSpan)}
		b.things[thing] = t
	}
	if t.n < most {
		t.n++
		return true
	}
	t.held++
	t.last = e
	return false
}

// due are the last events of those that were held, one for each thing whose minute is over, with their number. A
// thing of which nothing was held is forgotten.
func (b *bursts) due(now time.Time) []api.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []api.Event
	for thing, t := range b.things {
		// A clock that was set back must not silence anything for long.
		if left := t.until.Sub(now); left > 0 && left <= burstSpan {
			continue
		}
		if t.held == 0 {
			delete(b.things, thing)
			continue
		}
		t.last.Count = t.held
		all = append(all, t.last)
		// It goes on: the next minute is told in one event as well.
		t.until, t.held = now.Add(burstSpan), 0
	}
	return all
}
