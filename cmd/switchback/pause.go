package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause [service]",
		Short: "Keep automation and the file from moving traffic",
		Long: "Keep automation and the file from moving traffic until resume. New weights in the file wait\n" +
			"meanwhile; weights, cutover and rollback by hand work.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.CommandRequest{Reason: a.reason}
			_, err := a.change(cmd, args, 0, phrase{"paused", "is paused already"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.Pause(ctx, service, q)
				})
			return err
		},
	}
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume [service]",
		Short: "End a pause",
		Long:  "End a pause. Weights of the file that waited come into force.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.CommandRequest{Reason: a.reason}
			_, err := a.change(cmd, args, 0, phrase{"resumed", "is not paused"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.Resume(ctx, service, q)
				})
			return err
		},
	}
}
