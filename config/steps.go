package config

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	maxSteps     = 100
	shortestStep = time.Second // the judge looks once a second
	mostHoldback = Full / 2
)

// steps reads the weights of a rollout, each a number or a mapping, and completes them to Full.
func (p *parser) steps(n *node) []Step {
	if n == nil {
		return defaultSteps()
	}
	if n.kind == yaml.ScalarNode && n.tag == "!!str" {
		return p.preset(n)
	}
	var all []Step
	var before Weight
	for _, item := range p.list(n) {
		step := p.step(item)
		if weight := weightOf(item); step.Weight > 0 && step.Weight <= before {
			p.report(weight, flaw{
				"is " + cut(weight.value) + " after " + percentText(before),
				"each step gives the candidate more than the one before",
			})
		}
		before = max(before, step.Weight)
		all = append(all, step)
	}
	if len(all) == 0 {
		p.report(n, flaw{"lists no step", "remove it for [5, 25, 50, 100]"})
	}
	if before < Full {
		all = append(all, Step{Weight: Full, For: defaultStep})
	}
	if len(all) > maxSteps {
		p.report(n, flaw{fmt.Sprintf("makes %d steps, the one at 100 counted", len(all)), fmt.Sprintf("at most %d", maxSteps)})
	}
	return all
}

// step reads 25 or {weight: 25, for: 15m, approve: true}.
func (p *parser) step(n *node) Step {
	s := Step{For: defaultStep}
	if n.kind != yaml.MappingNode {
		s.Weight = p.stepWeight(n)
		return s
	}
	o := p.object(n, "weight", "for", "approve")
	if at := p.need(o, "weight", "write it like {weight: 25, for: 15m}"); at != nil {
		s.Weight = p.stepWeight(at)
	}
	s.For = p.duration(o.at("for"), shortestStep, defaultStep)
	s.Approve = p.boolean(o.at("approve"))
	return s
}

// weightOf is the node that says the weight of a step, in either form.
func weightOf(step *node) *node {
	if at := step.child("weight"); at != nil {
		return at
	}
	return step
}

func (p *parser) stepWeight(n *node) Weight {
	w := p.percent(n)
	if w == 0 {
		p.spoil(n, flaw{"is 0", "a step gives the candidate more than 0"})
	}
	return w
}

func (p *parser) bake(n *node) *Bake {
	if n == nil {
		return nil
	}
	o, b := p.object(n, "for", "holdback"), Bake{}
	if at := p.need(o, "for", "say how long: {for: 30m, holdback: 2}"); at != nil {
		b.For = p.between(at, shortestStep, maxWait, 0)
	}
	if at := p.need(o, "holdback", "say what the baseline keeps: {for: 30m, holdback: 2}"); at != nil {
		b.Holdback = p.percent(at)
		if b.Holdback == 0 || b.Holdback >= mostHoldback {
			p.spoil(at, flaw{"is " + cut(at.value), "a holdback is more than 0 and less than " + percentText(mostHoldback)})
		}
	}
	return &b
}

// checkHoldback keeps the bake from taking back what the last step below 100 gave.
func (p *parser) checkHoldback(r *Rollout, n *node) {
	at := n.child("bake").child("holdback")
	if at == nil || len(r.Steps) < 2 {
		return
	}
	if last := r.Steps[len(r.Steps)-2].Weight; r.Bake.Holdback >= Full-last {
		p.report(at, flaw{
			"is " + cut(at.value) + ", but the step before 100 gives the candidate " + percentText(last),
			"hold back less than " + percentText(Full-last),
		})
	}
}
