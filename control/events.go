package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
)

// eventID is the place of a decision among those of all services: by time, then service. Within a
// service decisions stay in the order in which they were made, whatever the clock said.
type eventID struct {
	nanos   int64
	service string
	seq     int64
}

func (a eventID) compare(b eventID) int {
	return cmp.Or(cmp.Compare(a.nanos, b.nanos), cmp.Compare(a.service, b.service), cmp.Compare(a.seq, b.seq))
}

func (a eventID) String() string { return fmt.Sprintf("%d-%d-%s", a.nanos, a.seq, a.service) }

func parseEventID(s string) (eventID, error) {
	parts := strings.SplitN(s, "-", 3)
	if len(parts) == 3 {
		nanos, err1 := strconv.ParseInt(parts[0], 10, 64)
		seq, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil {
			return eventID{nanos: nanos, service: parts[2], seq: seq}, nil
		}
	}
	return eventID{}, api.Problem(api.TypeInvalid, "%q is not the id of an event", s)
}

// event is a decision with its place.
type event struct {
	id eventID
	api.Event
}

// events are those of some services that are remembered, oldest first.
func (v *view) events(wanted func(service string) bool) []event {
	var all []event
	for name, rec := range v.records {
		if wanted(name) {
			all = append(all, v.eventsOf(name, rec.state)...)
		}
	}
	slices.SortFunc(all, func(a, b event) int { return a.id.compare(b.id) })
	return all
}

func (v *view) eventsOf(service string, s rollout.State) []event {
	var all []event
	latest := int64(0)
	for i := range s.Recent {
		d := &s.Recent[i]
		latest = max(latest, d.At.UnixNano())
		id := eventID{nanos: latest, service: service, seq: d.Seq}
		e := event{id: id, Event: api.Event{
			ID: id.String(), At: d.At, Service: service, Type: string(d.Type), By: d.By, From: d.Remote,
			Reason: d.Reason, Sentence: d.Sentence, Before: shares(d.Before), After: shares(d.After),
			Rollout: d.Rollout, Version: d.Version, Step: d.Step,
		}}
		for _, n := range d.Checks {
			e.Checks = append(e.Checks, checkOf(n))
		}
		all = append(all, e)
	}
	return all
}

// shares is weights in percent; pools that have nothing are left out.
func shares(w config.Weights) api.Weights {
	if w == nil {
		return nil
	}
	all := make(api.Weights, len(w))
	for name, v := range w {
		all[name] = v.Percent()
	}
	return all
}

// Events are those after an event that are remembered, oldest first: of one service or, without a name,
// of all of them. Without an event they begin with the oldest. Every service remembers its last ones.
func (l *Loop) Events(_ context.Context, service, after string) ([]api.Event, error) {
	from := eventID{}
	if after != "" {
		var err error
		if from, err = parseEventID(after); err != nil {
			return nil, err
		}
	}
	v := l.view.Load()
	events := []api.Event{}
	for _, e := range v.events(func(name string) bool { return service == "" || name == service }) {
		if e.id.compare(from) > 0 {
			events = append(events, e.Event)
		}
	}
	return events, nil
}

// Follow yields what Events would for all services, then every event as it happens, until ctx or Run
// ends; then it closes the channel. A reader that is slow holds up nobody; one so slow that decisions
// are forgotten meanwhile misses those.
func (l *Loop) Follow(ctx context.Context, after string) (<-chan api.Event, error) {
	from := eventID{}
	if after != "" {
		var err error
		if from, err = parseEventID(after); err != nil {
			return nil, err
		}
	}
	out := make(chan api.Event)
	go func() {
		defer close(out)
		seen := map[string]int64{} // the last decision that was sent, by service
		for {
			v := l.view.Load()
			for _, e := range v.events(func(string) bool { return true }) {
				if e.id.compare(from) <= 0 {
					seen[e.Service] = max(seen[e.Service], e.id.seq)
				}
				if e.id.seq <= seen[e.Service] {
					continue
				}
				select {
				case out <- e.Event:
					seen[e.Service] = e.id.seq
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-v.newer:
			case <-ctx.Done():
				return
			case <-l.ended:
				return
			}
		}
	}()
	return out, nil
}
