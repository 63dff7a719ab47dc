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

	"github.com/charmbracelet/x/term"
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

func (a *app) demoCommand() *cobra.Command {
	var length time.Duration
	var fault string
	var plain bool
	cmd := &cobra.Command{
		Use:   "demo [--for 30s] [--fault errors=5%] [--plain]",
		Short: "Watch a new version promote itself, or go back by itself",
		Long: `Start two versions of a small service on free local ports, traffic and switchback in front of them. A healthy version
promotes itself step by step; a faulty one is rolled back by itself. On a terminal single keys shift traffic, break
the new version, cut over and roll back; each shows the command that it stands for, and q ends it. Elsewhere, and
with --plain, it goes on by itself to a cutover and a rollback by hand. In the end it shows what the users saw.
Ctrl-C ends it early. Nothing is left behind.`,
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
			if in, out, ok := a.conversation(cmd); ok && !plain {
				if cmd.Flags().Changed("for") {
					ctx, stop = context.WithTimeout(ctx, length)
					defer stop()
				}
				return runLiveDemo(ctx, in, out, a.paint(), f)
			}
			return runDemo(ctx, cmd.OutOrStdout(), length, f)
		},
	}
	cmd.Flags().DurationVar(&length, "for", demoLength, "how `long` it takes; on a terminal it goes on until q unless this is given")
	cmd.Flags().StringVar(&fault, "fault", "", "what the new version does wrong: `errors=5%`, latency=200ms, hang=10%")
	cmd.Flags().BoolVar(&plain, "plain", false, "lines instead of the live view, as without a terminal")
	return cmd
}

// stage is a demonstration under way.
type stage struct {
	out    io.Writer
	live   bool // on a terminal, for as long as somebody looks
	fault  demo.Fault
	front  string // URLs of the listener and the admin API
	admin  string
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

// runDemo plays the script in lines.
func runDemo(ctx context.Context, out io.Writer, length time.Duration, f demo.Fault) error {
	s := &stage{out: out, length: length, fault: f}
	return s.run(ctx, func(ctx context.Context) error {
		s.introduce()
		return s.script(ctx)
	})
}

// runLiveDemo shows the stage on a terminal and lets keys play.
func runLiveDemo(ctx context.Context, in io.Reader, out io.Writer, p paint, f demo.Fault) error {
	s := &stage{out: out, live: true, fault: f}
	return s.run(ctx, func(ctx context.Context) error { return s.interact(ctx, in, out, os.Environ(), p) })
}

// run builds the stage in a temporary folder, has it played, and takes everything down again.
func (s *stage) run(ctx context.Context, play func(context.Context) error) (err error) {
	dir, err := os.MkdirTemp("", "switchback-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	s.events = make(chan api.Event, 16)
	defer s.closeUpstreams()
	if err := s.openUpstreams(); err != nil {
		return err
	}
	file := filepath.Join(dir, "switchback.yaml")
	if err := os.WriteFile(file, []byte(s.file(dir)), 0o600); err != nil {
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
	return s.play(run, n, play)
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
func (s *stage) file(dir string) string {
	checks, step := "errors: {max_increase: 0.5}", max(s.length/12, time.Second)
	switch {
	case s.live:
		checks, step = checks+", p50: {max_ratio: 1.5}", liveStep
	case s.fault.Latency > 0:
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
    timeouts: {response_header: 2s}
    rollout:
      steps: [{weight: 10, for: %[4]s}, {weight: 25, for: %[4]s}, {weight: 50, for: %[4]s}, {weight: 100, for: 1s}]
      checks: {%[5]s}
`, filepath.Join(dir, "state"), urls(s.blue), urls(s.green), step, checks)
}

func urls(list []*demo.Upstream) string {
	var out []string
	for _, u := range list {
		out = append(out, u.URL())
	}
	return strings.Join(out, ", ")
}

// play runs the load and the stream of events beside what is played.
func (s *stage) play(ctx context.Context, n *node, play func(context.Context) error) error {
	s.front, s.admin = "http://"+n.listeners[0].Addr().String(), "http://"+n.adminListener.Addr().String()
	clients := 64
	if s.live || s.fault.Hang > 0 {
		clients = 256 // a version that is slow for everybody keeps so many waiting
	}
	var err error
	if s.client, err = api.NewClient(s.admin, ""); err != nil {
		return err
	}
	if s.load, err = demo.NewLoad(demo.LoadOptions{
		URL: s.front + "/", Rate: demoRate, Clients: clients, Users: demoUsers,
		Pools: map[string]string{"1.0": "blue", "2.0": "green"},
	}); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.load.Run(running) })
	beside.Go(func() { s.follow(running) })
	err = play(ctx)
	stop()
	beside.Wait()
	if err != nil && ctx.Err() == nil { // ctrl-C is a good end: the table has what was seen
		return err
	}
	_, _ = fmt.Fprintln(s.out)
	return demo.WriteTable(s.out, demoPools, s.rows)
}

// introduce says what there is.
func (s *stage) introduce() {
	_, _ = fmt.Fprintf(s.out, "switchback   %s   admin %s\nblue  1.0    %s\ngreen 2.0    %s\n%d requests a second from %d users; green gets 10, 25, 50, 100 %%, each proven to fail at most 0.5 points more\n",
		s.front, s.admin, urls(s.blue), urls(s.green), demoRate, demoUsers)
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

// conversation is the terminal that the demo is called from, if somebody looks at it and can answer.
func (a *app) conversation(cmd *cobra.Command) (in, out *os.File, ok bool) {
	in, readable := cmd.InOrStdin().(*os.File)
	out, writable := cmd.OutOrStdout().(*os.File)
	ok = readable && writable && a.output == "text" && a.env("TERM") != "dumb" && term.IsTerminal(in.Fd()) && term.IsTerminal(out.Fd())
	return in, out, ok
}

// paint has colours unless NO_COLOR is set to anything.
func (a *app) paint() paint { return paint{colour: a.env("NO_COLOR") == ""} }
