package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/router"
)

// services goes through those of the new file, then those that leave.
func (f *differ) services() {
	for i := range f.plan.config.Services {
		now := &f.plan.config.Services[i]
		was := f.loop.config.Service(now.Name)
		if was == nil {
			f.arrives(now)
			continue
		}
		f.traffic(was, now)
		f.decisions(now)
		f.pools(was, now)
		f.keys(was, now)
	}
	for i := range f.loop.config.Services {
		was := &f.loop.config.Services[i]
		if f.plan.config.Service(was.Name) == nil {
			f.leaves(was)
		}
	}
}

func (f *differ) arrives(now *config.Service) {
	w := f.plan.table.Service(now.Name).Weights
	said := fmt.Sprintf("is new: %s", sayWeights(now, w))
	if rec := f.loop.records[now.Name]; !rec.state.Empty() {
		said = fmt.Sprintf("is back, its state was kept: %s", sayWeights(now, w))
	}
	f.say("traffic", now.Name, now.Of == "", "%s", said)
}

func (f *differ) leaves(was *config.Service) {
	f.say("traffic", was.Name, was.Of == "", "leaves the file: its requests are other services' or answered 404; its state is kept")
}

// draft is what becomes of the state of a service; nil: nothing.
func (f *differ) draft(service string) *draft {
	i := slices.IndexFunc(f.plan.drafts, func(d *draft) bool { return d.service == service })
	if i < 0 {
		return nil
	}
	return f.plan.drafts[i]
}

// traffic says what becomes of the weights in force, and why they stay where somebody might expect otherwise.
func (f *differ) traffic(was, now *config.Service) {
	before, after := f.loop.table.Service(now.Name), f.plan.table.Service(now.Name)
	state := f.loop.records[now.Name].state
	next := state
	if d := f.draft(now.Name); d != nil {
		next = d.state
	}
	switch {
	case !before.Weights.Equal(after.Weights):
		c := api.ConfigChange{
			Area: "traffic", Service: now.Name, Moves: true, Before: percent(was, before.Weights), After: percent(now, after.Weights),
			Sentence: fmt.Sprintf("weights change from %s to %s", sayWeights(was, before.Weights), sayWeights(now, after.Weights)),
		}
		if state.Intent != nil && next.Intent == nil {
			c.Sentence += " and win over the " + strings.TrimPrefix(state.Why.String(), "the ")
		}
		if flag := config.FlagOf(now.Name); flag != "" {
			c.Service, c.Flag = "", flag
		}
		f.add(c)
	case next.Pending(now) != nil:
		f.say("traffic", now.Name, false, "the file's weights, %s, wait until it is resumed; in force stays %s",
			sayWeights(now, now.Weights), sayWeights(now, after.Weights))
	case state.Intent != nil && next.Intent != nil:
		f.say("traffic", now.Name, false, "%s: the file's weights did not change (%s)", sayKept(now, after.Weights), next.Why)
	case state.Intent != nil:
		f.say("traffic", now.Name, false, "the file says what is in force, %s: nothing moves, and the intent dissolves (%s)",
			sayWeights(now, after.Weights), state.Why)
	}
	if before.Baseline.Name != after.Baseline.Name {
		f.say("traffic", now.Name, false, "the baseline is %s, no longer %s", after.Baseline.Name, before.Baseline.Name)
	}
	if len(now.Sticky.Key) > 0 && after.Weights.Sole() == "" && !before.SplitsLike(after) {
		f.say("traffic", now.Name, true, "users are drawn anew, so some change pools: the seed, the pools or the baseline are others")
	}
}

// decisions are what the state itself would remember of the reload, apart from weights that were told already.
func (f *differ) decisions(now *config.Service) {
	d := f.draft(now.Name)
	if d == nil {
		return
	}
	for _, a := range d.actions {
		announced, ok := a.(rollout.Announce)
		if !ok || announced.Decision.Type == rollout.TrafficWeights {
			continue
		}
		area := "rollout"
		if announced.Decision.Type == rollout.RolloutEvidence {
			area = "evidence"
		}
		f.say(area, now.Name, false, "%s", announced.Decision.Sentence)
	}
	was := f.loop.records[now.Name].state
	if was.Failed != nil && d.state.Failed == nil {
		f.say("rollout", now.Name, false, "%s is no longer latched: its version is another", was.Failed.Pool)
	}
}

// pools compares targets and versions.
func (f *differ) pools(was, now *config.Service) {
	table := f.loop.table.Service(was.Name)
	for i := range now.Pools {
		p := &now.Pools[i]
		old := was.Pool(p.Name)
		if old == nil {
			f.say("pools", now.Name, false, "pool %s is new: %s, probed at once", p.Name, count(len(p.Targets), "target"))
			continue
		}
		if old.Version != p.Version {
			f.say("pools", now.Name, false, "%s: version %s becomes %s", p.Name, quoted(old.Version), quoted(p.Version))
		}
		f.targets(table.Pool(p.Name), now.Name, old, p)
	}
	for i := range was.Pools {
		if p := &was.Pools[i]; now.Pool(p.Name) == nil {
			f.say("pools", now.Name, false, "pool %s leaves: %d requests in flight end by themselves", p.Name, table.Pool(p.Name).InFlight())
		}
	}
}

func (f *differ) targets(table *router.Pool, service string, was, now *config.Pool) {
	weights := map[string]int{}
	for _, t := range was.Targets {
		weights[t.URL] = t.Weight
	}
	kept := 0
	for _, t := range now.Targets {
		switch old, known := weights[t.URL]; {
		case !known:
			f.say("pools", service, table.Weight > 0, "%s: %s is new and unknown until its first probe ends", now.Name, t.URL)
		case old != t.Weight:
			f.say("pools", service, table.Weight > 0, "%s: the weight of %s becomes %d, was %d", now.Name, t.URL, t.Weight, old)
			kept++
		default:
			kept++
		}
		delete(weights, t.URL)
	}
	for _, t := range table.Targets {
		if _, gone := weights[t.URL]; gone {
			f.say("pools", service, table.Weight > 0, "%s: %s leaves, %d requests in flight end by themselves", now.Name, t.URL, t.InFlight())
		}
	}
	if kept > 0 && (len(weights) > 0 || kept < len(now.Targets)) {
		f.say("health", service, false, "%s: %s that stay keep their health", now.Name, count(kept, "target"))
	}
}

// keys names the other parts of a service that differ.
func (f *differ) keys(was, now *config.Service) {
	if !reflect.DeepEqual(was.Health, now.Health) {
		f.say("health", now.Name, false, "the probes change; every target keeps its status until the next ones say otherwise")
	}
	routes, live := []string{}, []string{}
	note := func(into *[]string, key string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			*into = append(*into, key)
		}
	}
	note(&routes, "hosts", was.Hosts, now.Hosts)
	note(&routes, "paths", was.Paths, now.Paths)
	note(&routes, "rules", was.Rules, now.Rules)
	note(&routes, "sticky.key", was.Sticky.Key, now.Sticky.Key)
	note(&live, "balance", was.Balance, now.Balance)
	note(&live, "timeouts", was.Timeouts, now.Timeouts)
	note(&live, "host", was.Host, now.Host)
	note(&live, "http2", was.HTTP2, now.HTTP2)
	note(&live, "drain", was.Drain, now.Drain)
	note(&live, "flags", was.Flags, now.Flags)
	if len(routes) > 0 && now.Of == "" {
		f.say("traffic", now.Name, true, "%s change: requests that match otherwise go elsewhere at once", strings.Join(routes, ", "))
	}
	if len(live) > 0 && now.Of == "" {
		f.say("other", now.Name, false, "%s change for requests that begin afterwards", strings.Join(live, ", "))
	}
	if !reflect.DeepEqual(was.Rollout, now.Rollout) {
		from := "for the next rollout"
		if f.loop.records[now.Name].state.Running() != nil {
			from = "at once"
		}
		f.say("rollout", now.Name, false, "the plan changes; it counts %s", from)
	}
}

// sayWeights is weights as people read them, those with something and all others of the service.
func sayWeights(svc *config.Service, w config.Weights) string {
	var said []string
	for _, p := range svc.Pools {
		said = append(said, fmt.Sprintf("%s %v", p.Name, w[p.Name]))
	}
	for _, name := range sortedKeys(w) {
		if svc.Pool(name) == nil && w[name] > 0 {
			said = append(said, fmt.Sprintf("%s %v", name, w[name]))
		}
	}
	return strings.Join(said, ", ")
}

// sayKept says who keeps what.
func sayKept(svc *config.Service, w config.Weights) string {
	if sole := w.Sole(); sole != "" {
		return sole + " keeps " + config.Full.String()
	}
	return sayWeights(svc, w) + " stay"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
