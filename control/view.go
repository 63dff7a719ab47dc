package control

import (
	"cmp"
	"maps"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
)

// view is what readers see: immutable, but for the health and the requests in flight of the tables'
// targets.
type view struct {
	config    *config.Config
	table     *router.Table
	records   map[string]record
	flags     map[string]flagRecord
	unchanged []unchanged // answers to requests that changed nothing
	file      fileStatus
	starved   []*router.Pool // what a newer file waits for
	writeErr  string
	leads     bool
	judged    map[string]*judged
	sampler   Sampler          // nil: nothing is counted
	now       func() time.Time // for what the pools were seen doing
}

// publish shows readers what is in force now.
func (l *Loop) publish() {
	v := &view{
		config: l.config, table: l.table, records: maps.Clone(l.records), flags: maps.Clone(l.flags), unchanged: l.unchanged,
		file: l.file, writeErr: l.writeErr, leads: l.leads(), judged: maps.Clone(l.judged),
		sampler: l.o.Sampler, now: l.o.Now,
	}
	if l.reload != nil && l.reload.next != nil {
		v.starved = l.reload.starved
	}
	l.showing.Lock()
	defer l.showing.Unlock()
	l.view.Store(v)
	l.tellDecisions()
}

// notYet says that a file is not in force, what it waits for, and what becomes of it.
func (v *view) notYet(what string) error {
	detail := what
	if len(v.starved) > 0 {
		detail = sayStarved(v.starved) + "; " + what
	}
	p := api.Problem(api.TypePoolNotReady, "%s", detail)
	p.Targets = notUp(v.starved)
	return p
}

// Overview is all services and what this node says of itself.
func (l *Loop) Overview() api.Overview {
	v := l.view.Load()
	o := api.Overview{
		Node: api.Node{
			Version: l.o.Version,
			Config: api.Config{
				File: v.config.File, Digest: v.config.Digest, LoadedAt: v.file.loadedAt,
				Error: v.file.err, Waiting: sayStarved(v.starved),
			},
			State:       api.State{Origin: l.o.Origin, Error: v.writeErr},
			Connections: l.connections(),
		},
		Services: make([]api.Service, 0, len(v.config.Services)),
	}
	for i := range v.config.Services {
		o.Services = append(o.Services, v.service(&v.config.Services[i]))
	}
	return o
}

func (l *Loop) connections() api.Connections {
	c := api.Connections{Handovers: map[string]int64{}}
	if l.o.Connections == nil {
		return c
	}
	paths := l.o.Connections()
	c.Fast, c.General = paths.Fast, paths.General
	maps.Copy(c.Handovers, paths.Handovers)
	return c
}

// Service is one service, or a not-found *api.Error.
func (l *Loop) Service(name string) (api.Service, error) {
	v := l.view.Load()
	svc := v.config.Service(name)
	if svc == nil {
		return api.Service{}, unknownService(name)
	}
	return v.service(svc), nil
}

func (v *view) service(svc *config.Service) api.Service {
	rec, s := v.records[svc.Name], v.table.Service(svc.Name)
	state := rec.state
	out := api.Service{
		Name: svc.Name, Flag: config.FlagOf(svc.Name), Revision: int64(rec.revision), Why: state.Why.String(), Durable: !rec.ahead,
		Roles: roles(s),
		Weights: api.Layers{
			File: percent(svc, state.Basis), InForce: percent(svc, state.InForce()),
			Pending: percent(svc, state.Pending(svc)),
		},
		Pools:   make(map[string]api.Pool, len(s.Pools)),
		Rollout: v.rollout(svc, state),
		Undo:    sayUndo(svc, state, facts(s)),
	}
	if f := state.Failed; f != nil {
		out.Failed = cmp.Or(f.Version, f.Pool)
	}
	if i := state.Intent; i != nil {
		out.Weights.Intent = &api.Intent{Weights: percent(svc, i.Weights), By: i.By, At: i.At, Reason: i.Reason}
	}
	if p := state.Paused; p != nil {
		out.Paused = &api.Pause{By: p.By, At: p.At, Reason: p.Reason}
	}
	for _, p := range s.Pools {
		out.Order = append(out.Order, p.Name)
		out.Pools[p.Name] = api.Pool{
			Version: p.Version, Up: p.Count(router.Up), InFlight: p.InFlight(), Targets: targets(p.Targets),
		}
	}
	v.seen(&out)
	return out
}

// seen adds what each pool was seen doing.
func (v *view) seen(s *api.Service) {
	if v.sampler == nil {
		return
	}
	now, all := v.now(), int64(0)
	seen := make(map[string]metrics.Traffic, len(s.Order))
	for _, name := range s.Order {
		seen[name] = v.sampler.Cells(s.Name, name).Traffic(now)
		all += seen[name].Requests
	}
	for name, t := range seen {
		if t.Requests == 0 {
			continue
		}
		p := s.Pools[name]
		p.Traffic = &api.Traffic{
			Share: 100 * float64(t.Requests) / float64(all), Rate: t.Rate(),
			Errors: 100 * float64(t.Failed) / float64(t.Requests),
			P50:    t.P50.Seconds(), P95: t.P95.Seconds(), P99: t.P99.Seconds(),
		}
		s.Pools[name] = p
	}
}

func roles(s *router.Service) api.Roles {
	name := func(p *router.Pool) string {
		if p == nil {
			return ""
		}
		return p.Name
	}
	return api.Roles{
		Baseline: name(s.Baseline), Candidate: name(s.Candidate), Live: name(s.Baseline), Idle: name(s.Idle()),
	}
}

// sayUndo is the command that undoes the last change, why it cannot, or "" when there is none.
func sayUndo(svc *config.Service, s rollout.State, f rollout.Facts) string {
	possible, why := rollout.Undo(svc, s, f)
	switch {
	case possible:
		return undo(svc.Name)
	case why != "":
		return "undo impossible: " + why
	}
	return ""
}

// Sample is the layers of one service's weights, for metrics.
type Sample struct {
	Service string
	Pools   []string       // in file order
	File    config.Weights // taken over; those that wait during a pause are not
	Intent  config.Weights // nil: none
	InForce config.Weights
	Since   time.Time // when file and intent began to differ; zero: they do not

	Phase    rollout.Phase // of the running or last rollout
	Step     int           // from 1; 0: no rollout ran
	Evidence []Evidence    // of a running rollout, check by check
}

// Evidence is what a check has proven so far, as powers of ten: for the candidate in this step, and
// against it over the whole rollout.
type Evidence struct {
	Check        string
	For, Against float64
}

// Leads reports whether this node decides about rollouts.
func (l *Loop) Leads() bool { return l.view.Load().leads }

// Samples is a Sample of each service, in file order. The weights must not be changed.
func (l *Loop) Samples() []Sample {
	v := l.view.Load()
	samples := make([]Sample, 0, len(v.config.Services))
	for i := range v.config.Services {
		svc := &v.config.Services[i]
		state := v.records[svc.Name].state
		s := Sample{Service: svc.Name, File: state.Basis, InForce: state.InForce(), Phase: state.Phase()}
		if r := state.Rollout; r != nil {
			s.Step, s.Evidence = r.Step, v.powers(svc, state)
		}
		for _, p := range svc.Pools {
			s.Pools = append(s.Pools, p.Name)
		}
		if state.Intent != nil {
			s.Intent, s.Since = state.Intent.Weights, state.Intent.Since
		}
		samples = append(samples, s)
	}
	return samples
}
