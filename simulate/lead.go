package simulate

import (
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
)

// judge hands a second to the judge. Of counted odds thin ones are added up first.
func (p *player) judge(s *second) {
	p.judged, p.known = s.end, p.known+s.sent
	w := s.window
	w.Changed = p.last >= 0 && p.last != s.weight
	w.Past = s.epoch.Step != p.epoch.Step || s.epoch.Promote != p.epoch.Promote
	p.last = s.weight
	if s.epoch.Rollback != p.epoch.Rollback {
		p.flush()
		p.memory.Learn(&p.world.policy, w)
		return
	}
	if !p.world.plan.Sticky {
		w.Odds = float64(s.weight) / float64(config.Full-s.weight)
		p.trial.Observe(&p.world.policy, &p.memory, w)
		return
	}
	if p.thin != nil && (p.thinAt != s.epoch || p.thin.Past != w.Past) {
		p.flush()
	}
	if p.thin == nil {
		p.thin, p.thinAt = &w, s.epoch
	} else {
		p.thin.Add(w)
	}
	if !p.thin.Thin() {
		p.flush()
	}
}

func (p *player) flush() {
	if p.thin != nil {
		p.trial.Observe(&p.world.policy, &p.memory, *p.thin)
		p.thin = nil
	}
}

// decide asks the judge and does what the rules make of it.
func (p *player) decide() error {
	r := p.state.Running()
	if _, approve, _ := r.Next(p.world.service.Rollout); approve {
		if err := p.command(rollout.VerbApprove); err != nil {
			return err
		}
		r = p.state.Running()
	}
	v := p.trial.Verdict(&p.world.policy)
	e := rollout.Judged{
		At: begin.Add(p.clock), Rollout: r.ID, Epoch: r.Epoch, Observed: p.observed,
		Verdict: verdict(v.Outcome), Lean: v.Lean, Facts: p.facts,
	}
	if v.Check >= 0 {
		e.Check = p.world.policy.Checks[v.Check].Name
	}
	_, actions, err := rollout.Step(&p.world.service, p.state, e)
	if err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	if len(actions) == 0 {
		return nil
	}
	e.Sentence = p.sentence(v.Outcome)
	if p.failing = ""; v.Outcome == judge.Fail {
		p.failing = e.Check
	}
	return p.step(e)
}

func verdict(o judge.Outcome) rollout.Verdict {
	switch o {
	case judge.Pass:
		return rollout.Pass
	case judge.Fail:
		return rollout.Fail
	case judge.Undecided, judge.Missing:
	}
	return rollout.Undecided
}

// sentence is the judge's for a decision: it is written only when there is one.
func (p *player) sentence(o judge.Outcome) string {
	r := p.state.Rollout
	scene := judge.Scene{
		Candidate: r.Candidate, Baseline: r.Baseline,
		Since: r.Since.UTC().Format(time.TimeOnly), Elapsed: p.observed.String(),
	}
	switch o {
	case judge.Fail:
		return p.trial.RolledBack(&p.world.policy, scene)
	case judge.Pass:
		return p.trial.Promoted(&p.world.policy, scene)
	case judge.Undecided, judge.Missing:
	}
	return p.trial.Undecided(&p.world.policy, scene, fmt.Sprintf("holding at %v", p.weight()))
}

// step hands an event to the rules and follows what they say.
func (p *player) step(e rollout.Event) error {
	next, _, err := rollout.Step(&p.world.service, p.state, e)
	if err != nil {
		return fmt.Errorf("simulate %s: %w", p.world.service.Name, err)
	}
	p.state = next
	r := p.state.Running()
	if r == nil {
		return nil
	}
	m := r.Mark(p.id, begin, p.epoch)
	if m.All {
		p.trial = judge.Trial{}
	}
	if m.Weights {
		p.observed = 0
		p.traffic.split(p.weight())
		p.excess = max(p.excess, p.traffic.excess())
	}
	if m.Rollback && !m.All {
		p.trial.Forgive()
	}
	if m.Promote || m.Weights {
		p.trial.Step(float64(r.Basis.Next) / float64(config.Full)) // 0, nothing left to prove, is taken as all
	}
	p.id, p.epoch = r.ID, r.Epoch
	return nil
}
