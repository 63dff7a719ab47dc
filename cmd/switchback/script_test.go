package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/switchback-proxy/switchback/admin"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"switchback": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
		},
	})
}

// The scripts steer an admin API of their own: the real one over a controller that answers what the
// script says. Their commands, beside those of testscript:
//
//	code N command...   run a command that ends with exit code N
//	state FILE          what the server shows; AGO(75h) in it is a time before now
//	answer FILE         what commands on it answer from now on
//	refuse TYPE DETAIL  the problem commands end in from now on; targets as in state's first pool
//	calls FILE          the commands it saw since the last calls, compared with a file
//	tokens NAME=ROLE    what tokens it wants; the file NAME in the script holds the secret
//	plan FILE           the plan of every service
//	events FILE         events that happened
//	flags FILE          the flags it shows
//	asked N             wait until somebody looked N times from now on
//	unready             from now on it says that it shuts down
//	stop                end the server
//	served FILE [up]    a real controller answers questions and shows its services from now on
//	steer VERB ...      a command of ci on that controller
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: startServer,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "state": state, "answer": answer, "refuse": refuse, "calls": calls, "tokens": tokens, "stop": stop,
			"plan": plan, "events": events, "asked": asked, "flags": flagsCmd, "unready": unready,
			"served": served, "steer": steer,
		},
		RequireExplicitExec: true,
	})
}

// fake is the controller behind a script's server.
type fake struct {
	server  *admin.Server
	end     func()
	unready atomic.Bool

	mu       sync.Mutex // guards what follows
	overview api.Overview
	change   api.Change
	reload   api.Reload
	problem  *api.Error
	seen     []string
	plan     api.Plan
	events   []api.Event
	flags    api.Flags
	changed  chan struct{} // closed by the next event
	cut      chan struct{} // closed by the next cut
	looks    chan struct{} // one for each look

	questions questions
}

func startServer(env *testscript.Env) error {
	f, address, err := serveFake()
	if err != nil {
		return err
	}
	env.Defer(f.end)
	env.Values["fake"] = f
	env.Setenv("SWITCHBACK_ADMIN", address)
	schema, err := filepath.Abs("../../switchback.schema.json")
	env.Setenv("SCHEMA", schema)
	return err
}

// serveFake serves the API over a fake until its end is called.
func serveFake() (f *fake, address string, err error) {
	f = &fake{changed: make(chan struct{}), cut: make(chan struct{}), looks: make(chan struct{}, 1000)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	f.server, err = admin.New(admin.Deps{Config: config.Admin{Address: ln.Addr().String()}, Controller: f, Ready: f.ready, Log: zap.NewNop()})
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.server.Serve(ctx, ln) }()
	f.end = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	return f, "http://" + ln.Addr().String(), nil
}

func (f *fake) ready() error {
	if f.unready.Load() {
		return errStopping
	}
	return nil
}

func (f *fake) Refused(api.Call, string) {}

func fakeOf(ts *testscript.TestScript) *fake { return ts.Value("fake").(*fake) }

func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

var ago = regexp.MustCompile(`AGO\((.*?)\)`)

func load(ts *testscript.TestScript, file string, into ...any) {
	text := ago.ReplaceAllStringFunc(ts.ReadFile(file), func(s string) string {
		d, err := time.ParseDuration(ago.FindStringSubmatch(s)[1])
		ts.Check(err)
		return time.Now().UTC().Add(-d).Format(time.RFC3339)
	})
	for _, v := range into {
		ts.Check(json.Unmarshal([]byte(text), v))
	}
}

func state(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.overview = api.Overview{}
	load(ts, args[0], &f.overview)
}

func answer(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change, f.reload, f.problem = api.Change{}, api.Reload{}, nil
	load(ts, args[0], &f.change, &f.reload)
}

func refuse(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problem = api.Problem(args[0], "%s", strings.ReplaceAll(strings.Join(args[1:], " "), `\n`, "\n"))
	if args[0] == api.TypePoolNotReady {
		s := f.overview.Services[0]
		for _, t := range s.Pools[s.Order[1]].Targets {
			if t.Status != "up" {
				f.problem.Targets = append(f.problem.Targets, t)
			}
		}
	}
}

func calls(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	got := strings.Join(f.seen, "\n")
	f.seen = nil
	f.mu.Unlock()
	if want := strings.TrimSpace(ts.ReadFile(args[0])); got != want {
		ts.Fatalf("the server saw\n%s\nwant\n%s", got, want)
	}
}

func tokens(ts *testscript.TestScript, _ bool, args []string) {
	var cfg config.Admin
	for _, arg := range args {
		name, role, _ := strings.Cut(arg, "=")
		cfg.Tokens = append(cfg.Tokens, config.Token{Name: name, Role: config.Role(role), File: filepath.Clean(ts.MkAbs(name))})
	}
	ts.Check(fakeOf(ts).server.Swap(cfg))
}

func stop(ts *testscript.TestScript, _ bool, _ []string) { fakeOf(ts).end() }

func unready(ts *testscript.TestScript, _ bool, _ []string) { fakeOf(ts).unready.Store(true) }

func plan(ts *testscript.TestScript, _ bool, args []string) {
	f := fakeOf(ts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = api.Plan{}
	load(ts, args[0], &f.plan)
}

func events(ts *testscript.TestScript, _ bool, args []string) {
	var more api.Events
	load(ts, args[0], &more)
	fakeOf(ts).happen(more.Events...)
}

func asked(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	f := fakeOf(ts)
	for len(f.looks) > 0 {
		<-f.looks
	}
	for range n {
		select {
		case <-f.looks:
		case <-time.After(20 * time.Second):
			ts.Fatalf("nobody looked for 20s")
		}
	}
}

func (f *fake) Overview() api.Overview {
	select {
	case f.looks <- struct{}{}:
	default:
	}
	if l := f.real(); l != nil {
		return l.Overview()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overview
}

func (f *fake) Service(name string) (api.Service, error) {
	for _, s := range f.Overview().Services {
		if s.Name == name {
			return s, nil
		}
	}
	return api.Service{}, api.Problem(api.TypeNotFound, "There is no service %q.", name)
}

// did writes a command down and gives the answer the script prepared.
func (f *fake) did(verb, service string, q any, c api.Call) (api.Change, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return api.Change{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	line := fmt.Sprintf("%s %s %s by %s", verb, service, body, c.By)
	switch {
	case c.DryRun:
		line += ", dry run"
	case c.Key == "":
		line += ", without a key"
	}
	f.seen = append(f.seen, line)
	if f.problem != nil {
		return api.Change{}, f.problem
	}
	change := f.change
	change.DryRun = c.DryRun
	return change, nil
}

func (f *fake) SetWeights(_ context.Context, s string, q api.WeightsRequest, c api.Call) (api.Change, error) {
	return f.did("weights", s, q, c)
}

func (f *fake) DropIntent(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("drop", s, q, c)
}

func (f *fake) Cutover(_ context.Context, s string, q api.CutoverRequest, c api.Call) (api.Change, error) {
	return f.did("cutover", s, q, c)
}

func (f *fake) Rollback(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("rollback", s, q, c)
}

func (f *fake) Pause(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("pause", s, q, c)
}

func (f *fake) Resume(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("resume", s, q, c)
}

func (f *fake) StartRollout(_ context.Context, s string, q api.StartRequest, c api.Call) (api.Change, error) {
	return f.did("start", s, q, c)
}

func (f *fake) Promote(_ context.Context, s string, q api.PromoteRequest, c api.Call) (api.Change, error) {
	return f.did("promote", s, q, c)
}

func (f *fake) Approve(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("approve", s, q, c)
}

func (f *fake) StepBack(_ context.Context, s string, q api.CommandRequest, c api.Call) (api.Change, error) {
	return f.did("step-back", s, q, c)
}

func (f *fake) OpenGate(_ context.Context, s string, q api.OpenGateRequest, c api.Call) (api.Change, error) {
	return f.did("open-gate", s, q, c)
}

func (f *fake) Plan(_ context.Context, s string) (api.Plan, error) {
	if _, err := f.Service(s); err != nil {
		return api.Plan{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.plan
	p.Service = s
	return p, nil
}

func (f *fake) Events(_ context.Context, service, after string) ([]api.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.behind(service, after), nil
}

// behind needs mu.
func (f *fake) behind(service, after string) []api.Event {
	var some []api.Event
	for _, e := range f.events {
		if (service == "" || e.Service == service) && e.ID > after {
			some = append(some, e)
		}
	}
	return some
}

// happen adds events, also for those who follow.
func (f *fake) happen(more ...api.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, more...)
	close(f.changed)
	f.changed = make(chan struct{})
}

// interrupt ends every stream of events.
func (f *fake) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.cut)
	f.cut = make(chan struct{})
}

func (f *fake) Follow(ctx context.Context, after string) (<-chan api.Event, error) {
	f.mu.Lock()
	cut := f.cut
	f.mu.Unlock()
	out := make(chan api.Event)
	go func() {
		defer close(out)
		for {
			f.mu.Lock()
			some, changed := f.behind("", after), f.changed
			f.mu.Unlock()
			for _, e := range some {
				select {
				case out <- e:
					after = e.ID
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-changed:
			case <-cut:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (f *fake) Reload(_ context.Context, c api.Call) (api.Reload, error) {
	_, err := f.did("reload", "-", struct{}{}, c)
	return f.reload, err
}
