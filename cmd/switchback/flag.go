package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) flagCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flag {list | get | set | kill | restore | drop | eval | history}",
		Short: "Show feature flags and say who has them",
		Args:  cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage{errors.New("say what to do with flags: list, get, set, kill, restore, drop, eval or history")}
		},
	}
	kill := a.flagVerb("kill", "Give everybody the off variant, now and until restore",
		phrase{"killed", "is killed already"}, (*api.Client).KillFlag)
	kill.Long = "Give everybody the off variant, now and until restore. Neither set nor an edit of the file ends it."
	cmd.AddCommand(
		a.flagListCommand(), a.flagGetCommand(), a.flagSetCommand(), kill,
		a.flagVerb("restore", "End a kill", phrase{"restored", "is not killed"}, (*api.Client).RestoreFlag),
		a.flagVerb("drop", "Return to what the file says; a flag of run time is gone", phrase{"dropped", "follows the file already"}, (*api.Client).DropFlag),
		a.flagEvalCommand(), a.flagHistoryCommand(),
	)
	return cmd
}

// askFlags reads something about flags and shows it.
func askFlags[T any](a *app, cmd *cobra.Command, read func(context.Context, *api.Client) (T, error), text func(*page, T)) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return err
	}
	v, err := read(ctx, c)
	if err != nil {
		return err
	}
	return a.show(cmd, v, func(p *page) { text(p, v) })
}

func (a *app) flagListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show every flag and who has it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askFlags(a, cmd, func(ctx context.Context, c *api.Client) (api.Flags, error) { return c.Flags(ctx) }, (*page).flags)
		},
	}
}

func (p *page) flags(all api.Flags) {
	if len(all.Flags) == 0 {
		p.line("there is no flag")
		return
	}
	rows := [][]string{{"flag", "has it", "from", ""}}
	for _, f := range all.Flags {
		rows = append(rows, []string{f.Name, clean(f.Says), f.Layer, killed(f)})
	}
	p.table("llll", rows)
}

func killed(f api.Flag) string {
	if f.Killed == nil {
		return ""
	}
	return "killed by " + clean(f.Killed.By) + because(f.Killed.Reason)
}

func (a *app) flagGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get flag",
		Short: "Show one flag with its definition",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askFlags(a, cmd, func(ctx context.Context, c *api.Client) (api.Flag, error) { return c.Flag(ctx, args[0]) }, (*page).flag)
		},
	}
}

func (p *page) flag(f api.Flag) {
	p.line("%s   %s", f.Name, clean(f.Says))
	if said := killed(f); said != "" {
		p.line("%s; undo: switchback flag restore %s", said, f.Name)
	}
	if !f.Durable {
		p.line("not durable: in force on this node, but the store has not taken it yet")
	}
	if f.Set != nil {
		p.line("set by %s%s", clean(f.Set.By), because(f.Set.Reason))
	}
	for _, problem := range f.Problems {
		p.line("problem: %s", clean(problem))
	}
	if f.Service != "" {
		p.line("its percentage is moved like weights: switchback status %s", f.Service)
	}
	p.line("from %s: %s", f.Layer, clean(string(f.Definition)))
	if f.Layer == "runtime" && f.File != nil && string(f.File) != "null" {
		undo := "switchback flag drop " + f.Name
		if f.Service != "" {
			undo = "switchback rollback " + f.Service // a rollout may run, which a drop does not end
		}
		p.line("file: %s      undo: %s", clean(string(f.File)), undo)
	}
}

func (a *app) flagEvalCommand() *cobra.Command {
	var key string
	var attributes []string
	cmd := &cobra.Command{
		Use:     "eval flag [--key USER] [--attribute NAME=VALUE ...]",
		Short:   "Show what a flag answers for a user",
		Example: "  switchback flag eval new-checkout --key user_alice --attribute plan=pro",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			user, err := contextOf(key, attributes)
			if err != nil {
				return usage{err}
			}
			return askFlags(a, cmd, func(ctx context.Context, c *api.Client) (api.Evaluation, error) {
				return c.EvaluateFlag(ctx, args[0], api.EvaluationRequest{Context: user})
			}, func(p *page, e api.Evaluation) {
				if e.Error != "" {
					p.line("%s   %s", e.Flag, clean(e.Error))
					return
				}
				p.line("%s   %s   variant %s   %s", e.Flag, clean(string(e.Value)), clean(e.Variant), clean(e.Reason))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", "the targeting key: who the user is")
	f.StringArrayVar(&attributes, "attribute", nil, "what is known of the user; a value that is JSON is taken as such")
	return cmd
}

// contextOf is what is known of a user. Values that are JSON, such as 3, true or [1], are taken as such.
func contextOf(key string, attributes []string) (map[string]any, error) {
	user := map[string]any{}
	for _, arg := range attributes {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not name=value, such as plan=pro", arg)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		user[name] = value
	}
	if key != "" {
		user["targetingKey"] = key
	}
	return user, nil
}

func (a *app) flagHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history flag",
		Short: "Show what was decided about a flag, by whom and why",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askFlags(a, cmd, func(ctx context.Context, c *api.Client) (api.FlagHistory, error) {
				return c.FlagHistory(ctx, args[0])
			}, func(p *page, h api.FlagHistory) {
				if len(h.Decisions) == 0 {
					p.line("nothing was decided at run time")
				}
				for _, d := range h.Decisions {
					p.line("%s  %s  by %s\n    %s", d.At.UTC().Format("2006-01-02T15:04:05Z"), clean(d.Type), clean(d.By), clean(d.Sentence))
				}
			})
		},
	}
}
