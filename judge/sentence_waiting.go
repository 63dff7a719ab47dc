package judge

import (
	"fmt"
	"math"
)

// Waiting says what a step still waits for. need is how much more the check of the verdict takes, as
// Remaining has it.
func (t *Trial) Waiting(p *Policy, s Scene, need Need) string {
	v := t.Verdict(p)
	if v.Check < 0 {
		return "waiting: every check is proven"
	}
	c, f := &p.Checks[v.Check], t.Finding(p, v.Check)
	switch {
	case v.Outcome == Missing:
		return fmt.Sprintf("waiting: there is nothing to judge %s by yet", c.Name)
	case f.Trouble:
		return fmt.Sprintf("waiting: %s and %s fail together", s.Baseline, s.Candidate)
	case c.Verdicts:
		return fmt.Sprintf("waiting: %s said of %s that it fails", c.Name, s.Candidate)
	case !c.compared() || f.For >= -math.Log(p.beta()):
		return fmt.Sprintf("waiting: %s of %s is under suspicion", c.Name, s.Candidate)
	case c.Kind == Value:
		return fmt.Sprintf("waiting: %s of %s was worse than allowed in %s of %s scrapes; about %s more are needed",
			c.Name, s.Candidate, noneOr(f.Candidate.Bad), amount(f.Candidate.Requests), about(need.Requests))
	}
	seen := fmt.Sprintf("waiting: %s %s %s of %s requests", s.Candidate, c.verb(), noneOr(f.Candidate.Bad), amount(f.Candidate.Requests))
	if math.IsInf(need.Requests, 1) {
		return fmt.Sprintf("%s; at these rates %s is never proven", seen, c.Name)
	}
	return fmt.Sprintf("%s; about %s more are needed to rule out more than the tolerated %s%s (%s at the present rate)",
		seen, about(need.Requests), c.tolerated(), t.users(c), brief(need.Time))
}

// Undecided says how things stand at a deadline. then is what happens now, such as "holding at 25 %".
func (t *Trial) Undecided(p *Policy, s Scene, then string) string {
	v := t.Verdict(p)
	sentence := "undecided after " + s.Elapsed
	if v.Check < 0 {
		return sentence + ": every check is proven; " + then
	}
	c, f := &p.Checks[v.Check], t.Finding(p, v.Check)
	switch {
	case v.Outcome == Missing:
		return fmt.Sprintf("%s: there is nothing to judge %s by; %s", sentence, c.Name, then)
	case c.Kind == Value || !c.compared():
		return fmt.Sprintf("%s: %s of %s is not decided; %s", sentence, c.Name, s.Candidate, then)
	}
	low, high := difference(f.Candidate, f.Baseline)
	sentence = fmt.Sprintf("%s: the share of %s of %s lies %s to %s points above that of %s (Wilson, 95 %%)", sentence,
		c.noun(), s.Candidate, figure(100*low), figure(100*high), s.Baseline)
	if l := c.line(); l.ratio == 1 && low <= l.add && l.add <= high {
		return fmt.Sprintf("%s, the tolerance of %s lies inside; %s", sentence, points(l.add), then)
	}
	return fmt.Sprintf("%s; allowed is %s; %s", sentence, c.allowed(s), then)
}

// Trouble says that baseline and candidate fail together, as they do when something both depend on is
// broken. False: they do not, or the candidate is under suspicion, too.
func (t *Trial) Trouble(p *Policy, m *Memory, s Scene) (string, bool) {
	for slot, role := range p.roles() {
		f := t.Finding(p, role.check)
		if p.Checks[role.check].ObserveOnly || !f.Trouble || f.Against >= math.Log(leanAgainst) {
			continue
		}
		h := m.find(p.Checks[role.check].Name)
		return fmt.Sprintf("not the fault of %s: both pools fail (%s %s, %s %s) since %s; nothing is held against it, promotion waits",
			s.Candidate, s.Baseline, percent(h.guess.short.Share()), s.Candidate, percent(t.metrics[slot].recent.Share()), s.Since), true
	}
	return "", false
}
