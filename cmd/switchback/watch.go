package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// every is how often something is looked at again.
const every = time.Second

// figuresEvery is how often a watch looks when nothing happens: figures change all the time.
const figuresEvery = 3 * time.Second

// watch shows the status as soon as something happened, and every few seconds for its figures, until ctrl-C: in
// place on a terminal, else one below the other. A server that goes away after the first look is waited for.
func (a *app) watch(cmd *cobra.Command, c *api.Client, named []string) error {
	ctx, stop := interruptible(cmd)
	inPlace := a.output == "text" && a.terminal(cmd.OutOrStdout())
	out := outage{cmd: cmd}
	n := listen(ctx, c, named)
	defer n.wait()
	defer stop()
	for first := true; ; first = false {
		v, text, err := a.look(ctx, c, named)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			out.over()
			draw := text
			if inPlace {
				draw = func(p *page) { p.redraw(text, first) }
			} else if !first {
				draw = func(p *page) { p.line(""); text(p) }
			}
			err = a.showLine(cmd, v, draw)
		case !first:
			err = out.bear(err)
		}
		if err != nil {
			return err
		}
		if !n.next(ctx, a.figures) {
			return nil
		}
	}
}

// interruptible is the context of a command that goes on until ctrl-C, which is a good end.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

// terminal reports whether w can move its cursor.
func (a *app) terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || a.env("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// redraw writes text over what is on the terminal; wiping each line only behind its text does not flicker.
func (p *page) redraw(text func(*page), first bool) {
	var q page
	text(&q)
	start := "\x1b[H"
	if first {
		start = "\x1b[2J\x1b[H"
	}
	fmt.Fprintf(p, "%s%s\x1b[J", start, strings.ReplaceAll(q.String(), "\n", "\x1b[K\n"))
}

// pause waits; false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// outage tells once that a server is away, for commands that wait for it to come back.
type outage struct {
	cmd  *cobra.Command
	told bool
}

// bear is nil for an error that may pass by itself.
func (o *outage) bear(err error) error {
	if !errors.Is(err, api.ErrUnreachable) {
		return err
	}
	if !o.told {
		o.cmd.PrintErrf("switchback: %s; trying again\n", clean(err.Error()))
	}
	o.told = true
	return nil
}

func (o *outage) over() { o.told = false }
