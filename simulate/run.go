package simulate

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is how a rollout ended.
type Outcome string

// The outcomes. Held is a rollout that waits for a person: undecided at a deadline, or failed with
// on_fail: hold.
const (
	Promoted   Outcome = "promoted"
	RolledBack Outcome = "rolled back"
	Held       Outcome = "held"
)

// Outcomes is every outcome, in the order in which they are shown.
var Outcomes = [...]Outcome{Promoted, RolledBack, Held}

// Run is one rollout that was played.
type Run struct {
	Outcome  Outcome
	Time     time.Duration // from the rollout's start to the decision
	Judged   time.Duration // part of it whose requests had been judged: outcomes are known a little later
	Step     int           // where it ended, from 1
	Check    string        // the check that failed; "" when none did
	Requests int64         // that the candidate was sent
	Bad      int64         // of these failed
	Known    int64         // of these had been judged
	Sentence string        // about the decision; clock times in it count from the start

	candidate, baseline string
	excess              float64 // the most by which its clients failed more often than the others, by the luck of the draw
}

// Result is the rollouts of a plan that were played, in an order that does not depend on chance.
type Result struct {
	Runs                []Run
	Planned             int    // as many were asked for
	Candidate, Baseline string // pools; "" without a run
}

// A plan is played in turn on several services, each of which is watched for half an hour before its
// first rollout and has its own clients.
const (
	worlds    = 8
	runsWorth = 25 // of another service
)

// Play plays the plan, on as many processors as there are. done, which may be nil, is told how many
// rollouts are over; it is called by the calling goroutine. When ctx ends, the result holds what was
// finished, and the error is that of ctx. Another error means that the plan cannot be played.
func Play(ctx context.Context, p Plan, done func(int)) (Result, error) {
	if err := p.check(); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make([]*world, min(worlds, 1+p.Runs/runsWorth))
	each(ctx, len(all), nil, func(i int) {
		all[i] = newWorld(&p, chance(p.Seed, -1-i))
	})
	runs := make([]Run, p.Runs)
	each(ctx, p.Runs, done, func(i int) {
		run, err := all[i%len(all)].play(ctx, chance(p.Seed, i))
		if err != nil {
			cancel(err)
			return
		}
		runs[i] = run
	})
	result := Result{Planned: p.Runs}
	for i := range runs {
		if runs[i].Outcome != "" {
			result.Runs = append(result.Runs, runs[i])
			result.Candidate, result.Baseline = runs[i].candidate, runs[i].baseline
		}
	}
	if err := context.Cause(ctx); err != nil {
		return result, err
	}
	return result, nil
}

// chance is the source of chance of one run: the same, whichever goroutine plays it.
func chance(seed uint64, i int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // numbers that must be the same again
}

// each does n things on all processors, and calls done in between.
func each(ctx context.Context, n int, done func(int), do func(int)) {
	var next atomic.Int64
	over := make(chan struct{}, n)
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				do(int(i))
				over <- struct{}{}
			}
		})
	}
	go func() {
		workers.Wait()
		close(over)
	}()
	count := 0
	for range over {
		if count++; done != nil {
			done(count)
		}
	}
}
