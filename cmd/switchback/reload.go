package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read the configuration file again and wait until it is in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			c, err := a.client()
			if err != nil {
				return err
			}
			r, err := c.Reload(ctx, api.CommandRequest{Reason: a.reason})
			if err != nil {
				return err
			}
			return a.show(cmd, r, func(p *page) { p.reload(r) })
		},
	}
}

func (p *page) reload(r api.Reload) {
	p.tried(r.DryRun)
	state := "in force"
	if !r.Changed {
		state = "in force already"
	}
	p.line("config %s is %s", short(r.Digest), state)
	for _, c := range r.Moved {
		c.DryRun = false // it is said
		p.change(c, phrase{"moved by the file", "unchanged"})
	}
}

// short is enough of a digest to tell two files apart.
func short(digest string) string { return digest[:min(12, len(digest))] }
