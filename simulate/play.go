package simulate

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
)

// who decides by hand where the plan asks for a person, who always agrees at once.
const who = "simulate"

// begin is when every rollout starts: clock times in sentences are times since then.
var begin = time.Unix(0, 0).UTC()

// player plays one rollout, as the leader of a fleet of one would.
type player struct {
	world   *world
	traffic *traffic
	state   rollout.State
	facts   rollout.Facts

	trial    judge.Trial
	memory   judge.Memory
	observed time.Duration // of the step
	id       string        // with epoch, what trial and observed are about
	epoch    rollout.Epoch

	clock  time.Duration // since the rollout's start
	outage time.Duration // when it begins
	open   []second      // seconds whose outcomes are not known yet
	last   config.Weight // the candidate's in the last window judged; -1: none was
	thin   *judge.Window // windows of counted odds that are too small alone
	thinAt rollout.Epoch // when they began

	excess  float64       // see Run
	sent    judge.Tally   // to the candidate
	known   float64       // requests of it that were judged
	judged  time.Duration // end of the last window judged
	failing string        // the check of the last failure
}

// second is the counts of a second and what was in force.
type second struct {
	window judge.Window
	sent   float64 // to the candidate
	end    time.Duration
	weight config.Weight
	epoch  rollout.Epoch
}

// start begins a rollout. An error says why it cannot.
func (w *world) start(r *rand.Rand) (*player, error) {
	p := &player{world: w, traffic: newTraffic(w, r), memory: w.memory, facts: rollout.Facts{}, last: -1}
	for i := range w.service.Pools {
		p.facts[w.service.Pools[i].Name] = rollout.Ready{Up: 1}
	}
	if n := int64(w.least() / time.Second); n > 0 {
		p.outage = time.Duration(r.Int64N(n)) * time.Second
	}
	if err := p.step(rollout.File{At: begin}); err != nil {
		return nil, err
	}
	return p, p.command(rollout.VerbStart)
}

// play plays a rollout until it ends, or holds and waits for a person.
func (w *world) play(ctx context.Context, r *rand.Rand) (Run, error) {
	p, err := w.start(r)
	if err != nil {
		return Run{}, err
	}
	for p.outcome() == "" {
		if p.clock%time.Minute == 0 && ctx.Err() != nil {
			return Run{}, ctx.Err()
		}
		if err := p.tick(); err != nil {
			return Run{}, err
		}
		if w.plan.Insist && p.undecided() {
			if err := p.command(rollout.VerbPromote); err != nil {
				return Run{}, err
			}
		}
	}
	return p.run(), nil
}

// undecided reports whether the step's deadline passed and somebody has to say how to go on.
func (p *player) undecided() bool {
	r := p.state.Running()
	return r != nil && r.DeadlinePassed && p.state.Paused == nil
}

// command is one by hand.
func (p *player) command(verb rollout.Verb) error {
	return p.step(rollout.Commanded{Verb: verb, At: begin.Add(p.clock), By: who, To: p.world.plan.Candidate, Facts: p.facts})
}

// least is how long the rollout takes at least.
func (w *world) least() time.Duration {
	sum := time.Duration(0)
	for _, s := range w.service.Rollout.Steps {
		sum += s.For
	}
	return sum
}

// tick is one second: requests begin, and those of an earlier second are judged.
func (p *player) tick() error {
	p.traffic.publish(&p.memory)
	w := p.traffic.second(p.weather())
	p.clock += time.Second
	p.sent.Requests += p.traffic.sent.Requests
	p.sent.Bad += p.traffic.sent.Bad
	p.open = append(p.open, second{window: w, sent: p.traffic.sent.Requests, end: p.clock, weight: p.weight(), epoch: p.epoch})
	known := p.clock - p.memory.Lag(&p.world.policy)
	for len(p.open) > 0 && p.open[0].end <= known {
		p.judge(&p.open[0])
		p.open = p.open[1:]
	}
	p.observed += time.Second
	return p.decide()
}

func (p *player) weight() config.Weight {
	return p.state.InForce()[p.state.Rollout.Candidate]
}

func (p *player) weather() weather {
	plan := p.world.plan
	now := weather{baseline: p.world.baseline, worse: p.world.baseline, change: Change{Ratio: 1}}
	if p.clock >= plan.Onset {
		now.worse, now.change = p.world.worse, plan.Worse
	}
	if p.clock >= p.outage && p.clock < p.outage+plan.Outage.For {
		now.outage = plan.Outage.Share
	}
	return now
}

// outcome is how the rollout ended, "" while it goes on. One that waits for a person has ended here.
func (p *player) outcome() Outcome {
	r := p.state.Rollout
	switch {
	case r.Phase == rollout.Promoted:
		return Promoted
	case !r.Phase.Running():
		return RolledBack
	case p.state.Paused != nil, r.DeadlinePassed, r.Blocked:
		return Held
	}
	return ""
}

func (p *player) run() Run {
	r := p.state.Rollout
	return Run{
		Outcome: p.outcome(), Time: p.clock, Judged: p.judged, Step: r.Step, Check: p.failing,
		Requests: int64(p.sent.Requests), Bad: int64(p.sent.Bad), Known: int64(p.known), Sentence: p.lastWord(),
		candidate: r.Candidate, baseline: r.Baseline, excess: p.excess,
	}
}

// lastWord is the sentence about the decision that gave the candidate everything; of a rollout that ended
// otherwise that about the end.
func (p *player) lastWord() string {
	candidate := p.state.Rollout.Candidate
	for _, d := range p.state.Recent {
		if p.state.Rollout.Phase == rollout.Promoted && d.After.Sole() == candidate && d.Before.Sole() != candidate {
			return d.Sentence
		}
	}
	return p.state.Rollout.Sentence
}
