package proxy

import (
	"math/rand/v2"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// watched is what the checks of a service want to know of each drawn request beside its outcome.
type watched struct {
	timings  []string // names in Server-Timing, by metrics measure
	ratios   []config.Check
	journeys []*metrics.Journeys // by ratio
	keyed    bool                // users have a key
}

// watch is nil when no check asks for anything.
func (s *Server) watch(svc *router.Service) *watched {
	if svc.Config.Rollout == nil {
		return nil
	}
	w := &watched{ratios: svc.Ratios(), keyed: len(svc.Config.Sticky.Key) > 0}
	for _, c := range svc.Config.Rollout.Checks {
		if c.Kind == config.KindServerTiming && len(w.timings) < metrics.Measures {
			w.timings = append(w.timings, c.ServerTiming)
		}
	}
	for i := range w.ratios {
		w.journeys = append(w.journeys, s.metrics.Journeys(svc.Name, w.ratios[i].Name))
	}
	if len(w.timings)+len(w.ratios) == 0 {
		return nil
	}
	return w
}

// watchHead books what a response's head tells beyond its outcome.
func (x *exchange) watchHead(status int, h fields) {
	w := x.snap.watched[x.decision.Pool.Index]
	if w == nil {
		return
	}
	if len(w.timings) > 0 {
		told := h.Values("Server-Timing")
		for i, name := range w.timings {
			if d, ok := serverTiming(told, name); ok {
				x.sample.Measure(i, d)
			}
		}
	}
	if x.marks != 0 {
		x.travel(w, status)
	}
}

// travel counts the request in the journeys it is a part of.
func (x *exchange) travel(w *watched, status int) {
	t := metrics.Traveller{Pool: x.decision.Pool.Name}
	switch {
	case !w.keyed:
		t.Group = uint8(rand.Uint32() % metrics.Groups) //nolint:gosec // parts that ought to be alike, no secret
	default:
		if t.User = traveller(&x.decision); t.User == 0 {
			return // nobody could tell where this user went
		}
		t.Group = sampleGroup(&x.decision)
	}
	for i := range w.ratios {
		c := &w.ratios[i]
		if x.marks.Of(i) && within(c.Of.Status, status) {
			w.journeys[i].Begin(x.began, x.decision.Service.Revision, t, c.Within)
		}
		if x.marks.Good(i) && within(c.Good.Status, status) {
			w.journeys[i].Arrive(x.began, x.decision.Service.Revision, t)
		}
	}
}

func within(r config.StatusRange, status int) bool { return r.From <= status && status <= r.To }

// traveller is who makes the request, by a hash; 0: it has no key.
func traveller(d *router.Decision) uint32 {
	const prefix = "traveller/"
	switch {
	case d.Sticky != "":
		return max(1, bucket.Of(prefix, d.Sticky))
	case d.Issue != "":
		var id [32]byte
		return max(1, bucket.Of(prefix, string(router.AppendID(id[:0], d.ID))))
	}
	return 0
}
