package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) cutoverCommand() *cobra.Command {
	var q api.CutoverRequest
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "cutover [service] --to POOL",
		Short: "Give one pool all traffic, now",
		Long: "Give one pool all traffic. When the command returns, no new request goes to the previous pool.\n" +
			"It is refused unless every target of the pool is up.",
		Example: "  switchback cutover shop --to green --reason \"release 2.5.0\"\n" +
			"  switchback cutover shop --to green --from blue --wait drained --timeout 10m",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Reason = a.reason
			if q.To == "" {
				return usage{errors.New("name the pool with --to")}
			}
			if q.Wait == "" && cmd.Flags().Changed("timeout") {
				return usage{errors.New("--timeout bounds --wait drained; give both")}
			}
			if q.Wait == "" {
				timeout = 0
			} else {
				q.Timeout = timeout.String()
			}
			return a.cutover(cmd, args, q, timeout)
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.To, "to", "", "pool or role that gets all traffic")
	f.StringVar(&q.From, "from", "", "refuse unless this pool is live now")
	f.StringVar(&q.Wait, "wait", "", `"drained": return when the previous pool has no request in flight`)
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "of --wait; exit code 6 when it passes")
	f.BoolVar(&q.Force, "force", false, "go when at least one target is up; needs --reason")
	return cmd
}

func (a *app) cutover(cmd *cobra.Command, named []string, q api.CutoverRequest, wait time.Duration) error {
	done, err := a.change(cmd, named, wait, phrase{"cut over", "unchanged"},
		func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
			return c.Cutover(ctx, service, q)
		})
	if err == nil && done.Drained != nil && !*done.Drained {
		pools := strings.Join(slices.Sorted(maps.Keys(done.InFlight)), ", ")
		return coded{fmt.Errorf("the cutover is done, but %s still has requests in flight after %s", pools, q.Timeout), exitTimeout}
	}
	return err
}
