package main

import (
	"context"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

// act is one phase of the demonstration.
type act struct {
	phase   string
	command string                      // what a user would type; "" when nothing is done
	do      func(context.Context) error // nil: nothing
	weights api.Weights                 // that are in force then
}

func share(blue, green float64) api.Weights { return api.Weights{"blue": blue, "green": green} }

// acts is the story: a healthy version goes all the way and back; a faulty one is seen at
// half, taken out, repaired, and then goes all the way and back.
func (s *stage) acts(f demo.Fault) []act {
	start := act{phase: "as the file says", weights: share(100, 0)}
	if f == (demo.Fault{}) {
		return []act{
			start, s.shift(90, 10), s.shift(50, 50), s.cutover(), s.rollback(50, 50),
			{"back to the file", "switchback weights shop --drop", func(ctx context.Context) error {
				_, err := s.client.DropIntent(ctx, "shop", api.CommandRequest{Reason: "demo"})
				return err
			}, share(100, 0)},
		}
	}
	return []act{
		start, s.shift(50, 50),
		{"green: " + f.String(), "", s.setFault(f), share(50, 50)},
		s.rollback(100, 0),
		{"green repaired", "", s.setFault(demo.Fault{}), share(100, 0)},
		s.cutover(), s.rollback(100, 0),
	}
}

func (s *stage) shift(blue, green float64) act {
	w := share(blue, green)
	return act{
		fmt.Sprintf("weights %v/%v", blue, green), fmt.Sprintf("switchback weights shop blue=%v green=%v", blue, green),
		func(ctx context.Context) error {
			_, err := s.client.SetWeights(ctx, "shop", api.WeightsRequest{Weights: w, Reason: "demo"})
			return err
		}, w,
	}
}

func (s *stage) cutover() act {
	return act{"cutover to green", "switchback cutover shop --to green", func(ctx context.Context) error {
		_, err := s.client.Cutover(ctx, "shop", api.CutoverRequest{To: "green", Reason: "demo"})
		return err
	}, share(0, 100)}
}

func (s *stage) rollback(blue, green float64) act {
	return act{"rollback", "switchback rollback shop", func(ctx context.Context) error {
		_, err := s.client.Rollback(ctx, "shop", api.CommandRequest{Reason: "demo"})
		return err
	}, share(blue, green)}
}

func (s *stage) setFault(f demo.Fault) func(context.Context) error {
	return func(context.Context) error {
		for _, u := range s.green {
			u.SetFault(f)
		}
		return nil
	}
}

// script plays the acts, each for its part of the time, and shows a line a second.
func (s *stage) script(ctx context.Context, length time.Duration, f demo.Fault) error {
	acts := s.acts(f)
	part := length / time.Duration(len(acts))
	s.began = time.Now()
	for i, a := range acts {
		if a.do != nil {
			if err := a.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", a.phase, err)
			}
		}
		_, _ = fmt.Fprintf(s.out, "\n%s", a.phase)
		if a.command != "" {
			_, _ = fmt.Fprintf(s.out, "   $ %s", a.command)
		}
		_, _ = fmt.Fprintln(s.out)
		row := demo.Row{Phase: a.phase, Weights: a.weights}
		err := s.watch(ctx, s.began.Add(time.Duration(i+1)*part), &row.Window)
		s.rows = append(s.rows, row)
		if err != nil {
			return err
		}
	}
	return nil
}

// watch shows what users see until a moment and adds it up. A request that was sent before counts nowhere.
func (s *stage) watch(ctx context.Context, until time.Time, sum *demo.Window) error {
	s.load.Begin()
	for {
		step := min(time.Second, time.Until(until))
		if step <= 0 {
			return nil
		}
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return ctx.Err()
		}
		w := s.load.Take()
		sum.Add(w)
		_, _ = fmt.Fprintln(s.out, demo.Line(time.Since(s.began).Round(time.Second), demoPools, w))
	}
}
