package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// A node that does not lead hands over what it counted under sample/<service>/<node>, held against the
// thresholds that the leader writes under threshold/<service>. A node that is alone leads, so it writes
// neither.
const (
	samplePrefix    = "sample/"
	thresholdPrefix = "threshold/"
)

const (
	// fleetGrace is how many seconds the leader waits for what the others counted.
	fleetGrace = 2
	// keepShared is how many seconds of windows a node shows: a leader that looks once a second, and a
	// new one, misses none.
	keepShared = 3
	// forgetAfter is when a node that shows nothing new is taken for gone.
	forgetAfter = 30 * time.Second
)

// shared is what a node counted of one service.
type shared struct {
	Node  string       `json:"node"`
	Parts []sharedPart `json:"parts"` // oldest first
}

// sharedPart is what became known at one time.
type sharedPart struct {
	Upto    int64                     `json:"upto"` // all seconds up to it, since the part before
	Windows map[string][]sharedWindow `json:"windows"`
	// Bins are latencies of the baseline, and by measureKey the times that its answers told.
	Bins     map[string][]sharedBin       `json:"bins"`
	Journeys map[string][]metrics.Passage `json:"journeys,omitempty"` // by check
}

// sharedWindow is a metrics.Window without what is 0: of each group its number and its counts.
type sharedWindow struct {
	Second   int64      `json:"s"`
	Revision int64      `json:"r"`
	Over     thresholds `json:"o"`
	Groups   [][]uint32 `json:"g"`
}

// sharedBin is a bucket and its count.
type sharedBin [2]int64

func shareWindows(windows []metrics.Window) []sharedWindow {
	all := make([]sharedWindow, len(windows))
	for i := range windows {
		w := &windows[i]
		all[i] = sharedWindow{Second: w.Second, Revision: w.Revision, Over: w.Over}
		for g, c := range w.Groups {
			if c.Requests > 0 {
				counts := append([]uint32{uint32(g), c.Requests, c.Failed, c.Apart}, c.Within[:]...)
				all[i].Groups = append(all[i].Groups, append(counts, c.Told[:]...))
			}
		}
	}
	return all
}

// window is the counts again; what no node can have written counts for nothing.
func (s *sharedWindow) window() metrics.Window {
	w := metrics.Window{Second: s.Second, Revision: s.Revision, Over: s.Over}
	for _, g := range s.Groups {
		if len(g) == 4+metrics.Thresholds+metrics.Measures && g[0] < groups {
			c := &w.Groups[g[0]]
			c.Requests, c.Failed, c.Apart = g[1], g[2], g[3]
			copy(c.Within[:], g[4:])
			copy(c.Told[:], g[4+metrics.Thresholds:])
		}
	}
	return w
}

func shareBins(bins []judge.Bin) []sharedBin {
	all := make([]sharedBin, len(bins))
	for i, b := range bins {
		all[i] = sharedBin{int64(b.Bucket), int64(b.Count)}
	}
	return all
}

// orders is what the leader tells the others.
type orders struct {
	Term      int64         `json:"term"`
	Lag       time.Duration `json:"lag"`
	Baseline  string        `json:"baseline"`
	Candidate string        `json:"candidate"`
	Over      publication   `json:"over"`
}

// peer is another node as the leader sees it.
type peer struct {
	revision store.Revision
	news     time.Time // when revision was new
	taken    int64     // the last second that was taken from it
	parts    []sharedPart
}

// gather is what other nodes counted and nobody took yet.
func (l *Loop) gather(svc *config.Service, t *trial, now time.Time) []*peer {
	prefix := samplePrefix + svc.Name + "/"
	entries, _, err := l.o.Store.List(l.ctx, prefix)
	if err != nil {
		return nil // they show it for some seconds
	}
	var all []*peer
	for _, e := range entries {
		node := strings.TrimPrefix(e.Key, prefix)
		if node == l.o.Node {
			continue
		}
		p := t.nodes[node]
		if p == nil {
			p = &peer{news: now, taken: t.Upto}
			t.nodes[node] = p
		}
		if p.revision != e.Revision {
			p.take(e)
			p.news = now
		}
		if now.Sub(p.news) > forgetAfter {
			delete(t.nodes, node)
			_ = l.o.Store.Delete(l.ctx, e.Key, e.Revision) // next time
			continue
		}
		all = append(all, p)
	}
	return all
}

// take reads what a node shows. What cannot be read counts for nothing.
func (p *peer) take(e store.Entry) {
	p.revision = e.Revision
	var s shared
	if json.Unmarshal(e.Value, &s) == nil {
		p.parts = slices.DeleteFunc(s.Parts, func(part sharedPart) bool { return part.Upto <= p.taken })
	}
}

// takeParts is what the peers counted up to a second and nobody took yet.
func takeParts(peers []*peer, upto int64) []sharedPart {
	var all []sharedPart
	for _, p := range peers {
		for len(p.parts) > 0 && p.parts[0].Upto <= upto {
			all = append(all, p.parts[0])
			p.taken = p.parts[0].Upto
			p.parts = p.parts[1:]
		}
	}
	return all
}

// windowsOf are the windows of a pool.
func windowsOf(parts []sharedPart, pool string) []metrics.Window {
	var all []metrics.Window
	for _, part := range parts {
		for i := range part.Windows[pool] {
			all = append(all, part.Windows[pool][i].window())
		}
	}
	return all
}

// binsOf are latencies, by pool or measureKey.
func binsOf(parts []sharedPart, key string) []judge.Bin {
	var all []judge.Bin
	for _, part := range parts {
		for _, b := range part.Bins[key] {
			all = append(all, judge.Bin{Bucket: int(b[0]), Count: float64(b[1])})
		}
	}
	return all
}

// measureKey names a time that the answers of a pool tell, by its threshold. No pool is called so.
func measureKey(pool string, slot int) string { return fmt.Sprintf("%s/%d", pool, slot) }

// tell writes the thresholds for the others, if there are others.
func (l *Loop) tell(svc *config.Service, t *trial, r *rollout.Rollout, lag time.Duration) {
	if len(t.nodes) == 0 || len(t.published) == 0 || l.away {
		return
	}
	o := orders{Term: l.term.N, Lag: lag, Baseline: r.Baseline, Candidate: r.Candidate, Over: t.published[len(t.published)-1]}
	if o == t.told {
		return
	}
	value, err := json.Marshal(o)
	if err != nil {
		return
	}
	key := thresholdPrefix + svc.Name
	rev, err := l.putBeside(key, value, t.threshold)
	if errors.Is(err, store.ErrConflict) {
		if e, err := l.fetch(key); err == nil {
			t.threshold = e.Revision // and again in a second
		}
		return
	}
	if err == nil {
		t.threshold, t.told = rev, o
	}
}

// helper is what a node that does not lead does about one service.
type helper struct {
	revision store.Revision // of what this node shows
	orders   orders
	seen     store.Revision // of the leader's evidence
	evidence evidence       // to be shown
	parts    []sharedPart
	read     map[string]*latencies
}

// assist hands over what this node counted, and looks at what the leader found.
func (l *Loop) assist(svc *config.Service, now time.Time) {
	h := l.helpers[svc.Name]
	if h == nil {
		h = &helper{read: map[string]*latencies{}}
		l.helpers[svc.Name] = h
	}
	r := l.records[svc.Name].state.Running()
	if r == nil {
		l.discard(svc, now)
	}
	if r == nil || svc.Pool(r.Baseline) == nil || svc.Pool(r.Candidate) == nil || l.away {
		return
	}
	h.look(l, svc.Name)
	l.obey(svc, h, r)
	l.share(svc, h, r, now)
}

// look reads what the leader wrote since the last time.
func (h *helper) look(l *Loop, service string) {
	e, err := l.fetch(evidencePrefix + service)
	if err != nil || e.Revision == h.seen {
		return
	}
	h.seen = e.Revision
	if found, err := decodeEvidence(e.Value); err == nil {
		h.evidence = found
	}
}

// obey takes over the leader's thresholds.
func (l *Loop) obey(svc *config.Service, h *helper, r *rollout.Rollout) {
	e, err := l.fetch(thresholdPrefix + svc.Name)
	if err != nil {
		return
	}
	var o orders
	if json.Unmarshal(e.Value, &o) != nil || o == h.orders {
		return
	}
	h.orders = o
	if o.Baseline == r.Baseline && o.Candidate == r.Candidate {
		l.hold(svc, r, o.Over)
	}
}

func (l *Loop) share(svc *config.Service, h *helper, r *rollout.Rollout, now time.Time) {
	upto := l.o.Sampler.Second(now.Add(-max(h.orders.Lag, leastLag))) - 1
	part := sharedPart{Upto: upto, Windows: map[string][]sharedWindow{}, Bins: map[string][]sharedBin{}}
	for _, pool := range []string{r.Baseline, r.Candidate} {
		part.Windows[pool] = shareWindows(l.o.Sampler.Cells(svc.Name, pool).Take(upto, nil))
	}
	seen := read(l.o.Sampler.Cells(svc.Name, r.Baseline))
	part.Bins[r.Baseline] = shareBins(seen.since(h.read[r.Baseline]))
	h.read[r.Baseline] = seen
	h.measure(l, svc, r, &part)
	h.parts = append(h.parts, part)
	h.parts = slices.DeleteFunc(h.parts, func(p sharedPart) bool { return p.Upto < upto-keepShared })
	value, err := json.Marshal(shared{Node: l.o.Node, Parts: h.parts})
	if err != nil {
		l.log.Error("counts not handed over", zap.String("service", svc.Name), zap.Error(err))
		return
	}
	key := samplePrefix + svc.Name + "/" + l.o.Node
	rev, err := l.putBeside(key, value, h.revision)
	switch {
	case err == nil:
		h.revision = rev
	case errors.Is(err, store.ErrConflict):
		h.revision = 0
		if e, err := l.fetch(key); err == nil {
			h.revision = e.Revision // and again in a second
		}
	default:
		l.away = true
	}
}

// measure adds what the answers told, and the journeys.
func (h *helper) measure(l *Loop, svc *config.Service, r *rollout.Rollout, part *sharedPart) {
	policy := policyOf(svc)
	for i, slot := range slots(&policy) {
		if slot >= metrics.Latencies {
			key, now := measureKey(r.Baseline, slot), readMeasure(l.o.Sampler.Cells(svc.Name, r.Baseline), slot-metrics.Latencies)
			part.Bins[key] = shareBins(now.since(h.read[key]))
			h.read[key] = now
		}
		if c := &svc.Rollout.Checks[i]; c.Kind == config.KindRatio {
			if part.Journeys == nil {
				part.Journeys = map[string][]metrics.Passage{}
			}
			part.Journeys[c.Name] = l.o.Sampler.Journeys(svc.Name, c.Name).Take(part.Upto-span(svc, c), nil)
		}
	}
}

// discard drops the journeys that nobody asks for while no rollout runs, or they would pile up.
func (l *Loop) discard(svc *config.Service, now time.Time) {
	for i := range svc.Rollout.Checks {
		if c := &svc.Rollout.Checks[i]; c.Kind == config.KindRatio {
			l.o.Sampler.Journeys(svc.Name, c.Name).Take(l.o.Sampler.Second(now)-1-span(svc, c), nil)
		}
	}
}

// leastLag is that of a node that knows nothing of the leader's yet.
const leastLag = 250 * time.Millisecond
