package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

const defaultAdmin = "http://127.0.0.1:9900"

// app is one run of the program: the flags every verb has and what it learned of its surroundings.
type app struct {
	env   func(string) string
	now   func() time.Time
	began bool // the arguments were understood; an error from here on is not about usage

	admin, tokenFile, output, reason string

	dryRun  bool          // of verbs that change something
	figures time.Duration // how often a watch looks when nothing happens
}

// run executes one command and returns its exit code. It writes to nothing but stdout and stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	a := &app{env: env, now: time.Now, figures: figuresEvery}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.began {
		err = usage{err}
	}
	return report(stderr, cmd, err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "switchback",
		Short: "Shift HTTP traffic between versions of a service, and back",
		Long: "switchback is an HTTP reverse proxy that shifts traffic between versions of a service,\n" +
			"and the tool to steer one that runs.\n\n" +
			"Exit codes: 0 done, 1 error, 2 usage or invalid configuration, 3 refused, 4 rolled back,\n" +
			"5 paused, waiting for a person, 6 timeout, 7 server unreachable, 8 not enough data.",
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("--output is %q; it is text or json", a.output)
			}
			a.began = true
			return nil
		},
	}
	admin := a.env("SWITCHBACK_ADMIN")
	if admin == "" {
		admin = defaultAdmin
	}
	f := root.PersistentFlags()
	f.StringVar(&a.admin, "admin", admin, "admin API: http://host:port, https://host:port or unix:/path (SWITCHBACK_ADMIN)")
	f.StringVar(&a.tokenFile, "token-file", "", "file with the token for the admin API; without it SWITCHBACK_TOKEN is the token")
	f.StringVarP(&a.output, "output", "o", "text", "text or json")
	f.StringVar(&a.reason, "reason", "", "why, for whoever looks at it later")

	root.AddCommand(
		a.serveCommand(), a.demoCommand(), a.checkCommand(), schemaCommand(), a.versionCommand(),
		a.statusCommand(), a.weightsCommand(), a.cutoverCommand(), a.rollbackCommand(),
		a.pauseCommand(), a.resumeCommand(), a.reloadCommand(),
		a.rolloutCommand(), a.planCommand(), a.eventsCommand(), a.historyCommand(), a.waitCommand(),
		a.flagCommand(), a.simulateCommand(), a.healthCommand(), a.manCommand(),
		a.explainCommand(), a.cohortCommand(), a.diffCommand(), a.configCommand(), a.syncCommand(),
	)
	a.completions(root)
	a.tryable(root)
	return root
}

// client connects to the server the flags name.
func (a *app) client() (*api.Client, error) {
	token := a.env("SWITCHBACK_TOKEN")
	if a.tokenFile != "" {
		b, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		token = string(b)
	}
	c, err := api.NewClient(a.admin, strings.TrimSpace(token))
	if err != nil {
		return nil, usage{err}
	}
	c = c.Keyed("")
	if a.dryRun {
		c = c.DryRun()
	}
	return c, nil
}

// service is the service a command is about: the one named, or the only one there is.
func (a *app) service(ctx context.Context, c *api.Client, named []string) (string, error) {
	if len(named) > 0 {
		return named[0], nil
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range o.Services {
		if s.Flag == "" {
			names = append(names, s.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", errors.New("the server has no service")
	case 1:
		return names[0], nil
	}
	return "", usage{fmt.Errorf("there are several services, so name one: %s", strings.Join(names, ", "))}
}

// ask reads something about one service and shows it.
func ask[T any](
	a *app, cmd *cobra.Command, named []string,
	read func(*api.Client, context.Context, string) (T, error), text func(*page, T),
) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return err
	}
	name, err := a.service(ctx, c, named)
	if err != nil {
		return err
	}
	v, err := read(c, ctx, name)
	if err != nil {
		return err
	}
	return a.show(cmd, v, func(p *page) { text(p, v) })
}

// patience bounds every command beyond what it waits for on purpose.
const patience = time.Minute

// change runs a command on one service and shows what it changed.
func (a *app) change(
	cmd *cobra.Command, named []string, wait time.Duration, words phrase,
	do func(context.Context, *api.Client, string) (api.Change, error),
) (api.Change, error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), patience+wait)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return api.Change{}, err
	}
	name, err := a.service(ctx, c, named)
	if err != nil {
		return api.Change{}, err
	}
	change, err := do(ctx, c, name)
	if err != nil {
		return api.Change{}, err
	}
	return change, a.show(cmd, change, func(p *page) { p.change(change, words) })
}
