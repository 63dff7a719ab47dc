package simulate

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// TestSameSeed: neither the number of processors nor the machine's mood has a say.
func TestSameSeed(t *testing.T) {
	p := at(50, more(2)).with(sticky).with(batches(2))
	p.Service, p.Runs, p.Seed = service(t, usual), 6, 3
	first, err := Play(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	second, err := Play(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("the same seed gave\n%+v\nand\n%+v", first, second)
	}
	p.Seed = 4
	if other, _ := Play(t.Context(), p, nil); reflect.DeepEqual(first, other) {
		t.Error("another seed gave the same")
	}
}

// TestInterrupted keeps what is known.
func TestInterrupted(t *testing.T) {
	p := at(20, equal)
	p.Service, p.Runs, p.Seed = service(t, lone), 100_000, 1
	ctx, cancel := context.WithCancel(t.Context())
	last := 0
	r, err := Play(ctx, p, func(done int) {
		if done != last+1 {
			t.Errorf("%d rollouts after %d", done, last)
		}
		if last = done; done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that it was canceled", err)
	}
	if len(r.Runs) < 3 || len(r.Runs) > 1000 || r.Planned != p.Runs || r.Candidate != "green" || r.Baseline != "blue" {
		t.Errorf("%d of %d rollouts of %s over %s", len(r.Runs), r.Planned, r.Candidate, r.Baseline)
	}
	for i, run := range r.Runs {
		if run.Outcome == "" || run.Sentence == "" || run.Time == 0 {
			t.Errorf("rollout %d is not over: %+v", i, run)
		}
	}
}

// TestPlans: what the file says is what is played.
func TestPlans(t *testing.T) {
	dead := Change{Add: 1}
	for _, tt := range []struct {
		name, rollout string
		plan          Plan
		outcome       Outcome
		step          int
		said          string
	}{
		{"promoted", usual, at(500, equal), Promoted, 4, "promoted to 100 %: in "},
		{"bake", "{steps: [50], bake: {for: 5m, holdback: 2}}", at(500, equal), Promoted, 2, "promoted to 100 % after 5m at 98 %"},
		{"worse in the bake", "{steps: [50], bake: {for: 5m, holdback: 2}}", at(500, dead).with(after(3 * time.Minute)), RolledBack, 2, "rolled back: since 00:0"},
		{"a person agrees", "{steps: [{weight: 50, for: 10s, approve: true}]}", at(500, equal), Promoted, 2, "promoted to 100 %"},
		{"rolled back", usual, at(500, dead), RolledBack, 1, "rolled back: since 00:00:00 green failed "},
		{"nothing proven", "{steps: [5], deadline: 2m}", at(1, equal), Held, 1, "undecided after 2m"},
		{"rolled back undecided", "{steps: [5], deadline: 2m, undecided: rollback}", at(1, equal), RolledBack, 1, "rolled back, undecided after 2m"},
		{"somebody insists", "{steps: [5], deadline: 2m}", at(1, equal).with(insist), Promoted, 2, "promoted to 100 %"},
		{"a failure holds", "{on_fail: hold}", at(500, dead), Held, 1, "held at 5 %"},
		{"a second failure", "{steps: [5, 50], on_fail: step_back}", at(500, dead).with(after(70 * time.Second)), RolledBack, 1, "rolled back: since 00:01:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.plan
			p.Service, p.Runs, p.Seed = service(t, tt.rollout), 2, 1
			r, err := Play(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, run := range r.Runs {
				if run.Outcome != tt.outcome || run.Step != tt.step || !strings.HasPrefix(run.Sentence, tt.said) {
					t.Errorf("%s at step %d: %s", run.Outcome, run.Step, run.Sentence)
				}
				if run.Judged > run.Time || run.Known > run.Requests || run.Bad > run.Requests {
					t.Errorf("numbers that cannot be: %+v", run)
				}
			}
		})
	}
}

func after(onset time.Duration) func(*Plan) { return func(p *Plan) { p.Onset = onset } }

// TestLag: a decision waits until the outcomes are known.
func TestLag(t *testing.T) {
	p := at(500, Change{Add: 1})
	p.Service, p.Runs = service(t, usual), 4
	for p50, lag := range map[time.Duration]time.Duration{time.Millisecond: 2 * time.Second, 2 * time.Second: 16 * time.Second} {
		p.Latency = Latency{P50: p50, P99: 2 * p50}
		r, err := Play(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range r.Runs {
			if got := run.Time - run.Judged; got < lag-time.Second || got > lag+time.Second {
				t.Errorf("p50 %v: decided %v after the last second that was judged, want about %v", p50, got, lag)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	good := at(100, equal).with(func(p *Plan) { p.Service, p.Runs = service(t, usual), 1 })
	for said, spoil := range map[string]func(*Plan){
		"no rollout":             func(p *Plan) { p.Service = &config.Service{} },
		"requests a second":      func(p *Plan) { p.Rate = 0 },
		"errors: 2":              func(p *Plan) { p.Errors = 2 },
		"candidate's errors":     func(p *Plan) { p.Worse.Add = -1 },
		"outage: 1.5":            func(p *Plan) { p.Outage.Share = 1.5 },
		"batches of -1":          func(p *Plan) { p.Batch = -1 },
		"times as long":          func(p *Plan) { p.Slower = -1 },
		"a p99 of 1ms":           func(p *Plan) { p.Latency = Latency{P50: 2 * time.Millisecond, P99: time.Millisecond} },
		"runs is below 1":        func(p *Plan) { p.Runs = 0 },
		"has no pool \"purple\"": func(p *Plan) { p.Candidate = "purple" },
	} {
		_, err := Play(t.Context(), good.with(spoil), nil)
		if err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("got %v, want something about %q", err, said)
		}
	}
}

func TestRows(t *testing.T) {
	var r Result
	for i := range 100 {
		r.Runs = append(r.Runs, Run{Outcome: RolledBack, Time: time.Duration(100-i) * time.Second, Check: "errors", Requests: int64(i), Bad: int64(i % 10)})
	}
	r.Runs = append(r.Runs, Run{Outcome: Held, Time: time.Hour, Sentence: "undecided"})
	rows := r.Rows()
	want := []Row{
		{Outcome: Promoted, Checks: map[string]int{}},
		{Outcome: RolledBack, Runs: 100, Share: 100. / 101, Median: 50 * time.Second, P95: 95 * time.Second, Requests: 49, Bad: 4, Checks: map[string]int{"errors": 100}},
		{Outcome: Held, Runs: 1, Share: 1. / 101, Median: time.Hour, P95: time.Hour, Checks: map[string]int{}, Sentence: "undecided"},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got  %+v\nwant %+v", rows, want)
	}
}
