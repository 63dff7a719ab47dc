package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [service]",
		Short: "Show where traffic goes and why",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.status(ctx, cmd, c, args)
		},
	}
}

func (a *app) status(ctx context.Context, cmd *cobra.Command, c *api.Client, named []string) error {
	if len(named) > 0 && a.output == "json" {
		s, err := c.Service(ctx, named[0])
		if err != nil {
			return err
		}
		return a.show(cmd, s, nil)
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return err
	}
	if len(named) > 0 {
		s, err := c.Service(ctx, named[0])
		if err != nil {
			return err
		}
		o.Services = []api.Service{s}
	}
	return a.show(cmd, o, func(p *page) { p.overview(o, a.now()) })
}

func (p *page) overview(o api.Overview, now time.Time) {
	for i, s := range o.Services {
		if i > 0 {
			p.line("")
		}
		p.service(s, now)
	}
	var node page
	node.node(o.Node)
	if node.Len() > 0 {
		p.line("\n%s", strings.TrimSuffix(node.String(), "\n"))
	}
}

// node writes what is not as it should be.
func (p *page) node(n api.Node) {
	if n.Config.Error != "" {
		p.line("config: the newest %s is not in force\n%s", clean(n.Config.File), cleanLines(n.Config.Error))
	}
	if n.Config.Waiting != "" {
		p.line("config: waiting: %s", clean(n.Config.Waiting))
	}
	switch n.State.Origin {
	case "recovered":
		p.line("state: recovered at start from the last good copy")
	case "lost":
		p.line("state: lost before this start; weights are those of the file")
	}
	if n.State.Error != "" {
		p.line("state: cannot be written: %s", clean(n.State.Error))
	}
}

func (p *page) service(s api.Service, now time.Time) {
	p.line("%s   %s", s.Name, why(s, now))
	order := s.Order
	if len(order) == 0 {
		order = slices.Sorted(maps.Keys(s.Pools))
	}
	rows := [][]string{{"", "", "weight", "in flight", "ready", "version"}}
	for _, name := range order {
		pool := s.Pools[name]
		rows = append(rows, []string{
			role(s, name), name, percent(s.Weights.InForce[name]),
			fmt.Sprint(pool.InFlight), fmt.Sprintf("%d/%d", pool.Up, len(pool.Targets)), clean(pool.Version),
		})
	}
	p.table("llrrrl", rows)
	p.notUp(s, order, now)
	p.layers(s, order, now)
}

// moment is the time in the server's sentence. What others wrote, the reason, comes behind it.
var moment = regexp.MustCompile(`\bat (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)`)

// why is the server's sentence with its time as an age.
func why(s api.Service, now time.Time) string {
	sentence := clean(s.Why)
	m := moment.FindStringSubmatchIndex(sentence)
	if m == nil {
		return sentence
	}
	at, err := time.Parse(time.RFC3339, sentence[m[2]:m[3]])
	if err != nil {
		return sentence
	}
	return sentence[:m[0]] + span(now.Sub(at)) + " ago" + sentence[m[1]:]
}

func role(s api.Service, pool string) string {
	switch pool {
	case s.Roles.Baseline:
		return "baseline"
	case s.Roles.Candidate:
		return "candidate"
	}
	return ""
}

// notUp lists the targets that get no traffic, and why.
func (p *page) notUp(s api.Service, order []string, now time.Time) {
	var rows [][]string
	for _, name := range order {
		for _, t := range s.Pools[name].Targets {
			if t.Status == "up" {
				continue
			}
			since := ""
			if !t.Since.IsZero() {
				since = "for " + span(now.Sub(t.Since))
			}
			rows = append(rows, []string{name, clean(t.URL), clean(t.Status), since, clean(t.Error)})
		}
	}
	p.table("lllll", rows)
}

// layers writes what is behind the weights in force: the file, the intent, a pause.
func (p *page) layers(s api.Service, order []string, now time.Time) {
	last := "file: " + weights(s.Weights.File, order)
	if s.Undo != "" {
		last += "      " + undo(s.Undo)
	}
	if i := s.Weights.Intent; i != nil && !maps.Equal(nonzero(i.Weights), nonzero(s.Weights.InForce)) {
		p.line("intent: %s", weights(i.Weights, order))
	}
	if s.Paused != nil {
		p.line("paused by %s %s ago%s", clean(s.Paused.By), span(now.Sub(s.Paused.At)), because(s.Paused.Reason))
	}
	if s.Weights.Pending != nil {
		p.line("the file's new weights wait: %s", weights(s.Weights.Pending, order))
	}
	if !s.Durable {
		p.line("not durable: in force on this node, but the store has not taken it yet")
	}
	p.line("%s", last)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clean(reason)
}
