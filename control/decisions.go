package control

import (
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/rollout"
)

// A decision is durable with the state that it made, and from there it becomes an event: also one that
// another node made, and one that a crash kept from becoming an event. So no acknowledged one is lost.

// decision is a decision on its way to being an event.
type decision struct {
	source string // service/<name> or flag/<name>
	seq    int64
	at     time.Time
	event  api.Event
}

// decisions says which decisions about one thing are events already.
type decisions struct {
	seq  int64 // of the newest, for a quick look
	at   time.Time
	told map[int64]int64 // by number: when
}

// remembered makes the events of a journal known at the start.
func (l *Loop) remembered() {
	for _, t := range l.events.lanes[laneDecided] {
		source := prefix + t.Service
		if t.Flag != "" {
			source = flagPrefix + t.Flag
		}
		if t.Seq > 0 {
			l.tally(source).told[t.Seq] = t.At.UnixNano()
		}
	}
}

func (l *Loop) tally(source string) *decisions {
	d := l.decisions[source]
	if d == nil {
		d = &decisions{told: map[int64]int64{}}
		l.decisions[source] = d
	}
	return d
}

// tellDecisions makes events of decisions that are none yet.
func (l *Loop) tellDecisions() {
	var fresh []decision
	for name, rec := range l.records {
		if n := len(rec.state.Recent); n > 0 && l.unknown(prefix+name, rec.state.Recent[n-1].Seq, rec.state.Recent[n-1].At) {
			fresh = append(fresh, l.freshOf(name, rec.state)...)
		}
	}
	for name, rec := range l.flags {
		if n := len(rec.state.Recent); n > 0 && l.unknown(flagPrefix+name, rec.state.Recent[n-1].Seq, rec.state.Recent[n-1].At) {
			fresh = append(fresh, l.freshOfFlag(name, rec.state)...)
		}
	}
	slices.SortStableFunc(fresh, func(a, b decision) int {
		if a.source == b.source {
			return 0 // in the order in which they were made, whatever the clock said
		}
		return a.at.Compare(b.at)
	})
	horizon := time.Time{}
	if !l.caughtUp {
		horizon = l.events.horizon() // what is older was an event once and is forgotten
	}
	for _, d := range fresh {
		if !d.at.Before(horizon) {
			l.events.tell(laneDecided, d.event, d.seq)
		}
	}
	l.caughtUp = true
}

// unknown is a quick look whether the newest decision about something is no event yet.
func (l *Loop) unknown(source string, seq int64, at time.Time) bool {
	d := l.tally(source)
	return d.seq != seq || !d.at.Equal(at)
}

func (l *Loop) freshOf(service string, s rollout.State) []decision {
	var all []decision
	d, told := l.tally(prefix+service), map[int64]int64{}
	for i := range s.Recent {
		r := &s.Recent[i]
		told[r.Seq] = r.At.UnixNano()
		if at, known := d.told[r.Seq]; !known || at != r.At.UnixNano() {
			all = append(all, decision{source: prefix + service, seq: r.Seq, at: r.At, event: eventOf(service, r)})
		}
		d.seq, d.at = r.Seq, r.At
	}
	d.told = told
	return all
}

func (l *Loop) freshOfFlag(name string, s flags.State) []decision {
	var all []decision
	d, told := l.tally(flagPrefix+name), map[int64]int64{}
	for _, r := range s.Recent {
		told[r.Seq] = r.At.UnixNano()
		if at, known := d.told[r.Seq]; !known || at != r.At.UnixNano() {
			all = append(all, decision{source: flagPrefix + name, seq: r.Seq, at: r.At, event: api.Event{
				At: r.At, Flag: name, Type: string(r.Type), By: r.By, From: r.Remote, Reason: r.Reason, Sentence: r.Sentence,
			}})
		}
		d.seq, d.at = r.Seq, r.At
	}
	d.told = told
	return all
}

func eventOf(service string, d *rollout.Decision) api.Event {
	e := api.Event{
		At: d.At, Service: service, Type: string(d.Type), By: d.By, From: d.Remote,
		Reason: d.Reason, Sentence: d.Sentence, Before: shares(d.Before), After: shares(d.After),
		Rollout: d.Rollout, Version: d.Version, Step: d.Step,
	}
	for _, n := range d.Checks {
		e.Checks = append(e.Checks, checkOf(n))
	}
	return e
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
