package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// healthPatience is below what containers' and orchestrators' own limits usually are.
const healthPatience = 2 * time.Second

func (a *app) healthCommand() *cobra.Command {
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Tell whether the server is ready, for health checks",
		Long: "Tell whether the server is ready: its table is in force and its listeners are open. It needs no\n" +
			"token, no shell and no other program, so it serves as the health check of a container. It says\n" +
			"nothing about targets; 'status' does.\n\n" +
			"Exit codes: 0 ready, 1 not ready, 6 no answer in time, 7 server unreachable.",
		Example: "  switchback health\n" +
			"  switchback health --live --admin unix:/run/switchback/admin.sock",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage{errors.New("--timeout must be more than 0")}
			}
			return a.health(cmd, live, timeout)
		},
	}
	cmd.Flags().BoolVar(&live, "live", false, "only whether the process answers: a server that drains is not ready but alive")
	cmd.Flags().DurationVar(&timeout, "timeout", healthPatience, "for the answer; exit code 6 when it passes")
	return cmd
}

func (a *app) health(cmd *cobra.Command, live bool, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	is, ask := "ready", (*api.Client).Ready
	if live {
		is, ask = "alive", (*api.Client).Live
	}
	err = ask(c, ctx)
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, api.ErrUnreachable) {
		return coded{fmt.Errorf("no answer from %s within %s", a.admin, timeout), exitTimeout}
	}
	if err != nil {
		return err
	}
	return a.show(cmd, map[string]string{"health": is}, func(p *page) { p.line("%s", is) })
}
