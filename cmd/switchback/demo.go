package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"go.uber.org/zap"
)

const (
	demoRate    = 500  // requests a second
	demoUsers   = 5000 // enough for shares within a percent
	demoLength  = 30 * time.Second
	demoLatency = 45 * time.Second // latency is not held against a version in its first half minute
	demoLeast   = 10 * time.Second
	demoRetry   = 50 * time.Millisecond
	demoReady   = 10 * time.Second
)

func newDemoCommand() *cobra.Command {
	var length time.Duration
	var fault string
	cmd := &cobra.Command{
		Use:   "demo [--for 30s] [--fault errors=5%]",
		Short: "Watch a new version promote itself, or go back by itself",
		Long: `Start two versions of a small service on free local ports, traffic and switchback in front of them. A healthy version
promotes itself step by step; a faulty one is rolled back by itself. Then cut over and roll back by hand, and show
what the users saw. Ctrl-C ends it early. Nothing is left behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := demo.ParseFault(fault)
			if err != nil {
				return usage{err}
			}
			if f.Latency > 0 && !cmd.Flags().Changed("for") {
				length = demoLatency
			}
			if length < demoLeast {
				return usage{fmt.Errorf("--for %s is too short to see anything, give at least %s", length, demoLeast)}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runDemo(ctx, cmd.OutOrStdout(), length, f)
		},
	}
	cmd.Flags().DurationVar(&length, "for", demoLength, "how `long` it takes")
	cmd.Flags().StringVar(&fault, "fault", "", "what the new version does wrong: `errors=5%`, latency=200ms")
	return cmd
}

// stage is a demonstration under way.
type stage struct {
	out    io.Writer
	blue   []*demo.Upstream
	green  []*demo.Upstream
	load   *demo.Load
	client *api.Client
	events chan api.Event
	length time.Duration
	began  time.Time
	rows   []demo.Row
}

var demoPools = []string{"blue", "green"}

// runDemo builds the stage in a temporary folder, plays, and takes everything down again.
func runDemo(ctx context.Context, out io.Writer, length time.Duration, f demo.Fault) (err error) {
	dir, err := os.MkdirTemp("", "switchback-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &stage{out: out, length: length, events: make(chan api.Event, 16)}
	defer s.closeUpstreams()
	if err := s.openUpstreams(); err != nil {
		return err
	}
	file := filepath.Join(dir, "switchback.yaml")
	if err := os.WriteFile(file, []byte(s.file(dir, f)), 0o600); err != nil {
		return err
	}
	n, err := openNode(ctx, file, nodeOptions{Log: zap.NewNop(), Level: zap.NewAtomicLevel(), Version: buildVersion()})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- n.Run(run) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	return s.play(run, n, f)
}

func (s *stage) openUpstreams() error {
	for _, p := range []struct {
		list    *[]*demo.Upstream
		version string
		names   [2]string
	}{{&s.blue, "1.0", [2]string{"blue-1", "blue-2"}}, {&s.green, "2.0", [2]string{"green-1", "green-2"}}} {
		for _, name := range p.names {
			u, err := demo.OpenUpstream(p.version, name)
			if err != nil {
				return err
			}
			*p.list = append(*p.list, u)
		}
	}
	return nil
}

func (s *stage) closeUpstreams() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, u := range append(s.blue, s.green...) {
		_ = u.Close(ctx) // nothing of it outlives the process
	}
}

// file is what a user would write for this. Steps are as long as the demonstration allows.
func (s *stage) file(dir string, f demo.Fault) string {
	checks := "errors: {max_increase: 0.5}"
	if f.Latency > 0 {
		checks += ", p50: {}, p95: {}, p99: {}"
	}
	return fmt.Sprintf(`listeners: {web: {address: "127.0.0.1:0"}}
admin: {address: "127.0.0.1:0"}
state: {dir: %[1]q}
shutdown: {timeout: 5s}
services:
  shop:
    pools:
      blue:  {version: "1.0", targets: [%[2]s]}
      green: {version: "2.0", targets: [%[3]s]}
    weights: {blue: 100, green: 0}
    sticky: {key: [{header: X-User-ID}]}
    health: {path: /healthz, every: 1s}
    rollout:
      steps: [{weight: 10, for: %[4]s}, {weight: 25, for: %[4]s}, {weight: 50, for: %[4]s}, {weight: 100, for: 1s}]
      checks: {%[5]s}
`, filepath.Join(dir, "state"), urls(s.blue), urls(s.green), max(s.length/12, time.Second), checks)
}

func urls(list []*demo.Upstream) string {
	var out []string
	for _, u := range list {
		out = append(out, u.URL())
	}
	return strings.Join(out, ", ")
}

// play runs the load and the stream of events beside the script.
func (s *stage) play(ctx context.Context, n *node, f demo.Fault) error {
	front := n.listeners[0].Addr().String()
	var err error
	if s.client, err = api.NewClient("http://"+n.adminListener.Addr().String(), ""); err != nil {
		return err
	}
	if s.load, err = demo.NewLoad(demo.LoadOptions{
		URL: "http://" + front + "/", Rate: demoRate, Clients: 64, Users: demoUsers,
		Pools: map[string]string{"1.0": "blue", "2.0": "green"},
	}); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.out, "switchback   http://%s   admin http://%s\nblue  1.0    %s\ngreen 2.0    %s\n%d requests a second from %d users; green gets 10, 25, 50, 100 %%, each proven to fail at most 0.5 points more\n",
		front, n.adminListener.Addr(), urls(s.blue), urls(s.green), demoRate, demoUsers)
	running, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.load.Run(running) })
	beside.Go(func() { s.follow(running) })
	err = s.script(ctx, f)
	stop()
	beside.Wait()
	if err != nil && ctx.Err() == nil { // ctrl-C is a good end: the table has what was seen
		return err
	}
	_, _ = fmt.Fprintln(s.out)
	return demo.WriteTable(s.out, demoPools, s.rows)
}

// follow hands events to the script until ctx ends.
func (s *stage) follow(ctx context.Context) {
	for e, err := range s.client.Follow(ctx, api.EventsQuery{Service: "shop"}) {
		if err != nil {
			return // the end, or the script misses the events and says so
		}
		select {
		case s.events <- e:
		case <-ctx.Done():
			return
		}
	}
}

// waitReady returns once every target is up.
func (s *stage) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoReady)
	defer cancel()
	for {
		shop, err := s.client.Service(ctx, "shop")
		if err == nil && shop.Pools["blue"].Up == len(s.blue) && shop.Pools["green"].Up == len(s.green) {
			return nil
		}
		select {
		case <-time.After(demoRetry):
		case <-ctx.Done():
			return fmt.Errorf("wait for the demo's targets to come up: %w", errors.Join(ctx.Err(), err))
		}
	}
}
