package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

func (a *app) serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve -c switchback.yaml",
		Short: "Route traffic as the file says",
		Long: `Route traffic as the file says, until SIGTERM or SIGINT. The file is watched: an edit takes effect
without a restart, a wrong one changes nothing. SIGHUP reads it at once. A second signal ends at once.
A service manager that sets NOTIFY_SOCKET is told when it serves, reloads and stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level, lines := zap.NewAtomicLevel(), newLogWriter(cmd.ErrOrStderr())
			defer lines.Close() // what is not taken in time is lost
			return serve(cmd.Context(), file, nodeOptions{
				Log: newLogger(lines, level), Lines: lines, Level: level, Version: buildVersion(), Manager: manager{a.env("NOTIFY_SOCKET")},
			})
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "switchback.yaml", "the YAML `file`")
	return cmd
}

// serve runs a node until a signal. It listens for signals before anything is open, so none is missed.
func serve(ctx context.Context, file string, o nodeOptions) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process, as it does by default
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	n, err := openNode(ctx, file, o)
	if err != nil {
		return err
	}
	reloading, stopReloading := context.WithCancel(ctx)
	defer stopReloading()
	go func() {
		for {
			select {
			case <-hup:
				n.reload(reloading)
			case <-reloading.Done():
				return
			}
		}
	}()
	return n.Run(ctx)
}

// reload reads the file and returns when it is in force, refused or waits; log and status tell which.
func (n *node) reload(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	n.manager.reloading()
	l, err := n.watcher.Reload(ctx)
	switch {
	case err != nil: // the end has begun
	case l.Err != nil:
		n.manager.ready("serving; the newest file is wrong and not in force, switchback status tells why")
	default:
		n.manager.ready(statusServing)
	}
}
