package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) flagSetCommand() *cobra.Command {
	var users []string
	var definition, match string
	cmd := &cobra.Command{
		Use:   "set flag {none | all | PERCENT} [--users a,b]",
		Short: "Say who has a flag; one that is not there is made",
		Long: "Say who has a flag; one that is not there is made. What is not said stays: variants, targeting and the\n" +
			"users listed. --users alone gives it to them and nobody else. --definition replaces everything.\n\n" +
			"Exit codes: 3 refused, 5 the flag is killed and stays so until restore.",
		Example: "  switchback flag set new-checkout 5 --reason \"first users of 2.5.0\"\n" +
			"  switchback flag set new-checkout --users user_alice,user_bob\n" +
			"  switchback flag set button --definition button.json",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.FlagRequest{Reason: a.reason, IfMatch: match}
			set := (*api.Client).SetFlag
			var err error
			switch {
			case definition != "" && (len(args) > 1 || users != nil):
				err = usage{errors.New("--definition says everything; leave the rest out")}
			case definition != "":
				set = (*api.Client).PutFlag
				q.Definition, err = readInput(cmd, definition)
			default:
				q.Definition, err = shortForm(args[1:], users)
			}
			if err != nil {
				return err
			}
			return a.changeFlag(cmd, args[0], phrase{"set", "is so already"}, func(ctx context.Context, c *api.Client) (api.FlagChange, error) {
				return set(c, ctx, args[0], q)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&users, "users", nil, "who has the flag whatever the percentage")
	f.StringVar(&definition, "definition", "", "`file` with a whole definition in JSON; - is standard input")
	f.StringVar(&match, "if-match", "", "refuse unless the flag has this tag, as get shows it")
	return cmd
}

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	const most = 1 << 20
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("read the definition: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, fmt.Errorf("read the definition: %w", err)
	}
	return b, nil
}

// shortForm is who has a flag, as the API takes it.
func shortForm(value, users []string) (json.RawMessage, error) {
	body := map[string]any{}
	if users != nil {
		body["users"], body["strategy"] = users, "users"
	}
	switch {
	case len(value) == 0 && users == nil:
		return nil, usage{errors.New("say who has it: none, all, a percentage or --users")}
	case len(value) == 0:
	case value[0] == "none" || value[0] == "all":
		body["strategy"] = value[0]
	default:
		percent, err := strconv.ParseFloat(strings.TrimSuffix(value[0], "%"), 64)
		if err != nil || !(percent >= 0 && percent <= 100) { // NaN is neither
			return nil, usage{fmt.Errorf("%q is not none, all or a percentage from 0 to 100", value[0])}
		}
		body["strategy"], body["value"] = "percentage", percent
	}
	return json.Marshal(body)
}

// changeFlag runs a command on one flag and shows what it changed.
func (a *app) changeFlag(cmd *cobra.Command, name string, words phrase, do func(context.Context, *api.Client) (api.FlagChange, error)) error {
	var change api.FlagChange
	err := askFlags(a, cmd, func(ctx context.Context, c *api.Client) (api.FlagChange, error) {
		var err error
		change, err = do(ctx, c)
		return change, err
	}, func(p *page, f api.FlagChange) { p.flagChange(name, f, words) })
	if err == nil && change.Killed != nil && cmd.Name() == "set" {
		return coded{fmt.Errorf("flag %s is %s, so everybody still gets its off variant; switchback flag restore %s ends that", name, killed(change.Flag), name), exitPaused}
	}
	return err
}

func (p *page) flagChange(name string, f api.FlagChange, words phrase) {
	p.tried(f.DryRun)
	word := words.done
	if !f.Changed {
		word = words.already
	}
	switch {
	case f.Says == "":
		p.line("%s %s: there is no such flag any more", name, word)
	case f.Killed != nil:
		p.line("%s %s: everybody gets its off variant (tag %s)", name, word, f.Tag)
	default:
		p.line("%s %s: %s (tag %s)", name, word, clean(f.Says), f.Tag)
	}
	if !f.Durable {
		p.line("not durable yet: in force on this node, written once the store takes it")
	}
}

// flagVerb is a verb that needs nothing but a reason.
func (a *app) flagVerb(verb, short string, words phrase, do func(*api.Client, context.Context, string, api.CommandRequest) (api.FlagChange, error)) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " flag",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeFlag(cmd, args[0], words, func(ctx context.Context, c *api.Client) (api.FlagChange, error) {
				return do(c, ctx, args[0], api.CommandRequest{Reason: a.reason})
			})
		},
	}
}
