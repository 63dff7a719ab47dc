package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/simulate"
)

// plan makes a plan from what was written. Whatever is wrong is named by its flag, everything at once.
func (s *simulation) plan(stickySaid bool) (simulate.Plan, error) {
	plan := simulate.Plan{
		Candidate: s.to, Rate: s.rps, Batch: s.batch, Slower: s.slower, Onset: s.onset, Runs: s.runs, Seed: s.seed,
	}
	var wrong []error
	refuse := func(flag string, value any, remedy string) {
		wrong = append(wrong, fmt.Errorf("--%s %v: %s", flag, value, remedy))
	}
	var ok bool
	if plan.Errors, ok = parsePercent(s.errors); !ok {
		refuse("baseline-errors", s.errors, "a percentage from 0% to 100%, such as 0.1%")
	}
	if plan.Worse, ok = parseChange(s.worse); !ok {
		refuse("candidate-errors", s.worse, "+1pt for points more, x2 for times as many, or 2% flat")
	} else if all := plan.Worse.Ratio*plan.Errors + plan.Worse.Add; !(all >= 0 && all <= 1) {
		refuse("candidate-errors", s.worse, fmt.Sprintf("of %s that is not between 0%% and 100%%", s.errors))
	}
	if plan.Outage, ok = parseOutage(s.outage); !ok {
		refuse("outage", s.outage, "how long and what share of requests fails, such as 5m@30%")
	}
	if plan.Latency, ok = parseLatency(s.latency); !ok {
		refuse("latency", s.latency, "the baseline's p50 and p99, such as 40ms,160ms; at most a minute")
	}
	if !(s.rps > 0 && s.rps <= 1e6) {
		refuse("rps", s.rps, "more than 0 and at most 1000000 requests a second")
	}
	if !(s.slower >= 0.01 && s.slower <= 100) {
		refuse("latency-ratio", s.slower, "from 0.01 to 100; 1.5 is one and a half times as long")
	}
	if !(s.batch >= 1 && s.batch <= 1000) {
		refuse("batch", s.batch, "from 1, every failure by itself, to 1000")
	}
	if s.runs < 1 || s.runs > mostRuns {
		refuse("runs", s.runs, "from 1 to 1000000")
	}
	same := plan.Worse == (simulate.Change{Ratio: 1}) && s.slower == 1
	switch {
	case s.onset < 0:
		refuse("onset", s.onset, "a time from the start of the rollout, such as 30m")
	case s.onset > 0 && same:
		refuse("onset", s.onset, "nothing gets worse then; give --candidate-errors or --latency-ratio as well")
	}
	if len(wrong) > 0 {
		return plan, usage{errors.Join(wrong...)}
	}
	service, err := s.choose()
	if err != nil {
		return plan, err
	}
	plan.Service, plan.Sticky = service, s.sticky
	if !stickySaid {
		plan.Sticky = len(service.Sticky.Key) > 0
	}
	return plan, nil
}

// choose finds the service, and refuses one that has no rollout.
func (s *simulation) choose() (*config.Service, error) {
	c, err := config.Load(s.file)
	if err != nil {
		return nil, err
	}
	var all, able []string
	var found *config.Service
	for i := range c.Services {
		svc := &c.Services[i]
		all = append(all, svc.Name)
		if svc.Rollout != nil && (s.service == "" || s.service == svc.Name) {
			able = append(able, svc.Name)
			found = svc
		}
	}
	switch {
	case len(able) == 1:
		if s.to != "" && found.Pool(s.to) == nil && s.to != config.RoleCandidate && s.to != config.RoleIdle {
			return nil, usage{fmt.Errorf("--to %s: %s has no such pool; it has %s", s.to, found.Name, pools(found))}
		}
		return found, nil
	case len(able) > 1:
		return nil, usage{fmt.Errorf("--service: several services have a rollout, so name one: %s", strings.Join(able, ", "))}
	case s.service == "":
		return nil, usage{fmt.Errorf("%s: no service has a rollout; add rollout: {} to one with two pools", c.File)}
	}
	if slices.Contains(all, s.service) {
		return nil, usage{fmt.Errorf("--service %s: it has no rollout; add rollout: {} to it in %s", s.service, c.File)}
	}
	return nil, usage{fmt.Errorf("--service %s: not in %s, which has %s", s.service, c.File, strings.Join(all, ", "))}
}

func pools(svc *config.Service) string {
	names := make([]string, len(svc.Pools))
	for i := range svc.Pools {
		names[i] = svc.Pools[i].Name
	}
	return strings.Join(names, ", ")
}

// parsePercent reads "0.1%" as a fraction.
func parsePercent(text string) (float64, bool) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	return v / 100, ok && err == nil && v >= 0 && v <= 100
}

// parseChange reads "+1pt", "x2" and "2%".
func parseChange(text string) (simulate.Change, bool) {
	if number, ok := strings.CutPrefix(text, "x"); ok {
		v, err := strconv.ParseFloat(number, 64)
		return simulate.Change{Ratio: v}, err == nil && v >= 0
	}
	if number, ok := strings.CutSuffix(text, "pt"); ok {
		v, err := strconv.ParseFloat(number, 64)
		return simulate.Change{Ratio: 1, Add: v / 100}, err == nil && v >= -100 && v <= 100
	}
	v, ok := parsePercent(text)
	return simulate.Change{Add: v}, ok
}

// parseOutage reads "5m@30%"; "" is none.
func parseOutage(text string) (simulate.Outage, bool) {
	if text == "" {
		return simulate.Outage{}, true
	}
	long, share, _ := strings.Cut(text, "@")
	d, err := time.ParseDuration(long)
	v, ok := parsePercent(share)
	return simulate.Outage{For: d, Share: v}, ok && err == nil && d > 0 && v > 0
}

// parseLatency reads "40ms,160ms".
func parseLatency(text string) (simulate.Latency, bool) {
	first, second, _ := strings.Cut(text, ",")
	p50, err := time.ParseDuration(strings.TrimSpace(first))
	if err != nil {
		return simulate.Latency{}, false
	}
	p99, err := time.ParseDuration(strings.TrimSpace(second))
	return simulate.Latency{P50: p50, P99: p99}, err == nil && p50 > 0 && p99 >= p50 && p99 <= time.Minute
}
