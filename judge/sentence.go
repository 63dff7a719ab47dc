package judge

import (
	"cmp"
	"fmt"
)

// Scene is what a sentence needs and the evidence does not know. Times come as the caller writes them.
type Scene struct {
	Candidate, Baseline string // names of the pools
	Since               string // when the step began; for Trouble, when the trouble did
	Elapsed             string // how long the step has been undecided
	// Target is the one of several candidate targets that more than 80 % of the bad requests come from;
	// "" when there is none.
	Target string
}

// RolledBack says why the verdict is Fail, with the totals of the step.
func (t *Trial) RolledBack(p *Policy, s Scene) string {
	v := t.Verdict(p)
	if v.Outcome != Fail {
		return "rolled back: not because of a verdict on " + s.Candidate
	}
	c, f := &p.Checks[v.Check], t.Finding(p, v.Check)
	if c.Verdicts && f.Absolute {
		return fmt.Sprintf("rolled back: %s said %d times in a row that %s fails; its word is a rule of its own, outside alpha",
			c.Name, limitStreak, s.Candidate)
	}
	if c.Kind == Value && f.Absolute {
		return fmt.Sprintf("rolled back: %s of %s was above %s %d times in a row (last %s); this limit is a rule of its own, outside alpha",
			c.Name, s.Candidate, exact(c.Max), limitStreak, value(f.Last.Candidate))
	}
	facts := c.facts(&f, s)
	if s.Target != "" {
		facts += "; most of these come from " + s.Target
	}
	return fmt.Sprintf("rolled back: since %s %s; an acceptable version would look this bad in fewer than 1 of %s rollouts",
		s.Since, facts, oneIn(f.Against))
}

// facts are the totals of a check and what would have been allowed.
func (c *Check) facts(f *Finding, s Scene) string {
	switch {
	case c.Kind == Value:
		return fmt.Sprintf("%s of %s was worse than allowed in %s of %s scrapes (last %s, %s of %s); allowed is %s", c.Name, s.Candidate,
			noneOr(f.Candidate.Bad), amount(f.Candidate.Requests), value(f.Last.Candidate), value(f.Last.Baseline), s.Baseline, c.allowed(s))
	case f.Absolute:
		return fmt.Sprintf("%s; allowed is %s at most", c.did(s.Candidate, "", f.Candidate, " requests"), percent(c.Max))
	}
	beyond, own := "", ""
	if c.Kind == Latency {
		beyond = fmt.Sprintf("%s times %s's %s (%s)", exact(c.MaxRatio), s.Baseline, c.quantile(), latency(f.Threshold))
		own = "its " + c.quantile()
	}
	return fmt.Sprintf("%s while %s; allowed is %s", c.did(s.Candidate, beyond, f.Candidate, " requests"),
		c.did(s.Baseline, own, f.Baseline, ""), c.allowed(s))
}

// quantile is what a latency check is about: "p99", or "p95 of db" for a measured time.
func (c *Check) quantile() string {
	if !c.Measured {
		return c.Name
	}
	return "p" + exact(100*c.Quantile) + " of " + cmp.Or(c.Unit, c.Name)
}

// did is one pool's part of the facts: "green failed 8 of 325 requests (2.5 %)".
func (c *Check) did(pool, threshold string, t Tally, requests string) string {
	switch c.Kind {
	case Latency:
		return fmt.Sprintf("%s took longer than %s in %s", pool, threshold, ofAll(t, requests))
	case Slow:
		return fmt.Sprintf("%s took longer than %s in %s", pool, latency(c.Over), ofAll(t, requests))
	case Ratio:
		return fmt.Sprintf("%s had %s in %s", pool, c.Name, ofAll(Tally{t.Requests, t.Requests - t.Bad}, requests))
	case Errors, Value:
	}
	return fmt.Sprintf("%s failed %s", pool, ofAll(t, requests))
}

// allowed is the tolerance in words.
func (c *Check) allowed(s Scene) string {
	l := c.line()
	more := points(l.add)
	if c.Kind == Value {
		more = exact(l.add)
	}
	switch {
	case c.Kind == Latency:
		return "no larger share"
	case c.Kind == Ratio:
		return "-" + more
	case l.ratio > 1 && l.add > 0:
		return exact(l.ratio) + " times and " + more
	case l.ratio > 1:
		return exact(l.ratio) + " times"
	case l.add > 0:
		return "+" + more
	}
	return "no more than " + s.Baseline
}

// Promoted says what was proven for the step. It belongs before the Step that follows.
func (t *Trial) Promoted(p *Policy, s Scene) string {
	lead, rest := -1, []string{}
	for i := range p.Checks {
		switch c := &p.Checks[i]; {
		case c.ObserveOnly:
		case lead < 0 && c.Kind != Value && c.compared():
			lead = i
		default:
			rest = append(rest, c.Name)
		}
	}
	sentence := "promoted to " + percent(t.Next())
	switch {
	case lead >= 0:
		sentence += ": " + t.proof(p, lead, s)
	case len(rest) == 0:
		return sentence + ": no check asks for a proof"
	}
	if len(rest) > 0 && t.Verdict(p).Outcome == Pass {
		sentence += "; " + list(rest) + " passed too"
	}
	return sentence
}

// proof is what the totals of a comparison rule out, when they do.
func (t *Trial) proof(p *Policy, i int, s Scene) string {
	c, f := &p.Checks[i], t.Finding(p, i)
	seen := fmt.Sprintf("in %s requests %s %s %s and %s %s of %s", amount(f.Candidate.Requests), s.Candidate, c.verb(),
		noneOr(f.Candidate.Bad), s.Baseline, noneOr(f.Baseline.Bad), amount(f.Baseline.Requests))
	if t.Verdict(p).Outcome != Pass {
		return seen + ", which is not a proof"
	}
	return fmt.Sprintf("%s, so more than the tolerated %s%s is ruled out at %s", seen, c.tolerated(), t.users(c), percent(1-p.beta()))
}

// users is how far the promise reaches: the tolerance is that of all users together.
func (t *Trial) users(c *Check) string {
	if t.Next() == 1 || c.Kind == Latency {
		return ""
	}
	return " over all users at " + percent(t.Next())
}

func (c *Check) verb() string {
	switch c.Kind {
	case Latency, Slow:
		return "was slow in"
	case Ratio:
		return "had no " + c.Name + " in"
	case Errors, Value:
	}
	return "failed"
}

func (c *Check) noun() string {
	switch c.Kind {
	case Latency, Slow:
		return "slow requests"
	case Ratio:
		return "requests without " + c.Name
	case Errors, Value:
	}
	return "failures"
}

// tolerated names what the tolerance is about: "0.2 points of extra failures".
func (c *Check) tolerated() string {
	l := c.line()
	switch {
	case c.Kind == Latency:
		return fmt.Sprintf("%s times the %s", exact(c.MaxRatio), c.quantile())
	case l.ratio > 1 && l.add > 0:
		return fmt.Sprintf("%s times and %s of %s", exact(l.ratio), points(l.add), c.noun())
	case l.ratio > 1:
		return fmt.Sprintf("%s times the %s", exact(l.ratio), c.noun())
	}
	return fmt.Sprintf("%s of extra %s", points(l.add), c.noun())
}
