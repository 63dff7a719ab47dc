package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history [service]",
		Short: "Show the rollouts of a service and the numbers behind each decision",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(a, cmd, args, (*api.Client).Rollouts, (*page).history)
		},
	}
}

func (p *page) history(h api.Rollouts) {
	if len(h.Rollouts) == 0 {
		p.line("no rollout is remembered")
	}
	for i, r := range h.Rollouts {
		if i > 0 {
			p.line("")
		}
		p.past(r)
	}
}

func (p *page) past(r api.PastRollout) {
	version := ""
	if r.Version != "" {
		version = " of " + clean(r.Version)
	}
	length := ", runs"
	if r.Ended != nil {
		length = " after " + calm(r.Ended.Sub(r.Began))
	}
	p.line("rollout %s%s   %s%s   began %s", clean(r.ID), version, inWords(r.Phase), length, r.Began.UTC().Format(time.RFC3339))
	for _, e := range r.Events {
		p.event(e, "  ")
		p.checks(e.Checks, "candidate", "baseline", "      ")
	}
}
