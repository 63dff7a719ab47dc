package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) rollbackCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rollback [service]",
		Short: "Restore the traffic state before the last change",
		Long: "Restore exactly the weights from before the last change that moved traffic. It may be repeated:\n" +
			"the second time changes nothing.",
		Example: "  switchback rollback shop --reason \"checkout is slow\"",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.CommandRequest{Reason: a.reason, Force: force}
			_, err := a.change(cmd, args, 0, phrase{"rolled back", "is rolled back already"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.Rollback(ctx, service, q)
				})
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "go when at least one target is up; needs --reason")
	return cmd
}
