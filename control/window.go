package control

import (
	"cmp"
	"slices"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/rollout"
)

const groups = metrics.Groups

// longestGap bounds the time between two windows, in seconds: a service without traffic.
const longestGap = 60

// counted is what baseline and candidate were seen doing with the requests of one second and generation.
type counted struct {
	second, number      int64
	place               int // of the generation among the others; -1: unknown
	baseline, candidate metrics.Window
}

// join puts the windows of both pools together, in the order in which they were in force. Those of the
// same second and generation, as nodes of a fleet have them, add up.
func (l *Loop) join(service string, baseline, candidate []metrics.Window) []counted {
	var all []counted
	at := map[[2]int64]int{}
	find := func(w *metrics.Window) *counted {
		key := [2]int64{w.Second, w.Revision}
		i, ok := at[key]
		if !ok {
			i = len(all)
			at[key] = i
			_, place := l.generation(service, w.Revision)
			all = append(all, counted{second: w.Second, number: w.Revision, place: place})
		}
		return &all[i]
	}
	for i := range baseline {
		addWindow(&find(&baseline[i]).baseline, &baseline[i])
	}
	for i := range candidate {
		addWindow(&find(&candidate[i]).candidate, &candidate[i])
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.place, b.place), cmp.Compare(a.number, b.number))
	})
	return all
}

// addWindow adds counts of one pool, second and generation. Against different thresholds they do not add
// up: that threshold becomes 0.
func addWindow(sum, w *metrics.Window) {
	if sum.Second == 0 {
		*sum = *w
		return
	}
	for i := range sum.Over {
		if sum.Over[i] != w.Over[i] {
			sum.Over[i] = 0
		}
	}
	for g := range sum.Groups {
		sum.Groups[g].Add(&w.Groups[g])
	}
}

// publication is thresholds that count from a second on.
type publication struct {
	From                int64
	Baseline, Candidate thresholds
}

// in force in a second; false: none were.
func (t *trial) publication(second int64) (publication, bool) {
	for i := len(t.published) - 1; i >= 0; i-- {
		if t.published[i].From <= second {
			return t.published[i], true
		}
	}
	return publication{}, false
}

// window turns counts into what the judge takes.
func (t *trial) window(c *counted) judge.Window {
	w := judge.Window{Seconds: t.elapse(c.second), Checks: make([]judge.Counts, len(t.policy.Checks))}
	baseline, candidate := c.baseline.Total(), c.candidate.Total()
	t.flow.add(baseline.Requests+candidate.Requests, w.Seconds)
	over, known := t.publication(c.second)
	for i := range t.policy.Checks {
		slot := t.slots[i]
		switch {
		case t.policy.Checks[i].Kind == judge.Errors:
			w.Checks[i] = tallies(c, func(n *metrics.Counts) judge.Tally {
				return judge.Tally{Requests: float64(n.Requests), Bad: float64(n.Failed)}
			})
		case slot >= 0 && known && against(&c.baseline, slot, over.Baseline) && against(&c.candidate, slot, over.Candidate):
			w.Checks[i] = tallies(c, func(n *metrics.Counts) judge.Tally {
				return judge.Tally{Requests: float64(n.Timed(slot)), Bad: float64(n.Slow(slot))}
			})
			w.Checks[i].Threshold = over.Baseline[slot]
		}
	}
	return w
}

// against reports whether the latencies of a window were held against that threshold. Where nothing was
// counted nothing was held against another.
func against(w *metrics.Window, slot int, over thresholds) bool {
	return over[slot] > 0 && (w.Second == 0 || w.Over[slot] == over[slot])
}

func tallies(c *counted, of func(*metrics.Counts) judge.Tally) judge.Counts {
	baseline, candidate := c.baseline.Total(), c.candidate.Total()
	n := judge.Counts{Baseline: of(&baseline), Candidate: of(&candidate), Cells: make([]judge.Tally, groups)}
	for g := range n.Cells {
		n.Cells[g] = of(&c.baseline.Groups[g])
	}
	return n
}

// elapse is the time since the window before, in seconds. Two windows of one second share it.
func (t *trial) elapse(second int64) float64 {
	was := t.second
	t.second = max(second, was)
	if was == 0 {
		return 1
	}
	return float64(min(max(second-was, 0), longestGap))
}

// thin is windows of counted odds that lack requests of one pool: they are judged together.
type thin struct {
	window judge.Window
	place  int
	judged [2]uint32
}

// bet gives the windows of a running rollout to the judge. r and g say what was in force.
func (l *Loop) bet(svc *config.Service, t *trial, r *rollout.Rollout, g *generation, c *counted) {
	w := t.window(c)
	baseline, candidate := c.baseline.Total(), c.candidate.Total()
	if g == nil || g.rollout != r.ID || g.epoch.Rollback != r.Epoch.Rollback {
		t.memory(r.Baseline).Learn(&t.policy, w) // of before the rollout, or of before its evidence
		return
	}
	w.Past = g.epoch.Step != r.Epoch.Step || g.epoch.Promote != r.Epoch.Promote
	w.Paused = l.records[svc.Name].state.Paused != nil
	w.Changed = t.weights != nil && !t.weights.Equal(g.weights)
	t.weights = g.weights
	if !w.Past {
		if ear := t.ear(); ear >= 0 {
			t.Silence.listen(c, ear)
		}
		for i := range t.failures {
			t.failures[i] += float64(c.candidate.Groups[i].Failed)
		}
	}
	judged := [2]uint32{baseline.Requests, candidate.Requests}
	if len(svc.Sticky.Key) == 0 {
		w.Odds = g.odds(r)
		l.observeWindow(svc, t, r, w, judged)
		return
	}
	if t.thin != nil && (t.thin.place != c.place || t.thin.window.Past != w.Past) {
		l.flush(svc, t, r)
	}
	if t.thin == nil {
		t.thin = &thin{place: c.place}
		t.thin.window = w
	} else {
		t.thin.window.Add(w)
	}
	t.thin.judged[0] += judged[0]
	t.thin.judged[1] += judged[1]
	if !t.thin.window.Thin() {
		l.flush(svc, t, r)
	}
}

// flush gives what was gathered to the judge, thin or not.
func (l *Loop) flush(svc *config.Service, t *trial, r *rollout.Rollout) {
	if t.thin == nil {
		return
	}
	f := t.thin
	t.thin = nil
	l.observeWindow(svc, t, r, f.window, f.judged)
}

func (l *Loop) observeWindow(svc *config.Service, t *trial, r *rollout.Rollout, w judge.Window, judged [2]uint32) {
	t.Trial.Observe(&t.policy, t.memory(r.Baseline), w)
	t.fresh = t.fresh || !w.Past && judged[1] > 0 && (judged[0] > 0 || w.Odds > 0)
	l.count.Judged(svc.Name, r.Baseline, int(judged[0]))
	l.count.Judged(svc.Name, r.Candidate, int(judged[1]))
}
