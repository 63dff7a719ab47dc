package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// goal looks at a service and tells whether waiting for it is over. While it is not, said is what is
// missing; an error ends the wait as well.
type goal func(s api.Service) (said string, over bool, err error)

func (a *app) waitCommand() *cobra.Command {
	var what, version string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [service] --for {ready | approval | paused | promoted | drained}",
		Short: "Return when it is so",
		Long: "Return when it is so:\n" +
			"  ready     every target of the pool that is not live is up\n" +
			"  approval  the rollout's step is proven and needs approval\n" +
			"  promoted  the rollout ended with the candidate live\n" +
			"  paused    the rollout is paused or needs approval\n" +
			"  drained   no pool without weight has a request in flight\n\n" +
			"Exit codes: 3 the rollout was superseded, 4 it was rolled back, 5 it waits for a person otherwise than\n" +
			"you do, 6 timeout, 8 its step is undecided at the deadline.",
		Example: "  switchback wait shop --for ready\n" +
			"  switchback wait shop --for promoted --version 2.5.0 --timeout 2h",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reached := goals(version)[what]
			switch {
			case reached == nil:
				return usage{fmt.Errorf("--for is %q; it is %s", what, strings.Join(slices.Sorted(maps.Keys(goals(""))), ", "))}
			case version != "" && (what == "ready" || what == "drained"):
				return usage{errors.New("--version is of a rollout; it goes with --for approval, paused and promoted")}
			case timeout <= 0:
				return usage{errors.New("--timeout must be more than 0")}
			}
			return a.wait(cmd, args, reached, timeout)
		},
	}
	f := cmd.Flags()
	f.StringVar(&what, "for", "", "ready, approval, paused, promoted or drained")
	f.StringVar(&version, "version", "", "the rollout of this version, which may still have to begin")
	f.DurationVar(&timeout, "timeout", 30*time.Minute, "exit code 6 when it passes")
	return cmd
}

func goals(version string) map[string]goal {
	return map[string]goal{
		"ready": ready, "drained": drained,
		"approval": ofVersion(version, proven), "promoted": ofVersion(version, promoted), "paused": ofVersion(version, paused),
	}
}

// wait looks at once, however short the timeout, and then every second.
func (a *app) wait(cmd *cobra.Command, named []string, reached goal, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return err
	}
	s, err := a.find(cmd.Context(), c, named)
	if err != nil {
		return err
	}
	for out := (outage{cmd: cmd}); ; {
		said, over, err := reached(s)
		switch {
		case err != nil:
			return err
		case over:
			return a.show(cmd, s, func(p *page) { p.line("%s %s", s.Name, said) })
		}
		later, err := next(ctx, c, s.Name, &out)
		if errors.Is(err, errLate) {
			return coded{fmt.Errorf("%s %s, after %s", s.Name, said, calm(timeout)), exitTimeout}
		}
		if err != nil {
			return err
		}
		s = later
	}
}

// find is the service a command is about.
func (a *app) find(ctx context.Context, c *api.Client, named []string) (api.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name, err := a.service(ctx, c, named)
	if err != nil {
		return api.Service{}, err
	}
	return c.Service(ctx, name)
}

var errLate = errors.New("time is over")

// next is the service a second later, or as soon as a server that is away is back. When ctx ends before,
// the error is errLate, or that of the server.
func next(ctx context.Context, c *api.Client, name string, out *outage) (api.Service, error) {
	late := errLate
	for pause(ctx, every) {
		s, err := c.Service(ctx, name)
		switch {
		case err == nil:
			out.over()
			return s, nil
		case ctx.Err() != nil:
		case out.bear(err) != nil:
			return s, err
		default:
			late = err
		}
	}
	return api.Service{}, late
}

func ready(s api.Service) (string, bool, error) {
	idle := s.Roles.Idle
	if idle == "" {
		return "", false, coded{fmt.Errorf("%s has no single idle pool", s.Name), exitRefused}
	}
	pool := s.Pools[idle]
	said := fmt.Sprintf("%s has %d of %d targets up", idle, pool.Up, len(pool.Targets))
	return said, len(pool.Targets) > 0 && pool.Up == len(pool.Targets), nil
}

func drained(s api.Service) (string, bool, error) {
	var without, busy []string
	for _, name := range slices.Sorted(maps.Keys(s.Pools)) {
		if s.Weights.InForce[name] > 0 {
			continue
		}
		without = append(without, name)
		if n := s.Pools[name].InFlight; n > 0 {
			busy = append(busy, fmt.Sprintf("%s has %d requests in flight", name, n))
		}
	}
	switch {
	case len(busy) > 0:
		return strings.Join(busy, ", "), false, nil
	case len(without) == 0:
		return "has no pool without weight", false, nil
	}
	return "drained: no request in flight on " + strings.Join(without, ", "), true, nil
}

// ofVersion waits for a rollout of that version to begin; "" is any.
func ofVersion(version string, g goal) goal {
	return func(s api.Service) (string, bool, error) {
		if version != "" && (s.Rollout == nil || s.Rollout.Version != version) {
			return "has no rollout of " + version, false, nil
		}
		return g(s)
	}
}

func promoted(s api.Service) (string, bool, error) {
	r := s.Rollout
	switch {
	case r == nil:
		return "", false, noRollout(s)
	case r.Phase == api.PhasePromoted:
		return "promoted" + outcome(r), true, nil
	case !r.Running():
		return "", false, overWithout(s)
	case r.Awaits == api.AwaitsData:
		return "", false, noData(s)
	case waitsForPerson(s):
		return "", false, needsPerson(s)
	}
	return "is at " + underway(s), false, nil
}

// proven is the end of a step that a person has to approve. A pause is none: it says nothing about the
// candidate, and with on_fail: hold it even says that it failed.
func proven(s api.Service) (string, bool, error) {
	r := s.Rollout
	switch {
	case r == nil:
		return "", false, noRollout(s)
	case !r.Running():
		return "", false, overWithout(s)
	case r.Awaits == api.AwaitsData:
		return "", false, noData(s)
	case s.Paused != nil || r.Awaits == api.AwaitsResume:
		return "", false, needsPerson(s)
	}
	return "is at " + underway(s), r.Awaits == api.AwaitsApproval, nil
}

func paused(s api.Service) (string, bool, error) {
	switch r := s.Rollout; {
	case r.Running() && waitsForPerson(s):
		return "is at " + underway(s) + pausedBy(s), true, nil
	case s.Paused != nil:
		return "is paused" + pausedBy(s), true, nil
	case r == nil:
		return "is not paused", false, nil
	case !r.Running():
		return "", false, overWithout(s)
	case r.Awaits == api.AwaitsData:
		return "", false, noData(s)
	}
	return "is at " + underway(s), false, nil
}

func noRollout(s api.Service) error {
	return coded{fmt.Errorf("no rollout ever ran on %s", s.Name), exitRefused}
}

func noData(s api.Service) error {
	return coded{fmt.Errorf("%s: %s", s.Name, underway(s)), exitNoData}
}

func needsPerson(s api.Service) error {
	return coded{fmt.Errorf("%s: %s%s", s.Name, underway(s), pausedBy(s)), exitPaused}
}

// overWithout is a rollout that ended otherwise than it was waited for.
func overWithout(s api.Service) error {
	code := exitRefused
	if s.Rollout.Phase == api.PhaseRolledBack {
		code = exitRolledBack
	}
	said := fmt.Sprintf("the rollout of %s was %s", s.Name, inWords(s.Rollout.Phase))
	return coded{errors.New(said + outcome(s.Rollout)), code}
}

func waitsForPerson(s api.Service) bool {
	return s.Paused != nil || s.Rollout.Awaits == api.AwaitsApproval || s.Rollout.Awaits == api.AwaitsResume || s.Rollout.Awaits == api.AwaitsGate
}

func pausedBy(s api.Service) string {
	if s.Paused == nil {
		return ""
	}
	return " by " + clean(s.Paused.By) + because(s.Paused.Reason)
}
