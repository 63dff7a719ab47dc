package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) weightsCommand() *cobra.Command {
	var drop, force bool
	cmd := &cobra.Command{
		Use:   "weights [service] {pool=percent... | --drop}",
		Short: "Set the weights of a service, or return to those of the file",
		Long: "Set the weights of a service in percent. They sum up to 100; a pool that is not named gets 0.\n" +
			"They stay until the weights in the file are edited, or until --drop.",
		Example: "  switchback weights shop blue=75 green=25 --reason \"a quarter for 2.5.0\"\n" +
			"  switchback weights shop --drop",
		RunE: func(cmd *cobra.Command, args []string) error {
			named, w, err := parseWeights(args)
			switch {
			case err != nil:
				return usage{err}
			case drop == (w != nil):
				return usage{errors.New("give either pool=percent for each pool or --drop")}
			case drop:
				return a.dropIntent(cmd, named, force)
			}
			return a.setWeights(cmd, named, w, force)
		},
	}
	cmd.Flags().BoolVar(&drop, "drop", false, "return to the weights of the file")
	cmd.Flags().BoolVar(&force, "force", false, "end a rollout that runs; needs --reason")
	return cmd
}

func (a *app) setWeights(cmd *cobra.Command, named []string, w api.Weights, force bool) error {
	q := api.WeightsRequest{Weights: w, Reason: a.reason, Force: force}
	_, err := a.change(cmd, named, 0, phrase{"weights set", "has these weights already"},
		func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
			return c.SetWeights(ctx, service, q)
		})
	return err
}

func (a *app) dropIntent(cmd *cobra.Command, named []string, force bool) error {
	q := api.CommandRequest{Reason: a.reason, Force: force}
	_, err := a.change(cmd, named, 0, phrase{"follows the file", "follows the file already"},
		func(ctx context.Context, c *api.Client, service string) (api.Change, error) {
			return c.DropIntent(ctx, service, q)
		})
	return err
}

// parseWeights splits the arguments into the service, when there is one, and weights, nil when there are
// none. What they sum up to is for the server to judge.
func parseWeights(args []string) (named []string, w api.Weights, err error) {
	if len(args) > 0 && !strings.Contains(args[0], "=") {
		named, args = args[:1], args[1:]
	}
	for _, arg := range args {
		pool, share, ok := strings.Cut(arg, "=")
		v, err := strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64)
		if !ok || pool == "" || err != nil || !(v >= 0 && v <= 100) { // NaN is neither
			return nil, nil, fmt.Errorf("%q is not pool=percent, such as green=25", arg)
		}
		if _, twice := w[pool]; twice {
			return nil, nil, fmt.Errorf("pool %s is there twice", pool)
		}
		if w == nil {
			w = api.Weights{}
		}
		w[pool] = v
	}
	return named, w, nil
}
