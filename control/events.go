package control

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

const (
	// followed is how many events a reader takes at a time, and buffered how many of them wait for it.
	followed = 256
	buffered = 32
	// spreadOver is how far apart readers are woken, each of them, and spreadMost all of them together. A thousand
	// at once would keep requests waiting for a processor.
	spreadOver = 500 * time.Microsecond
	spreadMost = time.Second
	fewReaders = 16 // need no spreading
)

func parseEventID(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 0 {
		return 0, api.Problem(api.TypeInvalid, "%q is not the id of an event", s)
	}
	return id, nil
}

// Events are those after an event that are remembered, oldest first: of one service or, without a name,
// of everything. Without an event they begin with the oldest. Every decision that other answers show by now is
// among them.
func (l *Loop) Events(_ context.Context, service, after string) ([]api.Event, error) {
	from, err := parseEventID(after)
	if err != nil {
		return nil, err
	}
	events := []api.Event{}
	l.showing.RLock()
	all, _, _ := l.events.after(from, 0)
	l.showing.RUnlock()
	for _, t := range all {
		if service == "" || t.Service == service {
			events = append(events, t.Event)
		}
	}
	return events, nil
}

// Follow yields what Events would for everything, then every event as it happens, until ctx or Run ends;
// then it closes the channel. A reader that is slow holds up nobody; the channel of one so slow that events
// are forgotten which it did not have yet is closed.
func (l *Loop) Follow(ctx context.Context, after string) (<-chan api.Event, error) {
	from, err := parseEventID(after)
	if err != nil {
		return nil, err
	}
	out := make(chan api.Event, buffered)
	go l.stream(ctx, from, out)
	return out, nil
}

func (l *Loop) stream(ctx context.Context, from int64, out chan<- api.Event) {
	defer close(out)
	l.readers.Add(1)
	defer l.readers.Add(-1)
	var missed int64 // what was forgotten before the reader came
	for first := true; ; first = false {
		events, gone, newer := l.events.after(from, followed)
		if first {
			missed = gone
		}
		if gone > max(from, missed) {
			return
		}
		for _, t := range events {
			select {
			case out <- t.Event:
				from = t.id
			case <-ctx.Done():
				return
			}
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-newer:
			if !l.spread(ctx) {
				return
			}
		case <-ctx.Done():
			return
		case <-l.ended:
			return
		}
	}
}

// spread waits for a reader's turn; false: ctx ended.
func (l *Loop) spread(ctx context.Context) bool {
	n := l.readers.Load()
	if n <= fewReaders {
		return true
	}
	t := time.NewTimer(rand.N(min(time.Duration(n)*spreadOver, spreadMost))) //nolint:gosec // nobody gains by guessing it
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-l.ended:
		return false
	}
}
