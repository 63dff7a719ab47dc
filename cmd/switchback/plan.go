package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan [service]",
		Short: "Show what each step of a rollout needs at the present traffic",
		Long: "Show, for each step, how many requests on the candidate and how long it takes to prove a version that\n" +
			"equals the baseline, and to catch one that is worse by so much. It changes nothing.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(a, cmd, args, (*api.Client).Plan, (*page).plan)
		},
	}
}

func (p *page) plan(plan api.Plan) {
	running := ""
	if plan.Running {
		running = "   a rollout runs"
	}
	p.line("%s   plan at %s requests/s, of which the baseline fails %s%s", plan.Service, rate(plan.Rate), figure(plan.Errors), running)
	columns := catches(plan.Steps)
	head, align := []string{"step", "weight", "least", "deadline", "to clear"}, "rrrrl"
	for _, what := range columns {
		head = append(head, "to catch "+clean(what))
		align += "l"
	}
	rows := [][]string{head}
	for _, s := range plan.Steps {
		row := []string{fmt.Sprint(s.Step), percent(s.Weight), calmText(s.Least), calmText(s.Deadline), need(s.Clear)}
		for _, what := range columns {
			row = append(row, needOf(s.Detect, what))
		}
		rows = append(rows, row)
	}
	p.table(align, rows)
	for _, problem := range plan.Problems {
		p.line("problem: %s", clean(problem))
	}
}

// catches are the regressions that some step names, in their order.
func catches(steps []api.PlanStep) []string {
	var all []string
	for _, s := range steps {
		for _, n := range s.Detect {
			if !slices.Contains(all, n.What) {
				all = append(all, n.What)
			}
		}
	}
	return all
}

func needOf(all []api.PlanNeed, what string) string {
	i := slices.IndexFunc(all, func(n api.PlanNeed) bool { return n.What == what })
	if i < 0 {
		return none
	}
	return need(all[i])
}

// need is requests and the time for them: "1,212 in 2m31s"; "never" when no time is enough.
func need(n api.PlanNeed) string {
	_, err := time.ParseDuration(n.Time)
	switch {
	case n.Time != "" && err != nil:
		return clean(n.Time)
	case n.Requests <= 0:
		return none
	}
	return strings.TrimSuffix(grouped(int64(n.Requests+0.5))+" in "+calmText(n.Time), " in ")
}
