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
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [service]",
		Short: "Show where traffic goes and why",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if watch {
				return a.watch(cmd, c, args)
			}
			v, text, err := a.look(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			return a.show(cmd, v, text)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again when something happens and every few seconds, until ctrl-C; JSON is one line each time")
	return cmd
}

// look asks for the status and says how to show it: as JSON, and as text.
func (a *app) look(ctx context.Context, c *api.Client, named []string) (any, func(*page), error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if len(named) > 0 && a.output == "json" {
		s, err := c.Service(ctx, named[0])
		return s, nil, err
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(named) > 0 {
		s, err := c.Service(ctx, named[0])
		if err != nil {
			return nil, nil, err
		}
		o.Services = []api.Service{s}
	}
	return o, func(p *page) { p.overview(o, a.now()) }, nil
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

// node writes who is connected and what is not as it should be.
func (p *page) node(n api.Node) {
	if c := n.Connections; c.Fast+c.General > 0 {
		p.line("connections: %d on the fast path, %d on the general one", c.Fast, c.General)
	}
	if n.Config.Error != "" {
		p.line("config: the newest %s is not in force\n%s", clean(n.Config.File), cleanLines(n.Config.Error))
	}
	if n.Config.Waiting != "" {
		p.line("config: waiting: %s", clean(n.Config.Waiting))
	}
	if len(n.Config.Restart) > 0 {
		p.line("config: takes effect at the next start only: %s", strings.Join(n.Config.Restart, ", "))
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
	head := why(s, now)
	if s.Rollout.Running() {
		head = underway(s)
	}
	p.line("%s   %s", s.Name, head)
	order := s.Order
	if len(order) == 0 {
		order = slices.Sorted(maps.Keys(s.Pools))
	}
	p.pools(s, order)
	p.notUp(s, order, now)
	if s.Rollout.Running() {
		p.checks(s.Rollout.Checks, s.Rollout.Candidate, s.Rollout.Baseline, "")
	}
	p.decided(s, now)
	p.layers(s, order, now)
}

// pools writes a row for each pool: what it does as soon as one was seen doing something, else what is
// in flight.
func (p *page) pools(s api.Service, order []string) {
	seen := slices.ContainsFunc(order, func(name string) bool { return s.Pools[name].Traffic != nil })
	head, align := []string{"", "", "weight", "in flight", "ready", "version"}, "llrrrl"
	if seen {
		head, align = []string{"", "", "weight", "share", "rps", "err", "p50", "p95", "p99", "ready", "version"}, "llrrrrrrrrl"
	}
	rows := [][]string{head}
	for _, name := range order {
		pool := s.Pools[name]
		row := []string{role(s, name), name, percent(s.Weights.InForce[name])}
		if seen {
			row = append(row, traffic(pool.Traffic)...)
		} else {
			row = append(row, fmt.Sprint(pool.InFlight))
		}
		rows = append(rows, append(row, fmt.Sprintf("%d/%d", pool.Up, len(pool.Targets)), clean(pool.Version)))
	}
	p.table(align, rows)
	for _, name := range order {
		if n := s.Pools[name].InFlight; seen && n > 0 && s.Weights.InForce[name] == 0 {
			p.line("in flight on %s: %d", name, n)
		}
	}
}

// traffic is the cells of what a pool was seen doing.
func traffic(t *api.Traffic) []string {
	if t == nil {
		return []string{none, none, none, none, none, none}
	}
	return []string{figure(t.Share), rate(t.Rate), figure(t.Errors), latency(t.P50), latency(t.P95), latency(t.P99)}
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
			why := clean(t.Error)
			if why == "" && t.Status == "down" {
				why = "answers again, not yet often enough"
			}
			rows = append(rows, []string{name, clean(t.URL), clean(t.Status), since, why})
		}
	}
	p.table("lllll", rows)
}

// layers writes what is behind the weights in force: the file, the intent, a pause.
func (p *page) layers(s api.Service, order []string, now time.Time) {
	last := "file: " + weights(s.Weights.File, order)
	if s.Undo != "" && !s.Rollout.Running() {
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
	if s.Rollout.Running() {
		p.following(s)
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clean(reason)
}
