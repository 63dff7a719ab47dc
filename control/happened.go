package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/router"
)

// by whom this program decides.
const itself = "switchback"

// How many events about one thing go through in a minute before they are told in bulk.
const (
	burstTarget  = 4
	burstState   = 4
	burstRefused = 1
)

// happened makes an event of something that is no decision about traffic.
func (l *Loop) happened(lane int, e api.Event) {
	if e.At.IsZero() {
		e.At = l.o.Now()
	}
	e.At = e.At.Round(0).UTC()
	l.events.tell(lane, e, 0)
}

// perhaps is happened for what may be frequent.
func (l *Loop) perhaps(thing string, most int, e api.Event) {
	e.At = l.o.Now()
	if l.bursts.admit(thing, most, e) {
		l.happened(laneSeen, e)
	}
}

// tellHeld tells what was held back.
func (l *Loop) tellHeld() {
	all := l.bursts.due(l.o.Now())
	slices.SortFunc(all, func(a, b api.Event) int { return a.At.Compare(b.At) })
	for _, e := range all {
		e.At = l.o.Now()
		e.Sentence = fmt.Sprintf("%s (%d like this within a minute)", e.Sentence, e.Count)
		l.happened(laneSeen, e)
	}
}

// TargetChanged tells of a target that took another status. It does not wait, and may be called from anywhere
// once Start has returned.
func (l *Loop) TargetChanged(service, pool, target string, was router.Status, is router.Health) {
	e := api.Event{
		Service: service, Pool: pool, Target: target, By: itself, Was: was.String(), Is: is.Status.String(), Error: is.Error,
		Type: api.EventTargetUp, Sentence: fmt.Sprintf("%s of %s is %s", target, pool, is.Status),
	}
	if is.Status == router.Down {
		e.Type = api.EventTargetDown
	}
	if is.Error != "" {
		e.Sentence += ": " + is.Error
	}
	if was != router.Unknown {
		e.Sentence += ", before: " + was.String()
	}
	l.perhaps("target "+service+" "+pool+" "+target, burstTarget, e)
	l.poolChanged(service, pool, was, is.Status)
}

// poolChanged tells of a pool that lost its last target, or got its first one back.
func (l *Loop) poolChanged(service, pool string, was, is router.Status) {
	v := l.view.Load()
	if v == nil {
		return
	}
	s := v.table.Service(service)
	if s == nil {
		return
	}
	i := slices.IndexFunc(s.Pools, func(p *router.Pool) bool { return p.Name == pool })
	if i < 0 {
		return
	}
	p := s.Pools[i]
	e := api.Event{Service: service, Pool: pool, By: itself}
	switch {
	case is == router.Down && p.Count(router.Down) == len(p.Targets):
		e.Type, e.Sentence = api.EventPoolEmpty, fmt.Sprintf("%s has no target up; its weight is %v", pool, p.Weight)
	case is == router.Up && was == router.Down && p.Count(router.Up) == 1:
		e.Type, e.Sentence = api.EventPoolReady, pool+" has a target up again"
	default:
		return
	}
	l.perhaps("pool "+service+" "+pool, burstTarget, e)
}

// Refused tells of a request that the admin API turned away at its door; what says why, in words that hold no
// secret. It does not wait.
func (l *Loop) Refused(call api.Call, what string) {
	l.perhaps("refused "+call.By+" "+call.From, burstRefused, api.Event{
		Type: api.EventAdminRefused, By: call.By, From: call.From, Sentence: "admin request refused: " + what,
	})
}

// started tells of the start and of what was found then.
func (l *Loop) started() {
	switch l.o.Origin {
	case "recovered":
		l.happened(laneDecided, api.Event{
			Type: api.EventStateRecovered, By: itself, Sentence: "the state was damaged and came back from its last good copy",
		})
	case "lost":
		l.happened(laneDecided, api.Event{
			Type: api.EventStateLost, By: itself, Sentence: "the state was lost; weights are those of the file",
		})
	}
	l.happened(laneSeen, api.Event{
		Type: api.EventNodeStarted, By: itself, Version: l.o.Version, Is: l.config.Digest,
		Sentence: fmt.Sprintf("switchback %s serves %s", l.o.Version, l.config.File),
	})
}

// Stopping tells of the end of this node, before it begins.
func (l *Loop) Stopping(cause error) {
	l.happened(laneSeen, api.Event{
		Type: api.EventNodeStopping, By: itself, Sentence: fmt.Sprintf("stopping: %v", cause),
	})
}

// led tells of the begin or the end of a term.
func (l *Loop) led(kind string, term int64, said string) {
	l.happened(laneSeen, api.Event{Type: kind, By: itself, Sentence: fmt.Sprintf("%s (term %d)", said, term)})
}

// storeChanged tells whether the store takes writes.
func (l *Loop) storeChanged(was, is string) {
	switch {
	case was == "" && is != "":
		l.perhaps("state refused", burstState, api.Event{
			Type: api.EventStateRefused, By: itself, Error: is, Sentence: "the state cannot be written: " + is + "; nothing advances until it can",
		})
	case was != "" && is == "":
		l.perhaps("state accepted", burstState, api.Event{
			Type: api.EventStateAccepted, By: itself, Sentence: "the state can be written again",
		})
	}
}

// stateHappened tells what became of one service's state.
func (l *Loop) stateHappened(kind, service, sentence string) {
	l.perhaps(kind+" "+service, burstState, api.Event{Type: kind, Service: service, By: itself, Sentence: sentence})
}

// cause is who hands over a file.
type cause struct{ by, from, reason string }

type causeKey struct{}

// because marks what is done for somebody's call.
func because(ctx context.Context, c cause) context.Context {
	return context.WithValue(ctx, causeKey{}, c)
}

// of is who the context is about: what nobody asked for is the file's own doing.
func causeOf(ctx context.Context) cause {
	c, _ := ctx.Value(causeKey{}).(cause)
	c.by = cmp.Or(c.by, "file")
	return c
}

// Signalled marks files that are read because of a signal, for Offer and Invalid.
func Signalled(ctx context.Context) context.Context { return because(ctx, cause{by: "SIGHUP"}) }

// blamed is who hands over a file that the watcher read while somebody asked for it.
func (l *Loop) blamed(c cause) cause {
	if asked := l.asked.Load(); asked != nil && c.by == "file" {
		return *asked
	}
	return c
}

// fileHappened tells what became of a file. Was and is are digests, "" for a file that could not be read.
func (l *Loop) fileHappened(kind string, c cause, was, is, sentence string, err error) {
	e := api.Event{Type: kind, By: c.by, From: c.from, Reason: c.reason, Was: was, Is: is, Sentence: sentence}
	if err != nil {
		e.Error = err.Error()
		e.Sentence += ": " + e.Error
	}
	l.happened(laneDecided, e)
}
