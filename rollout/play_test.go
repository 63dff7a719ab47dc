package rollout

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// plan is the line "rollout …".
func (st *story) plan(t *testing.T, args []string) {
	t.Helper()
	st.svc.Rollout = nil
	if len(args) == 1 && args[0] == "off" {
		return
	}
	p := &config.Rollout{
		Start: config.StartManual, Deadline: 30 * time.Minute, Undecided: config.UndecidedHold, OnFail: config.FailRollback,
	}
	steps := "5,25,50,100"
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "steps":
			steps = value
		case "start":
			p.Start = config.StartWhen(value)
		case "deadline":
			p.Deadline = durationOf(t, value)
		case "undecided":
			p.Undecided = config.Undecided(value)
		case "on_fail":
			p.OnFail = config.OnFail(value)
		case "gates":
			for at := range strings.SplitSeq(value, ",") {
				at, host, _ := strings.Cut(at, "/")
				p.Gates = append(p.Gates, config.Gate{At: config.GateAt(at), Post: "https://" + cmp.Or(host, "ci") + "/hook", Timeout: time.Minute})
			}
		case "windows":
			for text := range strings.SplitSeq(value, "|") {
				p.Windows = append(p.Windows, windowOf(t, text))
			}
		case "announce":
			p.Announce = []config.Announce{{Post: value}}
		case "checks":
			p.Checks = append(p.Checks, config.Check{Name: value})
		case "bake":
			d, holdback, _ := strings.Cut(value, "/")
			p.Bake = &config.Bake{For: durationOf(t, d), Holdback: percentOf(t, holdback)}
		default:
			t.Fatalf("rollout does not know %s", a)
		}
	}
	for step := range strings.SplitSeq(steps, ",") {
		p.Steps = append(p.Steps, stepOf(t, step))
	}
	st.svc.Rollout = p
}

// stepOf reads 25, 25/15m or 25/15m/approve.
func stepOf(t *testing.T, s string) config.Step {
	t.Helper()
	parts := strings.Split(s, "/")
	step := config.Step{Weight: percentOf(t, parts[0]), For: time.Minute}
	for _, p := range parts[1:] {
		if p == "approve" {
			step.Approve = true
		} else {
			step.For = durationOf(t, p)
		}
	}
	return step
}

// windowOf reads Mon-Thu/09:00-16:00/UTC, as a line is split at spaces.
func windowOf(t *testing.T, s string) config.Window {
	t.Helper()
	w, err := config.ParseWindow(strings.Replace(strings.Replace(s, "/", " ", 1), "/", " ", 1))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// answered is about the question that the state asks, unless question=old asks for the one before.
func (st *story) answered(args []string, said string) Answered {
	e := Answered{At: st.now, Term: st.term(args), Open: args[0] == "open", Said: said}
	if r := st.state.Rollout; r != nil && r.Gating != nil {
		e.Rollout, e.Question = r.ID, r.Gating.Question
	}
	if len(args) > 1 && args[1] == "question=old" {
		e.Question--
	}
	return e
}

func (st *story) targets(args []string) {
	for _, a := range args {
		name, urls, _ := strings.Cut(a, "=")
		p := st.svc.Pool(name)
		p.Targets = nil
		for url := range strings.SplitSeq(urls, ",") {
			p.Targets = append(p.Targets, config.Target{URL: url, Weight: 1})
		}
	}
}

// judged is about the rollout and the evidence that the state has, unless epoch=old asks for those of
// the line before.
func (st *story) judged(t *testing.T, args []string, sentence string) Judged {
	t.Helper()
	e := Judged{At: st.now, Term: st.term(args), Verdict: Verdict(args[0]), Sentence: sentence, Facts: st.facts}
	if r := st.state.Rollout; r != nil {
		e.Rollout, e.Epoch = r.ID, r.Epoch
	}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "term":
		case "lean":
			e.Lean = true
		case "check":
			e.Check = value
		case "epoch":
			e.Epoch = st.epoch
		default:
			e.Observed = durationOf(t, a)
		}
	}
	st.epoch = e.Epoch
	return e
}

func (st *story) term(args []string) int64 {
	for _, a := range args {
		var n int64
		if _, err := fmt.Sscanf(a, "term=%d", &n); err == nil {
			return n
		}
	}
	return cmp.Or(st.state.term(), 1)
}

// sayMark is what of the evidence starts anew.
func sayMark(m Mark) string {
	if m.All {
		return "all evidence of rollout " + m.Rollout + " starts anew"
	}
	var what []string
	for _, part := range []struct {
		is   bool
		name string
	}{{m.Weights, "weights"}, {m.Promote, "promote evidence"}, {m.Rollback, "roll-back evidence"}} {
		if part.is {
			what = append(what, part.name)
		}
	}
	return "anew: " + strings.Join(what, ", ")
}

func durationOf(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func percentOf(t *testing.T, s string) config.Weight {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	w, err := config.ParseWeight(f)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
