package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) eventsCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "events [service]",
		Short: "Show what happened, by whom and why",
		Long: "Show what happened, by whom and why, oldest first: decisions about traffic and flags, and changes of the\n" +
			"configuration, of health, of the state and of the node. With a service it is what is about that one.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var q api.EventsQuery
			if len(args) > 0 {
				q.Service = args[0]
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			all, err := c.Events(ctx, q)
			switch {
			case err != nil:
				return err
			case follow:
				return a.follow(cmd, c, q, all.Events)
			}
			return a.show(cmd, all, func(p *page) {
				for _, e := range all.Events {
					p.event(e, "")
				}
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with each event as it happens, until ctrl-C; JSON is one line each")
	return cmd
}

// follow shows events as they happen, after the ones there are. A server that goes away is waited for.
func (a *app) follow(cmd *cobra.Command, c *api.Client, q api.EventsQuery, known []api.Event) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	show := func(e api.Event) error {
		q.After = e.ID
		return a.showLine(cmd, e, func(p *page) { p.event(e, "") })
	}
	for _, e := range known {
		if err := show(e); err != nil {
			return err
		}
	}
	out := outage{cmd: cmd}
	for {
		for e, err := range c.Follow(ctx, q) {
			switch {
			case ctx.Err() != nil:
				return nil
			case err == nil:
				out.over()
				err = show(e)
			default:
				err = out.bear(err)
			}
			if err != nil {
				return err
			}
		}
		if !pause(ctx, every) {
			return nil
		}
	}
}

// about is the service or the flag of an event, or the node, which has the rest.
func about(e api.Event) string {
	switch {
	case e.Flag != "":
		return "flag " + e.Flag
	case e.Service != "":
		return e.Service
	}
	return "node"
}

// event writes one event: its facts, and below what was said about it.
func (p *page) event(e api.Event, indent string) {
	row := e.At.UTC().Format(time.RFC3339) + "  " + clean(about(e)) + "  " + clean(e.Type)
	if from, to := weights(e.Before, nil), weights(e.After, nil); to != "" {
		row += "  " + to
		if from != "" && from != to {
			row = row[:len(row)-len(to)] + from + " → " + to
		}
	}
	if e.By != "" {
		row += "  by " + clean(e.By)
	}
	p.line("%s%s", indent, row)
	switch {
	case e.Sentence != "":
		p.line("%s    %s", indent, clean(e.Sentence))
	case e.Reason != "":
		p.line("%s    %s", indent, clean(e.Reason))
	}
}
