package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// underway says where a running rollout is: "rollout step 2/4 (25 %)   8m12s of 15m   waiting: …".
func underway(s api.Service) string {
	r := s.Rollout
	where := fmt.Sprintf("rollout step %d/%d (%s)", r.Step, r.Steps, percent(r.Weight))
	if r.Phase == api.PhaseBaking {
		where = fmt.Sprintf("rollout baking (%s)", percent(r.Weight))
	}
	return strings.Join(slices.DeleteFunc([]string{where, elapsed(r), holdup(s)}, func(part string) bool { return part == "" }), "   ")
}

// elapsed is the observed time of the step against what it has to last, and against its deadline once
// that time is over.
func elapsed(r *api.Rollout) string {
	text := calmText(r.Observed) + " of " + calmText(r.Least)
	observed, failed := time.ParseDuration(r.Observed)
	least, unknown := time.ParseDuration(r.Least)
	if failed == nil && unknown == nil && observed >= least && r.Phase == api.PhaseStepping && r.Deadline != "" {
		text += ", deadline " + calmText(r.Deadline)
	}
	return text
}

// holdup is what keeps a rollout from going on, "" when nothing does.
func holdup(s api.Service) string {
	r := s.Rollout
	waiting := clean(r.Waiting)
	switch {
	case s.Paused != nil:
		return "paused"
	case r.Awaits == api.AwaitsApproval:
		return "needs approval: switchback rollout approve " + s.Name
	case r.Awaits == api.AwaitsGate:
		return waiting + "   open it: switchback rollout open-gate " + s.Name + " --reason …"
	case r.Awaits == api.AwaitsData:
		return strings.TrimSuffix("undecided at the deadline: "+waiting, ": ")
	case waiting != "":
		return "waiting: " + waiting
	}
	return ""
}

// checks writes what each check has proven, with the requests it rests on. indent stands before each line.
func (p *page) checks(checks []api.Check, candidate, baseline, indent string) {
	if len(checks) == 0 {
		return
	}
	rows := [][]string{{indent + "check", "verdict", "for", "against", candidate + " bad", baseline + " bad", ""}}
	for _, c := range checks {
		rows = append(rows, []string{
			indent + clean(c.Name), verdict(c), odds(c.For), odds(c.Against),
			counts(c.Candidate), counts(c.Baseline), remark(c, baseline),
		})
	}
	p.table("llrrrrl", rows)
}

// verdict is a check's, with a word when it decides nothing.
func verdict(c api.Check) string {
	if c.Observed {
		return clean(c.Verdict) + ", observed"
	}
	return clean(c.Verdict)
}

// remark is what a check waits for, its last values and what was wrong with the last look.
func remark(c api.Check, baseline string) string {
	var parts []string
	switch {
	case len(c.Values) > 1:
		parts = append(parts, fmt.Sprintf("last %s, %s of %s", value(c.Values[0]), value(c.Values[1]), baseline))
	case len(c.Values) > 0:
		parts = append(parts, "last "+value(c.Values[0]))
	}
	if c.Waiting != "" {
		parts = append(parts, clean(c.Waiting))
	}
	if c.Error != "" && !strings.Contains(c.Waiting, c.Error) {
		parts = append(parts, clean(c.Error))
	}
	return strings.Join(parts, "; ")
}

func counts(c api.Counts) string { return grouped(c.Bad) + " of " + grouped(c.Requests) }

// decided writes the last decision about a rollout and the version that is not tried again.
func (p *page) decided(s api.Service, now time.Time) {
	if r := s.Rollout; r != nil {
		switch {
		case r.Running() && r.Sentence != "":
			p.line("last: %s", clean(r.Sentence))
		case !r.Running():
			p.line("last rollout: %s %s %s ago%s", clean(r.Version), inWords(r.Phase), span(now.Sub(r.Since)), outcome(r))
		}
	}
	if s.Failed != "" {
		p.line("version %s was rolled back and is not tried again by itself; switchback rollout start %s does", clean(s.Failed), s.Name)
	}
}

// inWords is a phase in words.
func inWords(phase string) string { return clean(strings.ReplaceAll(phase, "_", " ")) }

// outcome is the sentence about a rollout's end, to stand behind the words of its phase, with which it
// often begins.
func outcome(r *api.Rollout) string {
	return because(strings.TrimPrefix(r.Sentence, inWords(r.Phase)+": "))
}

// following says what comes next and how to go back.
func (p *page) following(s api.Service) {
	var parts []string
	if n := s.Rollout.Next; n != nil {
		next := "next: " + percent(n.Weight)
		switch {
		case n.Approve && s.Rollout.Approved:
			next += " (approved)"
		case n.Approve:
			next += " (needs approval)"
		}
		parts = append(parts, next)
	}
	if s.Undo != "" {
		parts = append(parts, undo(s.Undo))
	}
	if len(parts) > 0 {
		p.line("%s", strings.Join(parts, "      "))
	}
}
