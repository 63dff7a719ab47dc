//go:build linux

// Bench measures switchback beside other proxies on one machine and writes what it finds into
// docs/performance.md: processor time per request, latency, memory per idle connection. What comes with it
// are the other processes that takes: the server behind the proxies and the clients before them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/bench/backend"
	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/internal/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs the named part of the program; without a name it measures.
func command(ctx context.Context, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "backend": // ends with its parent
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		return backend.New().ListenAndServe(args[1:])
	case "load":
		return serveLoad(os.Stdin, os.Stdout)
	case "reverseproxy":
		return serve(ctx, args, reverseProxy)
	case "relay":
		return serve(ctx, args, serveRelay)
	case "version":
		_, err := io.WriteString(os.Stdout, runtime.Version()+"\n")
		return err
	}
	return measure(ctx, args)
}

// serve calls f with the setup in the file whose name follows the command.
func serve(ctx context.Context, args []string, f func(context.Context, peer.Setup) error) error {
	if len(args) != 2 {
		return fmt.Errorf("%s takes a file", args[0])
	}
	text, err := os.ReadFile(args[1]) //nolint:gosec // what the parent wrote
	if err != nil {
		return err
	}
	var s peer.Setup
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	return f(ctx, s)
}

// measure runs the whole of it and writes the section, to standard output without -report.
func measure(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	o := options{log: os.Stderr}
	report := fs.String("report", "", "write the section of this `file`")
	program := fs.String("switchback", "../dist/switchback", "`path` of the release build")
	fs.IntVar(&o.rounds, "rounds", 10, "how often each is measured, turn by turn")
	fs.DurationVar(&o.each, "each", 1500*time.Millisecond, "how long one measurement takes")
	fs.IntVar(&o.idle, "idle", 5000, "idle connections, fewer where descriptors are few")
	loop := fs.Bool("loop", false, "only switchback's two paths, ReverseProxy and relay, quickly, for a terminal")
	limit := fs.Duration("limit", time.Hour, "give up after this")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 || o.rounds < 1 || o.each < 10*time.Millisecond || o.idle < 1 {
		return fmt.Errorf("what is %q? -h lists the options; rounds, each and idle are more than nothing", args)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.relay = peer.Relay(self)
	if *loop {
		o.plan = loopPlan
		o.peers, err = absolute(paths(self, *program))
	} else {
		o.plan = wholePlan
		o.peers, err = entrants(self, *program)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	f, err := run(ctx, o)
	if err != nil {
		return err
	}
	switch {
	case *loop:
		_, err = io.WriteString(os.Stdout, f.terminal())
	case *report == "":
		_, err = io.WriteString(os.Stdout, f.section())
	default:
		err = page.Write(*report, "peers", f.section())
	}
	return err
}
