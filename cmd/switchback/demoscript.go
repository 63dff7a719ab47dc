package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

func share(blue, green float64) api.Weights { return api.Weights{"blue": blue, "green": green} }

// script is the story. A healthy version promotes itself step by step. A faulty one goes back by itself, is
// repaired, and promotes itself then. What time is left a person uses to switch by hand.
func (s *stage) script(ctx context.Context) error {
	s.began = time.Now()
	s.open("as the file says", share(100, 0), "")
	if err := s.watch(ctx, s.beat(), nil); err != nil {
		return err
	}
	s.setFault(s.fault)
	end, err := s.rollout(ctx, s.fault)
	if err != nil {
		return err
	}
	if end == api.EventRolledBack && s.left() > 4*s.beat() {
		s.setFault(demo.Fault{})
		if end, err = s.rollout(ctx, demo.Fault{}); err != nil {
			return err
		}
	}
	return s.byHand(ctx, end)
}

// beat is the length of a phase that takes as long as it is given.
func (s *stage) beat() time.Duration { return s.length / 15 }

// left is how much of the demonstration is to come.
func (s *stage) left() time.Duration { return s.length - time.Since(s.began) }

func (s *stage) setFault(f demo.Fault) {
	for _, u := range s.green {
		u.SetFault(f)
	}
}

// rollout starts one and follows it to its end, or to the end of the demonstration. It returns the type of
// the last event.
func (s *stage) rollout(ctx context.Context, f demo.Fault) (string, error) {
	name := "healthy"
	if f != (demo.Fault{}) {
		name = f.String()
	} else if len(s.rows) > 1 {
		name = "repaired"
	}
	_, _ = fmt.Fprintf(s.out, "\ngreen: %s   $ switchback rollout start shop\n", name)
	if _, err := s.client.StartRollout(ctx, "shop", api.StartRequest{To: "green", Reason: "demo"}); err != nil {
		return "", fmt.Errorf("start the rollout: %w", err)
	}
	last := ""
	err := s.watch(ctx, s.left()-s.beat(), func(e api.Event) bool {
		if strings.HasPrefix(e.Type, "rollout.") {
			last = e.Type
			if e.Type != api.EventStarted { // until then it was the row before; what a command changed is not
				s.take()
			}
			if e.Type != api.EventPromoted { // which moves nothing more
				s.open(rowName(name, e), e.After, "")
			}
			_, _ = fmt.Fprintf(s.out, "      %s\n", e.Sentence)
		}
		return isOver(last)
	})
	switch {
	case err == nil && !isOver(last):
		_, _ = fmt.Fprintln(s.out, "      the time is up; --for gives more")
	case err == nil && last == api.EventRolledBack:
		err = s.watch(ctx, s.beat(), nil)
	}
	return last, err
}

func isOver(event string) bool { return event == api.EventPromoted || event == api.EventRolledBack }

// rowName is the row of the table that begins with an event of a rollout.
func rowName(green string, e api.Event) string {
	if e.Type == api.EventRolledBack {
		return green + ", rolled back"
	}
	return fmt.Sprintf("%s, step %d", green, e.Step)
}

// byHand undoes what the rollout did, unless it has gone back by itself, and if there is time cuts over and
// back once more.
func (s *stage) byHand(ctx context.Context, end string) error {
	if end == api.EventRolledBack {
		return s.watch(ctx, s.left(), nil)
	}
	if err := s.rollback(ctx); err != nil {
		return err
	}
	if s.left() < 2*s.beat() {
		return s.watch(ctx, s.left(), nil)
	}
	if _, err := s.client.Cutover(ctx, "shop", api.CutoverRequest{To: "green", Reason: "demo"}); err != nil {
		return fmt.Errorf("cut over: %w", err)
	}
	s.open("cutover by hand", share(0, 100), "switchback cutover shop --to green")
	if err := s.watch(ctx, s.left()/2, nil); err != nil {
		return err
	}
	return s.rollback(ctx)
}

func (s *stage) rollback(ctx context.Context) error {
	if _, err := s.client.Rollback(ctx, "shop", api.CommandRequest{Reason: "demo"}); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	s.open("rollback by hand", share(100, 0), "switchback rollback shop")
	return s.watch(ctx, min(s.beat(), s.left()), nil)
}

// open begins a row of the table. With a command it says what a user would type.
func (s *stage) open(phase string, weights api.Weights, command string) {
	s.load.Begin() // what was sent before the change and not taken counts for nobody
	s.rows = append(s.rows, demo.Row{Phase: phase, Weights: weights})
	switch {
	case s.live:
	case len(s.rows) == 1:
		_, _ = fmt.Fprintf(s.out, "\n%s\n", phase)
	case command != "":
		_, _ = fmt.Fprintf(s.out, "\n%s   $ %s\n", phase, command)
	}
}

// take adds what users saw since it was last called to the row that is open.
func (s *stage) take() demo.Window {
	w := s.load.Take()
	if len(s.rows) > 0 {
		s.rows[len(s.rows)-1].Window.Add(w)
	}
	return w
}

// watch shows what users see, a line a second, for some time or until on wants no more events; on may be nil.
func (s *stage) watch(ctx context.Context, length time.Duration, on func(api.Event) bool) error {
	end, tick := time.NewTimer(max(length, 0)), time.NewTicker(time.Second)
	defer end.Stop()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			s.take()
			return nil
		case e := <-s.events:
			if on != nil && on(e) {
				return nil
			}
			tick.Reset(time.Second)
		case <-tick.C:
			_, _ = fmt.Fprintln(s.out, demo.Line(time.Since(s.began).Round(time.Second), demoPools, s.take()))
		}
	}
}
