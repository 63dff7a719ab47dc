package control

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
)

// plan is everything a file would change. Making one changes nothing.
type plan struct {
	config *config.Config
	drafts []*draft     // services whose state changes, in file order
	flags  []*flagDraft // the same, by name
	table  *router.Table
}

// plan works out what becomes of the states and the table under a file. A *rollout.Refusal wrapped with
// the service's name says that the file must not come into force. Asked again at the same time on the same
// states, it has the same drafts.
func (l *Loop) plan(c *config.Config, at time.Time, prev *router.Table) (*plan, error) {
	p := &plan{config: c, flags: l.reloadFlags(c, at)}
	n := next{services: map[string]rollout.State{}, flags: map[string]flags.State{}}
	for _, d := range p.flags {
		n.flags[d.name] = d.state
	}
	for i := range c.Services {
		d, err := l.step(&c.Services[i], at)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", c.Services[i].Name, err)
		}
		if d != nil {
			p.drafts = append(p.drafts, d)
			n.services[d.service] = d.state
		}
	}
	var err error
	p.table, err = l.compile(c, prev, n)
	return p, err
}

// step lets the file speak about one service; nil when that changes nothing.
func (l *Loop) step(svc *config.Service, at time.Time) (*draft, error) {
	rec, known := l.records[svc.Name]
	starting := l.config == nil
	event := rollout.File{
		At:      at,
		Lost:    rec.lost || starting && l.o.Lost && !known,
		Serving: !starting && l.config.Service(svc.Name) != nil,
	}
	was := l.dated(svc.Name)
	state, actions, err := rollout.Step(svc, was, event)
	if err != nil {
		return nil, err
	}
	same, err := equal(was, state)
	if err != nil || same {
		return nil, err
	}
	return &draft{service: svc.Name, state: state, actions: actions}, nil
}

// persist makes a plan durable, all of it or, as the table that serves goes, nothing: when the store
// stops in the middle, the states in force are to be written back over those that were written.
func (l *Loop) persist(p *plan) error {
	for i, d := range p.drafts {
		err := l.write(d)
		if err == nil {
			continue
		}
		l.takeBack(p.drafts[:i])
		if errors.Is(err, store.ErrConflict) {
			return errors.Join(err, l.refresh(d.service))
		}
		return err
	}
	for i, d := range p.flags {
		err := l.writeFlag(d)
		if err == nil {
			continue
		}
		l.takeBack(p.drafts)
		l.takeBackFlags(p.flags[:i])
		if errors.Is(err, store.ErrConflict) {
			return errors.Join(err, l.refreshFlag(d.name))
		}
		return err
	}
	return nil
}

// takeBackFlags is takeBack for flags.
func (l *Loop) takeBackFlags(written []*flagDraft) {
	for _, d := range written {
		l.flags[d.name] = flagRecord{state: l.flags[d.name].state, revision: d.revision, ahead: true}
	}
}

func (l *Loop) takeBack(written []*draft) {
	for _, d := range written {
		rec := record{state: d.state, revision: d.revision}
		if l.config.Service(d.service) != nil {
			rec.state, rec.ahead = l.records[d.service].state, true
		}
		l.records[d.service] = rec
	}
}

// commit puts a durable plan in force. It cannot fail.
func (l *Loop) commit(p *plan) {
	l.config = p.config
	l.file = fileStatus{loadedAt: l.o.Now(), good: true}
	for _, d := range p.drafts {
		l.settle(d)
	}
	for _, d := range p.flags {
		l.settleFlag(d)
	}
	l.enforce(l.settled(p.table))
	for _, d := range p.drafts {
		l.announce(d.service, d.revision, d.actions)
	}
	for _, d := range p.flags {
		l.announceFlag(d.name)
	}
	l.sayFlagProblems()
}

// settle makes a draft the state of its service.
func (l *Loop) settle(d *draft) {
	rec := record{state: d.state, revision: d.revision}
	if d.ahead {
		was := l.records[d.service]
		rec.revision, rec.absent, rec.ahead = was.revision, was.absent, true
		l.locals--
		rec.local = l.locals
	}
	l.records[d.service] = rec
}

// equal reports whether two states are the same value in the store.
func equal(a, b rollout.State) (bool, error) {
	if a.Empty() || b.Empty() {
		return a.Empty() == b.Empty(), nil
	}
	av, err := a.Encode()
	if err != nil {
		return false, err
	}
	bv, err := b.Encode()
	return string(av) == string(bv), err
}
