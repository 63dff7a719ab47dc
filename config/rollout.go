package config

import (
	"cmp"
	"time"
)

// Rollout is how a candidate gets the traffic of a service step by step. Percentages are fractions here:
// 0.01 is 1 %.
type Rollout struct {
	Start     StartWhen
	Steps     []Step   // at least one; the last has Full
	Windows   []Window // in which it may go forward by itself; none: always
	Bake      *Bake    // nil: none
	Deadline  time.Duration
	Undecided Undecided
	OnFail    OnFail
	Alpha     float64 // chance that an acceptable candidate is ever rolled back, over the whole rollout
	Beta      float64 // chance that an unacceptable one is promoted in a step
	Checks    []Check // in the order errors, p50, p95, p99, slow, then the others as in the file
	Gates     []Gate
	Announce  []Announce
}

// StartWhen says what begins a rollout.
type StartWhen string

// The ways to begin.
const (
	StartManual  StartWhen = "manual"  // a person
	StartVersion StartWhen = "version" // the idle pool's version changes
)

// Step is one weight of a rollout. It lasts For at least, longer until every check is proven.
type Step struct {
	Weight  Weight
	For     time.Duration
	Approve bool // a person has to agree as well
}

// Bake keeps Holdback of the traffic on the baseline for a while after the last step.
type Bake struct {
	For      time.Duration
	Holdback Weight
}

// Undecided is what happens at a step's deadline while a check is not proven.
type Undecided string

// The choices at a deadline. Lean promotes only a candidate that leans good.
const (
	UndecidedHold     Undecided = "hold"
	UndecidedRollback Undecided = "rollback"
	UndecidedLean     Undecided = "lean"
)

// OnFail is what happens when a check fails.
type OnFail string

// The choices at a failure.
const (
	FailRollback OnFail = "rollback"
	FailStepBack OnFail = "step_back"
	FailHold     OnFail = "hold"
)

// Check is one comparison of candidate and baseline. An acceptable candidate's share of bad requests, or
// its value, is at most MaxRatio times the baseline's plus MaxIncrease. A Check has no pointers: two of
// them that print alike are alike.
type Check struct {
	Name        string        // one of the Check constants, or the user's own when there is a Kind
	Quantile    float64       // 0.5, 0.95, 0.99 for latency; server_timing; 0 otherwise
	MaxRatio    float64       // errors, slow: of the shares; latency: of the quantiles; of values. At least 1, or 0: no comparison
	MaxIncrease float64       // fraction: 0.002 is 0.2 points; errors and slow. Of values in their own unit
	Max         float64       // fraction the candidate alone may reach; 0: no limit. errors and slow. Of values in their own unit
	Over        time.Duration // slow: what counts as slow
	Also        []int         // errors: statuses below 500 that count as failed

	Kind         CheckKind     `json:",omitzero"`
	ObserveOnly  bool          `json:",omitzero"` // shown, decides nothing
	Every        time.Duration `json:",omitzero"` // between two values that are fetched
	Scrape       Scrape        `json:",omitzero"`
	ServerTiming string        `json:",omitzero"` // name of the metric
	Good         Pattern       `json:",omitzero"` // ratio
	Of           Pattern       `json:",omitzero"` // ratio
	Within       time.Duration `json:",omitzero"` // ratio: from Of to Good, where users have a key
	MaxDecrease  float64       `json:",omitzero"` // ratio: fraction
	Query        Query         `json:",omitzero"` // prometheus
	Webhook      string        `json:",omitzero"` // URL
	TokenFile    string        `json:",omitzero"` // holds a bearer token for prometheus and webhook; "": none
}

// The checks with a meaning of their own.
const (
	CheckErrors = "errors"
	CheckP50    = "p50"
	CheckP95    = "p95"
	CheckP99    = "p99"
	CheckSlow   = "slow"
)

// maxWait bounds what may last over a weekend: deadlines and bakes.
const maxWait = 7 * 24 * time.Hour

// risk is what alpha and beta accept, in percent. Above a half a verdict says nothing.
var risk = bounds{least: 0, most: 50, open: true}

// rollout is nil when the file has none. It passes over the keys in also.
func (p *parser) rollout(n *node, also ...string) *Rollout {
	if n == nil {
		return nil
	}
	o := p.object(n, append(also, "start", "steps", "windows", "bake", "deadline", "undecided", "on_fail", "alpha", "beta", "checks", "gates", "announce")...)
	return &Rollout{
		Start:     choice(p, o.at("start"), StartManual, StartManual, StartVersion),
		Steps:     p.steps(o.at("steps")),
		Windows:   p.windows(o.at("windows")),
		Bake:      p.bake(o.at("bake")),
		Deadline:  p.between(o.at("deadline"), shortestStep, maxWait, defaultDeadline),
		Undecided: choice(p, o.at("undecided"), UndecidedHold, UndecidedHold, UndecidedRollback, UndecidedLean),
		OnFail:    choice(p, o.at("on_fail"), FailRollback, FailRollback, FailStepBack, FailHold),
		Alpha:     p.fraction(o.at("alpha"), risk, defaultAlpha),
		Beta:      p.fraction(o.at("beta"), risk, defaultBeta),
		Checks:    p.checks(o.at("checks")),
		Gates:     p.gates(o.at("gates")),
		Announce:  p.announce(o.at("announce")),
	}
}

// checkRollout compares the keys of a rollout with each other and with the pools of its service. A
// rollout among the defaults is for the services that have something to roll out.
func (p *parser) checkRollout(s *Service, service *node, inherited bool) {
	n := service.child("rollout")
	if n == nil {
		return
	}
	if len(s.Pools) < 2 {
		if len(s.Pools) == 1 && !inherited {
			p.report(n, flaw{"there is no second pool to roll out", "name the pool of the next version, or remove the rollout"})
		}
		s.Rollout = nil
		return
	}
	if s.Rollout.Start == StartVersion {
		p.checkVersions(s, service)
	}
	p.checkDeadline(s.Rollout, n)
	p.checkHoldback(s.Rollout, n)
	p.checkQueries(s, n)
	p.checkJourneys(s, n)
}

// checkVersions asks for what a rollout that starts with a new version has to compare.
func (p *parser) checkVersions(s *Service, service *node) {
	pools := service.child("pools")
	for i := range s.Pools {
		at := pools.child(s.Pools[i].Name)
		if s.Pools[i].Version == "" && at.child("version") == nil {
			p.report(at, flaw{"has no version, and a new one starts the rollout", `write {version: "2.4.0", targets: […]}, or rollout.start: manual`})
		}
	}
}

// checkDeadline asks for time to decide after the least time of each step. At 100 nothing is decided.
func (p *parser) checkDeadline(r *Rollout, n *node) {
	deadline := n.child("deadline")
	if deadline != nil && deadline.bad {
		return
	}
	steps := n.child("steps")
	for i, step := range r.Steps {
		if step.Weight == Full || step.For < r.Deadline {
			continue
		}
		at := cmp.Or(deadline, steps)
		if steps != nil && i < len(steps.items) {
			at = cmp.Or(steps.items[i].child("for"), steps.items[i])
		}
		p.report(at, flaw{
			"the step takes " + brief(step.For) + ", but its deadline is " + brief(r.Deadline),
			"set rollout.deadline to more than " + brief(step.For),
		})
	}
}
