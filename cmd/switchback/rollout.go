package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) rolloutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout {start | promote | approve | step-back | open-gate} [service]",
		Short: "Start a rollout, or steer the one that runs",
		Long: "Start a rollout, or steer the one that runs. It goes on by itself after each of these commands.\n" +
			"To stop it: pause, and resume; to end it: rollback.",
		Args: cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage{errors.New("say what to do with the rollout: start, promote, approve, step-back or open-gate")}
		},
	}
	cmd.AddCommand(a.startCommand(), a.promoteCommand(),
		a.steerCommand("approve", "Agree to leave the step; may come before it is proven",
			phrase{"rollout approved", "rollout is approved already"}, (*api.Client).Approve),
		a.steerCommand("step-back", "Return to the step before; from the first one the rollout ends",
			phrase{"rollout stepped back", "unchanged"}, (*api.Client).StepBack),
		a.openGateCommand())
	return cmd
}

func (a *app) startCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "start [service]",
		Short: "Begin at the first step",
		Long: "Begin at the first step, also with a version that was rolled back. With two pools the one that is\n" +
			"not live is the candidate.",
		Example: "  switchback rollout start shop --reason \"release 2.5.0\"\n" +
			"  switchback wait shop --for promoted --timeout 2h",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.StartRequest{To: to, Reason: a.reason}
			_, err := a.change(cmd, args, 0, phrase{"rollout started", "has this rollout already"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.StartRollout(ctx, service, q)
				})
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the candidate, where there are more than two pools")
	return cmd
}

func (a *app) promoteCommand() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "promote [service]",
		Short: "Take the next step now, proven or not",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.PromoteRequest{Full: full, Reason: a.reason}
			_, err := a.change(cmd, args, 0, phrase{"promoted", "unchanged"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.Promote(ctx, service, q)
				})
			return err
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "give the candidate everything")
	return cmd
}

func (a *app) openGateCommand() *cobra.Command {
	var gate string
	cmd := &cobra.Command{
		Use:     "open-gate [service]",
		Short:   "Open the gate that the rollout waits for; needs a reason",
		Example: "  switchback rollout open-gate shop --gate promote --reason \"CI is down, tested by hand\"",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.OpenGateRequest{Gate: gate, Reason: a.reason}
			_, err := a.change(cmd, args, 0, phrase{"gate opened", "gate is open already"},
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return c.OpenGate(ctx, service, q)
				})
			return err
		},
	}
	cmd.Flags().StringVar(&gate, "gate", "", "start, promote or finish: refused when another one is asked")
	return cmd
}

// steerCommand is a verb that needs nothing but a reason.
func (a *app) steerCommand(
	verb, short string, words phrase,
	do func(*api.Client, context.Context, string, api.CommandRequest) (api.Change, error),
) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " [service]",
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := a.change(cmd, args, 0, words,
				func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
					return do(c, ctx, service, api.CommandRequest{Reason: a.reason})
				})
			return err
		},
	}
}
