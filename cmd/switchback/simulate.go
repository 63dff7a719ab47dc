package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/simulate"
)

// simulation is the flags of simulate as they were written.
type simulation struct {
	file, service, to              string
	rps, slower, batch             float64
	errors, worse, outage, latency string
	onset                          time.Duration
	sticky                         bool
	runs                           int
	seed                           uint64
}

const mostRuns = 1_000_000

func (a *app) simulateCommand() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate [-c file] [--service shop] [--rps 100] [--candidate-errors +1pt]",
		Short: "Play a rollout many times against made-up traffic",
		Long: "Play the rollout of a service in virtual time, with the judge and the rules of a server, and show how often\n" +
			"and when it would promote the candidate, roll it back or hold. No server is asked and nothing is changed.\n\n" +
			"Times are from the start of the rollout to the decision. Whoever has to approve a step does so at once. An\n" +
			"outage begins at a random moment of the shortest time that the rollout can take.",
		Example: "  switchback simulate --rps 500 --candidate-errors +1pt\n" +
			"  switchback simulate --rps 20 --baseline-errors 1% --runs 1000\n" +
			"  switchback simulate --latency-ratio 1.5 --onset 10m\n" +
			"  switchback simulate --outage 5m@30% --batch 3 --sticky",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := s.plan(cmd.Flags().Changed("sticky"))
			if err != nil {
				return err
			}
			return a.simulate(cmd, plan)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&s.file, "config", "c", defaultConfig, "configuration file")
	f.StringVar(&s.service, "service", "", "which service; not needed when only one has a rollout")
	f.StringVar(&s.to, "to", "", "the candidate; not needed with two pools")
	f.Float64Var(&s.rps, "rps", 100, "requests a second to both pools together")
	f.StringVar(&s.errors, "baseline-errors", "0.1%", "share of the baseline's requests that fail")
	f.StringVar(&s.worse, "candidate-errors", "+0pt", "the candidate's: `+1pt` points more, x2 times as many, or 2% flat")
	f.Float64Var(&s.slower, "latency-ratio", 1, "the candidate's latencies over the baseline's")
	f.StringVar(&s.latency, "latency", "40ms,160ms", "the baseline's p50 and p99")
	f.DurationVar(&s.onset, "onset", 0, "when the candidate gets worse; equal until then")
	f.StringVar(&s.outage, "outage", "", "a time in which requests of both pools fail, such as `5m@30%`")
	f.Float64Var(&s.batch, "batch", 1, "mean number of failures that come together")
	f.BoolVar(&s.sticky, "sticky", false, "clients stay on their pool (default as in the file)")
	f.IntVar(&s.runs, "runs", 200, "how many rollouts")
	f.Uint64Var(&s.seed, "seed", 1, "the same seed, the same result")
	return cmd
}

// simulate plays the plan until it is over or until ctrl-C, which is a good end: what is known is shown.
func (a *app) simulate(cmd *cobra.Command, plan simulate.Plan) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	bar := progress{total: plan.Runs}
	if a.terminal(cmd.ErrOrStderr()) {
		bar.out = cmd.ErrOrStderr()
	}
	bar.draw(0)
	result, err := simulate.Play(ctx, plan, bar.draw)
	bar.wipe()
	if err != nil && !errors.Is(err, context.Canceled) {
		return usage{err}
	}
	return a.show(cmd, outcomes(&plan, &result), func(p *page) { p.simulated(&plan, &result) })
}

// simulated is what simulate answers in JSON. Shares are percent.
type simulated struct {
	Service   string             `json:"service"`
	Candidate string             `json:"candidate"`
	Baseline  string             `json:"baseline"`
	Seed      uint64             `json:"seed"`
	Planned   int                `json:"planned"`
	Runs      int                `json:"runs"` // fewer than planned: interrupted
	Outcomes  []simulatedOutcome `json:"outcomes"`
}

// simulatedOutcome has no times and counts when it never happened.
type simulatedOutcome struct {
	Outcome  string         `json:"outcome"`
	Runs     int            `json:"runs"`
	Share    float64        `json:"share"`
	Median   string         `json:"median,omitempty"`
	P95      string         `json:"p95,omitempty"`
	Requests int64          `json:"requests"` // median on the candidate
	Failed   int64          `json:"failed"`   // median of these
	Checks   map[string]int `json:"checks,omitempty"`
	Example  string         `json:"example,omitempty"`
}

func outcomes(plan *simulate.Plan, result *simulate.Result) simulated {
	s := simulated{
		Service: plan.Service.Name, Candidate: result.Candidate, Baseline: result.Baseline,
		Seed: plan.Seed, Planned: result.Planned, Runs: len(result.Runs),
	}
	for _, row := range result.Rows() {
		o := simulatedOutcome{
			Outcome: string(row.Outcome), Runs: row.Runs, Share: 100 * row.Share,
			Requests: row.Requests, Failed: row.Bad, Checks: row.Checks, Example: row.Sentence,
		}
		if row.Runs > 0 {
			o.Median, o.P95 = row.Median.String(), row.P95.String()
		}
		s.Outcomes = append(s.Outcomes, o)
	}
	return s
}

func (p *page) simulated(plan *simulate.Plan, result *simulate.Result) {
	p.line("%s   %s, %s", plan.Service.Name, steps(plan.Service.Rollout), scenario(plan, result))
	on := strings.TrimSuffix("requests on "+result.Candidate, " on ")
	rows := [][]string{{"outcome", "share", "median", "p95", on, "failed", "by"}}
	var most simulate.Row
	for _, row := range result.Rows() {
		rows = append(rows, cells(row))
		if row.Runs > most.Runs {
			most = row
		}
	}
	p.table("lrrrrrl", rows)
	played := grouped(int64(result.Planned)) + " rollouts"
	if n := len(result.Runs); n < result.Planned {
		played = fmt.Sprintf("interrupted: %s of %s", grouped(int64(n)), played)
	}
	p.line("%s, seed %d", played, plan.Seed)
	if most.Runs > 0 {
		p.line("for example: %s", most.Sentence)
	}
}

func cells(row simulate.Row) []string {
	if row.Runs == 0 {
		return []string{string(row.Outcome), "0 %", none, none, none, none, ""}
	}
	return []string{
		string(row.Outcome), figure(100 * row.Share), calm(row.Median), calm(row.P95),
		grouped(row.Requests), grouped(row.Bad), blamed(row),
	}
}

// blamed names the checks that failed, the most frequent first.
func blamed(row simulate.Row) string {
	names := slices.SortedFunc(maps.Keys(row.Checks), func(a, b string) int {
		if d := row.Checks[b] - row.Checks[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	if len(names) == 1 && row.Checks[names[0]] == row.Runs {
		return names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, grouped(int64(row.Checks[name])))
	}
	return strings.Join(names, ", ")
}

func steps(r *config.Rollout) string {
	all := make([]string, len(r.Steps))
	for i, s := range r.Steps {
		all[i] = s.Weight.String()
	}
	return strings.Join(all, " → ")
}

// scenario is what was played.
func scenario(plan *simulate.Plan, result *simulate.Result) string {
	baseline, candidate := "the baseline", "the candidate"
	if result.Candidate != "" {
		baseline, candidate = result.Baseline, result.Candidate
	}
	text := fmt.Sprintf("%s requests/s; %s fails %s, %s %s", rate(plan.Rate), baseline, figure(100*plan.Errors),
		candidate, figure(100*(plan.Worse.Ratio*plan.Errors+plan.Worse.Add)))
	if plan.Slower != 1 {
		text += fmt.Sprintf(" and takes %v times as long", plan.Slower)
	}
	if plan.Onset > 0 {
		text += " from " + calm(plan.Onset) + " on"
	}
	if plan.Outage.For > 0 {
		text += fmt.Sprintf("; both fail %s for %s", figure(100*plan.Outage.Share), calm(plan.Outage.For))
	}
	if plan.Batch > 1 {
		text += fmt.Sprintf("; failures in batches of %v", plan.Batch)
	}
	if plan.Sticky {
		text += "; sticky clients"
	}
	return text
}

// progress is a bar on a terminal; without one nothing is drawn.
type progress struct {
	out   io.Writer
	total int
	shown int // width drawn last, plus one
}

const barWidth = 40

func (b *progress) draw(done int) {
	width := barWidth * done / max(1, b.total)
	if b.out == nil || width+1 == b.shown {
		return
	}
	b.shown = width + 1
	_, _ = fmt.Fprintf(b.out, "\rplaying [%s%s] %d of %d\x1b[K", strings.Repeat("#", width), strings.Repeat(".", barWidth-width), done, b.total)
}

func (b *progress) wipe() {
	if b.out != nil {
		_, _ = io.WriteString(b.out, "\r\x1b[K")
	}
}
