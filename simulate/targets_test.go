package simulate

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
)

var (
	full   = flag.Bool("full", false, "play the targets with the counts of docs/judge.md")
	report = flag.String("report", "", "file to write what was measured to, with -full")
)

// target is something that the judge and the rules are held to. The value measured is at most limit, a
// share within two standard errors of it; or at most loose in the short version, whose few runs say less.
type target struct {
	number  string
	what    string
	rollout string // in YAML
	plan    Plan   // without service, runs and seed
	runs    int
	measure func(*Plan, Result) float64
	unit    string // "%", "s", "min", "requests", "times"
	limit   float64

	short int // runs of the short version; 0: not in it
	loose float64
}

// Rollouts that are played. The patient one never leaves its first step.
const (
	usual   = "{}"
	patient = "{steps: [{weight: 5, for: 6h}], deadline: 8h}"
	alone   = "{checks: {errors: {}}}"
	times   = "{checks: {errors: {max_ratio: 1.5, max_increase: 0}}}"
	lone    = "{steps: [50], deadline: 5m, checks: {errors: {}}}"
)

const point = 0.01

var equal = Change{Ratio: 1}

func more(points float64) Change { return Change{Ratio: 1, Add: points * point} }

// at has a baseline that fails in 0.1 %.
func at(rate float64, worse Change) Plan { return Plan{Rate: rate, Errors: 0.001, Worse: worse} }

func (p Plan) with(change func(*Plan)) Plan {
	change(&p)
	return p
}

func batches(mean float64) func(*Plan) { return func(p *Plan) { p.Batch = mean } }

func slower(ratio float64) func(*Plan) { return func(p *Plan) { p.Slower = ratio } }

func failing(share float64) func(*Plan) { return func(p *Plan) { p.Errors = share } }

func insist(p *Plan) { p.Insist = true }

func sticky(p *Plan) { p.Sticky = true }

// targets is the list of docs/judge.md. Everything a plan does not name is as in a file that says nothing.
var targets = slices.Concat([]target{
	{"1", "rolled back on the line (+0.2 points), 20 requests/s", usual, at(20, more(0.2)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"1", "the same, 500 requests/s", usual, at(500, more(0.2)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"1", "the same, 10,000 requests/s", usual, at(10_000, more(0.2)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"1", "the same, 500 requests/s, errors the only check", alone, at(500, more(0.2)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"1", "the same, a single step of 50 % for 5 min", lone, at(500, more(0.2)), 5000, rolledBack, "%", 1, 300, 3},
	{"1", "rolled back on the line (× 1.5), baseline 1 %", times, at(500, Change{Ratio: 1.5}).with(failing(0.01)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"1", "rolled back though equal, 20 requests/s", usual, at(20, equal), 2000, rolledBack, "%", 0.1, 0, 0},
	{"1", "the same, 500 requests/s", usual, at(500, equal), 2000, rolledBack, "%", 0.1, 60, 0},
	{"1", "the same, 10,000 requests/s", usual, at(10_000, equal), 2000, rolledBack, "%", 0.1, 0, 0},
	{"2", "rolled back on the line, failures in batches of 3", usual, at(500, more(0.2)).with(batches(3)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"2", "the same, batches of 10", usual, at(500, more(0.2)).with(batches(10)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"2", "the same, errors the only check", alone, at(500, more(0.2)).with(batches(10)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"2", "the same, a single step of 50 % for 5 min", lone, at(500, more(0.2)).with(batches(10)), 5000, rolledBack, "%", 1, 200, 4},
	{"2", "rolled back though equal, baseline 0.5 %, batches of 10", alone, at(500, equal).with(failing(0.005)).with(batches(10)).with(insist), 2000, rolledBack, "%", 1, 0, 0},
	{"3", "rolled back in an outage of both, 30 % for 5 min", usual, at(500, equal).with(shared), 1000, rolledBack, "%", 0, 40, 0},
}, bounds(), []target{
	{"5", "median time to roll back: everything fails", patient, at(500, Change{Add: 1}), 400, untilJudged, "s", 3, 40, 3},
	{"5", "+5 points", patient, at(500, more(5)), 400, untilJudged, "s", 6, 40, 6},
	{"5", "+2 points", patient, at(500, more(2)), 400, untilJudged, "s", 18, 40, 19},
	{"5", "+1 point", patient, at(500, more(1)), 400, untilJudged, "s", 60, 40, 62},
	{"5", "+0.5 points", patient, at(500, more(0.5)), 400, untilJudged, "s", 300, 0, 0},
	{"6", "one candidate request a second, everything fails", patient, at(20, Change{Add: 1}), 400, requestsKnown, "requests", 6, 40, 5},
	{"7", "+2 points after 30 good minutes", patient, at(500, more(2)).with(late), 400, untilJudged, "s", 35, 8, 45},
	{"8", "median time to 100 %, equal, 500 requests/s", usual, at(500, equal), 400, untilFull, "min", 3.2, 30, 3.4},
	{"8", "the same, 20 requests/s", usual, at(20, equal), 400, untilFull, "min", 27, 12, 31},
	{"8", "promoted on the line: 50 → 100 %, +0.2 points", "{steps: [50]}", at(500, more(0.2)), 1000, beyondFirst, "%", 5, 0, 0},
	{"8", "the same in 5 min, errors the only check", lone, at(500, more(0.2)), 2000, beyondFirst, "%", 5, 300, 9},
	{"8", "the same, 25 → 50 %, +0.4 points", "{steps: [25, 50]}", at(500, more(0.4)), 1000, beyondFirst, "%", 5, 0, 0},
	{"8", "the same, 5 → 25 %, +0.8 points", "{steps: [5, 25]}", at(500, more(0.8)), 1000, beyondFirst, "%", 5, 0, 0},
	{"9", "median time to roll back after the warm-up: latencies × 1.5", patient, at(500, equal).with(slower(1.5)), 400, untilJudgedWarm, "s", 15, 40, 11},
	{"9", "latencies × 2", patient, at(500, equal).with(slower(2)), 400, untilJudgedWarm, "s", 5, 40, 4},
	{"9", "rolled back with latencies × 1.1", usual, at(500, equal).with(slower(1.1)), 1000, rolledBack, "%", 1, 0, 0},
	{"9", "rolled back with latencies × 1.2, the line", usual, at(500, equal).with(slower(1.2)), 1000, rolledBack, "%", 1, 0, 0},
	{"10", "sticky, clients differ, equal, baseline 0.1 %: rolled back", usual, at(500, equal).with(sticky), 2000, rolledBack, "%", 1, 40, 2.5},
	{"10", "the same, baseline 0.5 %, clients within the tolerance", usual, at(500, equal).with(sticky).with(failing(0.005)), 2000, rolledBackWithin, "%", 1, 0, 0},
	{"10", "the same, baseline 1 %, clients within the tolerance", usual, at(500, equal).with(sticky).with(failing(0.01)), 2000, rolledBackWithin, "%", 1, 0, 0},
})

func shared(p *Plan) { p.Outage = Outage{For: 5 * time.Minute, Share: 0.3} }

func late(p *Plan) { p.Onset = 30 * time.Minute }

// bounds compares the mean number of candidate requests until a rollback with what no test can do better.
func bounds() []target {
	var all []target
	for _, c := range []struct{ errors, points float64 }{{0.001, 0.5}, {0.001, 1}, {0.001, 2}, {0.001, 5}, {0.01, 2}, {0.01, 5}} {
		plan := at(20, more(c.points)).with(failing(c.errors))
		bound := boundOf(&plan)
		plan.Rate *= max(1, min(25, math.Round(bound/100))) // windows small enough not to be what counts
		t := target{
			"4", fmt.Sprintf("requests over the bound of %.0f: baseline %v %%, +%v points", bound, 100*c.errors, c.points),
			patient, plan, 4000, overBound, "times", 2.2, 0, 0,
		}
		if bound >= 200 {
			t.limit = 1.8
		}
		if c.errors == 0.001 && c.points == 2 {
			t.short, t.loose = 40, 2
		}
		all = append(all, t)
	}
	return all
}

// boundOf is ln(1/alpha) over the information in one request of the candidate at 5 %: the least that the
// divergences from a pair on the line add up to.
func boundOf(p *Plan) float64 {
	const alpha, odds, tolerance = 0.01, 5.0 / 95, 0.002
	divergence := func(a, b float64) float64 {
		return a*math.Log(a/b) + (1-a)*math.Log((1-a)/(1-b))
	}
	q := p.Worse.of(p.Errors)
	least := math.Inf(1)
	for x := p.Errors; x < q; x += p.Errors / 1000 {
		least = min(least, divergence(q, x+tolerance)+divergence(p.Errors, x)/odds)
	}
	return math.Log(1/alpha) / least
}

// What is measured.

func rolledBack(_ *Plan, r Result) float64 {
	return 100 * share(r, func(run Run) bool { return run.Outcome == RolledBack })
}

// rolledBackWithin leaves out rollouts whose clients, drawn badly, really fail more than is tolerated.
func rolledBackWithin(_ *Plan, r Result) float64 {
	return 100 * share(r, func(run Run) bool { return run.Outcome == RolledBack && run.excess <= 0.002 })
}

func beyondFirst(_ *Plan, r Result) float64 {
	return 100 * share(r, func(run Run) bool { return run.Step > 1 })
}

func untilJudged(p *Plan, r Result) float64 {
	return median(r, func(run Run) float64 {
		if run.Outcome != RolledBack || run.Judged < p.Onset {
			return math.Inf(1)
		}
		return (run.Judged - p.Onset).Seconds()
	})
}

// untilJudgedWarm leaves out the time in which latencies do not count yet.
func untilJudgedWarm(p *Plan, r Result) float64 { return untilJudged(p, r) - judge.WarmUp.Seconds() }

func requestsKnown(_ *Plan, r Result) float64 {
	return median(r, func(run Run) float64 { return float64(run.Known) })
}

// untilFull is when the candidate got everything: the minute it then keeps it does not count.
func untilFull(_ *Plan, r Result) float64 {
	return median(r, func(run Run) float64 {
		if run.Outcome != Promoted {
			return math.Inf(1)
		}
		return (run.Time - time.Minute).Minutes()
	})
}

func overBound(p *Plan, r Result) float64 {
	sum := 0.0
	for _, run := range r.Runs {
		sum += float64(run.Known)
	}
	return sum / float64(len(r.Runs)) / boundOf(p)
}

func share(r Result, is func(Run) bool) float64 {
	n := 0.0
	for _, run := range r.Runs {
		if is(run) {
			n++
		}
	}
	return n / float64(len(r.Runs))
}

func median(r Result, of func(Run) float64) float64 {
	values := make([]float64, len(r.Runs))
	for i, run := range r.Runs {
		values[i] = of(run)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// seed of every target. Nothing was chosen by what it gives.
const seed = 1

// TestTargets plays every target: with few runs, or with -full as many as docs/judge.md states.
func TestTargets(t *testing.T) {
	if raced || testing.Short() {
		t.Skip("plays for seconds; the other tests play the same code")
	}
	var page []string
	for i := range targets {
		g := &targets[i]
		runs, limit := g.short, g.loose
		if *full {
			runs, limit = g.runs, g.limit
		}
		if runs == 0 {
			continue
		}
		t.Run(fmt.Sprintf("%s %s", g.number, g.what), func(t *testing.T) {
			p := g.plan
			p.Service, p.Runs, p.Seed = service(t, g.rollout), runs, seed
			began := time.Now()
			r, err := Play(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			value := g.measure(&p, r)
			measured := say(value)
			if *full {
				measured += g.doubt(value, runs)
				limit += 2 * g.deviation(limit, runs)
			}
			t.Logf("%s %s, at most %s, %d runs, %v", measured, g.unit, say(limit), runs, time.Since(began).Round(time.Millisecond))
			if !(value <= limit) {
				t.Errorf("measured %s %s, at most %s", measured, g.unit, say(limit))
			}
			page = append(page, fmt.Sprintf("%s %s %s | %d |", g.row(g.limit), measured, g.unit, runs))
		})
	}
	if *full && *report != "" {
		write(t, *report, page)
	}
}

// deviation is the standard error of a share in percent; other measures have none here.
func (g *target) deviation(percent float64, runs int) float64 {
	if g.unit != "%" {
		return 0
	}
	return math.Sqrt(percent * (100 - percent) / float64(runs))
}

// doubt is the standard error as it stands behind a share.
func (g *target) doubt(percent float64, runs int) string {
	if d := g.deviation(percent, runs); d > 0 {
		return fmt.Sprintf(" ± %.2g", d)
	}
	return ""
}

// TestReport: the page was written for the targets as they are.
func TestReport(t *testing.T) {
	page, err := os.ReadFile("../docs/judge.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range targets {
		g := &targets[i]
		row := g.row(g.limit)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/judge.md has no row %q; make simulate writes it", row)
		}
	}
}

// row is the beginning of a target's row.
func (g *target) row(limit float64) string {
	return fmt.Sprintf("| %s | %s | %s %s |", g.number, g.what, say(limit), g.unit)
}

// between replaces what lies between the marks of a page.
func between(page string, rows []string) (string, error) {
	head, rest, ok := strings.Cut(page, beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", fmt.Errorf("no %s and %s", beginMark, endMark)
	}
	table := "| # | played | at most | measured | rollouts |\n|---|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	return head + beginMark + "\n" + table + endMark + tail, nil
}

const (
	beginMark = "<!-- measured -->"
	endMark   = "<!-- end -->"
)

func say(v float64) string { return fmt.Sprintf("%.4g", v) }

// write puts the table between the marks of a page that says everything else.
func write(t *testing.T, name string, rows []string) {
	t.Helper()
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	next, err := between(string(old), rows)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := os.WriteFile(name, []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
}

func service(t testing.TB, rollout string) *config.Service {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(`
services:
  shop:
    pools: {blue: [http://10.0.0.1, http://10.0.0.2], green: [http://10.0.0.3]}
    weights: {blue: 100, green: 0}
    rollout: `+rollout+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &c.Services[0]
}
