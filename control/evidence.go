package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

// evidencePrefix is where evidence is kept: evidence/<service>. It is written by the leader alone and
// moves no revision of a state.
const evidencePrefix = "evidence/"

const (
	evidenceFormat = 1
	keepEvery      = 5 * time.Second // while a rollout runs
	keepIdleEvery  = time.Minute     // while only the memory learns
)

// evidence is what the leader knows of a service: the trial of its running or last rollout, and how its
// pools behave as the baseline.
type evidence struct {
	Format   int                      `json:"format"`
	Term     int64                    `json:"term"`
	Rollout  string                   `json:"rollout,omitempty"` // with Began and Epoch, what Trial and Observed are about
	Began    time.Time                `json:"began"`
	Epoch    rollout.Epoch            `json:"epoch"`
	Observed time.Duration            `json:"observed"` // of the step
	Upto     int64                    `json:"upto"`     // the last second that was judged
	Trial    judge.Trial              `json:"trial"`
	Silence  silence                  `json:"silence"`           // of the step
	Memory   map[string]*judge.Memory `json:"memory"`            // by pool
	Outside  map[string]outside       `json:"outside,omitempty"` // by check; replaced, never changed
}

func decodeEvidence(value []byte) (evidence, error) {
	var e evidence
	if err := json.Unmarshal(value, &e); err != nil {
		return evidence{}, fmt.Errorf("decode evidence: %w", err)
	}
	if e.Format != evidenceFormat {
		return evidence{}, fmt.Errorf("decode evidence: format %d is not %d", e.Format, evidenceFormat)
	}
	maps.DeleteFunc(e.Memory, func(_ string, m *judge.Memory) bool { return m == nil })
	return e, nil
}

// memory is that of a pool, which begins to be known when it is asked for.
func (e *evidence) memory(pool string) *judge.Memory {
	m := e.Memory[pool]
	if m == nil {
		m = &judge.Memory{}
		if e.Memory == nil {
			e.Memory = map[string]*judge.Memory{}
		}
		e.Memory[pool] = m
	}
	return m
}

// known is the memory of a pool to be read only; of one unknown it is empty.
func (e *evidence) known(pool string) *judge.Memory {
	if m := e.Memory[pool]; m != nil {
		return m
	}
	return &judge.Memory{}
}

// follow starts anew what the state says must start anew, and reports whether anything did.
func (e *evidence) follow(r *rollout.Rollout) bool {
	m := r.Mark(e.Rollout, e.Began, e.Epoch)
	if m == (rollout.Mark{}) {
		return false
	}
	if m.All {
		e.Trial = judge.Trial{}
		e.Outside = nil
	}
	if m.Weights {
		e.Observed = 0
	}
	if m.Rollback && !m.All {
		e.Trial.Forgive()
	}
	if m.Promote || m.Weights {
		e.Trial.Step(proofWeight(r))
		e.Silence = silence{}
	}
	e.Rollout, e.Began, e.Epoch = r.ID, r.Began, r.Epoch
	return true
}

// proofWeight is the weight that the step is to be proven for.
func proofWeight(r *rollout.Rollout) float64 {
	if r.Basis.Next <= 0 {
		return 1
	}
	return float64(r.Basis.Next) / float64(config.Full)
}

// trial is the leader's work on one service: the evidence and what comes and goes with the process.
type trial struct {
	evidence
	revision store.Revision // of the evidence in the store; 0: it is not there
	written  time.Time
	dirty    bool          // a decision waits to be written with its evidence
	learned  bool          // something was counted since the last write
	unsure   time.Duration // part of Observed since the last write: it does not count when the next fails
	away     bool          // the last write failed
	fresh    bool          // a window could be used since the evidence was read

	policy    judge.Policy
	slots     []int
	weights   config.Weights // of the last window
	second    int64          // of the last window; 0: none
	thin      *thin          // windows that are too small alone
	read      map[string]*latencies
	published []publication
	failures  [groups]float64 // of the candidate in this step, by group
	outcomes  map[string]string
	nodes     map[string]*peer
	threshold store.Revision // of the key the others read; 0: it is not there
	told      orders         // what it says
	flow      flow
	trips     map[string]*trips // of ratio checks, by name
}

// load reads the evidence of a service. One that cannot be read starts anew, which promotes nothing: all
// has to be proven again. Nil: the store is away.
func (l *Loop) load(service string) *trial {
	t := &trial{read: map[string]*latencies{}, outcomes: map[string]string{}, nodes: map[string]*peer{}, trips: map[string]*trips{}}
	e, err := l.fetch(evidencePrefix + service)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil
	default:
		t.revision = e.Revision
		if t.evidence, err = decodeEvidence(e.Value); err != nil {
			l.log.Warn("evidence unreadable, gathered anew", zap.String("service", service), zap.Error(err))
		}
	}
	return t
}

// flow is the rate of requests, fading with a half-life of half a minute.
type flow struct{ requests, seconds float64 }

func (f *flow) add(requests uint32, seconds float64) {
	keep := math.Exp2(-seconds / 30)
	f.requests = keep*f.requests + float64(requests)
	f.seconds = keep*f.seconds + seconds
}

// rate is requests a second, 0 when nothing was seen.
func (f flow) rate() float64 {
	if f.seconds <= 0 {
		return 0
	}
	return f.requests / f.seconds
}

// fetch is one entry, within the time that everybody else can wait.
func (l *Loop) fetch(key string) (store.Entry, error) {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	return l.o.Store.Get(ctx, key)
}

// trialOf is the trial of a service, read when this node begins to lead; nil while the store is away.
func (l *Loop) trialOf(svc *config.Service) *trial {
	t := l.trials[svc.Name]
	if t == nil {
		if t = l.load(svc.Name); t == nil {
			return nil
		}
		if t.Term > l.term.N {
			l.abdicate(t.Term)
			return nil
		}
		l.trials[svc.Name] = t
	}
	t.policy = policyOf(svc)
	t.slots = slots(&t.policy)
	return t
}

// keep writes evidence with each decision, and now and then. What the step was observed since the last
// write counts only when the store takes it.
func (l *Loop) keep(svc *config.Service, t *trial, now time.Time, running bool) {
	every := keepIdleEvery
	if running {
		every = keepEvery
	}
	since := now.Sub(t.written)
	due := t.dirty || t.away || since < 0 || since >= every
	if !due || !running && !t.dirty && !t.learned || l.away { // one refusal says enough for now
		return
	}
	err := l.save(svc, t)
	if errors.Is(err, store.ErrConflict) {
		err = l.reconcile(svc, t)
	}
	if err != nil {
		l.away, t.away = true, true
		t.Observed = max(0, t.Observed-t.unsure)
		t.unsure = 0
		return
	}
	t.written, t.unsure, t.away, t.dirty, t.learned = now, 0, false, false, false
}

func (l *Loop) save(svc *config.Service, t *trial) error {
	t.Format, t.Term = evidenceFormat, l.term.N
	maps.DeleteFunc(t.Memory, func(pool string, _ *judge.Memory) bool { return svc.Pool(pool) == nil })
	value, err := json.Marshal(&t.evidence)
	if err != nil {
		l.log.Error("evidence not written", zap.String("service", svc.Name), zap.Error(err))
		return nil
	}
	rev, err := l.putBeside(evidencePrefix+svc.Name, value, t.revision)
	if err == nil {
		t.revision = rev
	}
	return err
}

// putBeside writes what is no state. ErrConflict, errStore.
func (l *Loop) putBeside(key string, value []byte, prev store.Revision) (store.Revision, error) {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	rev, err := l.o.Store.Put(ctx, key, value, prev)
	if errors.Is(err, store.ErrConflict) {
		return 0, err
	}
	l.noteWrite(err)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errStore, err)
	}
	return rev, nil
}

// reconcile finds out who wrote the evidence meanwhile: a later leader, or this node, whom the store had
// told that it could not.
func (l *Loop) reconcile(svc *config.Service, t *trial) error {
	e, err := l.fetch(evidencePrefix + svc.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		t.revision = 0
	case err != nil:
		return err
	default:
		other, err := decodeEvidence(e.Value)
		if err == nil && other.Term > l.term.N {
			l.abdicate(other.Term)
			return store.ErrConflict
		}
		t.revision = e.Revision
	}
	return l.save(svc, t)
}
