package main

import (
	"context"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store/memory"
)

// served is the script command served FILE [up]: from now on questions are answered, and reads and commands that say
// what they do, by a real controller that was started with that file. Nothing is probed; with up every target is.
func served(ts *testscript.TestScript, _ bool, args []string) {
	c, err := config.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	l := control.New(control.Options{Config: c, Store: memory.New(), Swapper: noSwap{}, Prober: &allUp{up: len(args) > 1}})
	ctx, cancel := context.WithCancel(context.Background())
	ts.Check(l.Start(ctx))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	ts.Defer(func() {
		cancel()
		<-done
	})
	f := fakeOf(ts)
	f.questions.mu.Lock()
	defer f.questions.mu.Unlock()
	f.questions.loop = l
}

// steer is the script command steer VERB ...: a command of somebody else on the controller of served.
func steer(ts *testscript.TestScript, _ bool, args []string) {
	l, err := fakeOf(ts).questions.at()
	ts.Check(err)
	ctx, call := context.Background(), api.Call{By: "ci"}
	switch args[0] {
	case "cutover":
		_, err = l.Cutover(ctx, args[1], api.CutoverRequest{To: args[2], Reason: "release 2.5.0"}, call)
	case "flag":
		_, err = l.SetFlag(ctx, args[1], api.FlagRequest{Definition: []byte(args[2]), Merge: true, Reason: "more"}, call)
	case "kill":
		_, err = l.KillFlag(ctx, args[1], api.FlagRequest{Reason: "broken"}, call)
	case "rollout":
		_, err = l.StartRollout(ctx, args[1], api.StartRequest{}, call)
	case "pause":
		_, err = l.Pause(ctx, args[1], api.CommandRequest{}, call)
	default:
		ts.Fatalf("unknown: steer %s", args[0])
	}
	ts.Check(err)
}

// noSwap has no data path.
type noSwap struct{}

func (noSwap) Swap(*router.Table) {}

// allUp finds every target up, or looks at none.
type allUp struct{ up bool }

func (p *allUp) Sync(tables ...*router.Table) {
	for _, t := range tables {
		for _, pool := range t.Pools {
			for _, target := range pool.Targets {
				if p.up {
					target.SetHealth(router.Health{Status: router.Up})
				}
			}
		}
	}
}

func (p *allUp) Wait(ctx context.Context, cond func() bool) error {
	if cond() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// questions are what the fake answers like a real server.
type questions struct {
	mu   sync.Mutex
	loop *control.Loop
}

func (q *questions) at() (*control.Loop, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.loop == nil {
		return nil, api.Problem(api.TypeInternal, "the script has not said what is served")
	}
	return q.loop, nil
}

// real is the controller of served, nil when there is none.
func (f *fake) real() *control.Loop {
	l, _ := f.questions.at()
	return l
}

func (f *fake) Explain(ctx context.Context, q api.ExplainRequest) (api.Explanation, error) {
	l, err := f.questions.at()
	if err != nil {
		return api.Explanation{}, err
	}
	return l.Explain(ctx, q)
}

func (f *fake) Cohort(ctx context.Context, q api.CohortRequest) (api.Cohort, error) {
	l, err := f.questions.at()
	if err != nil {
		return api.Cohort{}, err
	}
	return l.Cohort(ctx, q)
}

func (f *fake) EffectiveConfig() (api.ConfigShown, error) {
	l, err := f.questions.at()
	if err != nil {
		return api.ConfigShown{}, err
	}
	return l.EffectiveConfig()
}

func (f *fake) CheckConfig(ctx context.Context, text []byte) (api.ConfigCheck, error) {
	l, err := f.questions.at()
	if err != nil {
		return api.ConfigCheck{}, err
	}
	return l.CheckConfig(ctx, text)
}

func (f *fake) DiffConfig(ctx context.Context, text []byte) (api.ConfigDiff, error) {
	l, err := f.questions.at()
	if err != nil {
		return api.ConfigDiff{}, err
	}
	return l.DiffConfig(ctx, text)
}
