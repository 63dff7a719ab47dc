package config

import (
	"encoding/json"
	"fmt"
	"strconv"
)

func (c *Config) showServices() shown {
	s := shown{}
	for i := range c.Services {
		if svc := &c.Services[i]; svc.Of == "" {
			s = s.set(svc.Name, svc.show())
		}
	}
	return s
}

func (s *Service) show() shown {
	out := shown{}.some("hosts", bracketed(s.Hosts)).set("paths", s.Paths).
		set("pools", each(s.Pools, func(p Pool) string { return p.Name }, showPool))
	weights := shown{}
	for _, p := range s.Pools {
		weights = weights.set(p.Name, s.Weights[p.Name])
	}
	t, d := s.Timeouts, s.Drain
	out = out.set("weights", weights).set("balance", s.Balance).set("sticky", s.Sticky.show()).
		some("rules", showRules(s.Rules)).
		set("health", s.Health.show()).
		set("timeouts", shown{}.
			set("connect", span(t.Connect)).set("response_header", span(t.ResponseHeader)).
			set("idle", span(t.Idle)).set("request", span(t.Request))).
		set("host", s.Host).set("http2", s.HTTP2).
		set("drain", shown{}.
			set("timeout", span(d.Timeout)).set("long_lived", d.LongLived).
			set("long_lived_timeout", span(d.LongLivedTimeout)).set("spread", span(d.Spread)))
	if s.Rollout != nil {
		out = out.set("rollout", s.Rollout.show())
	}
	return out.some("flags", s.Flags)
}

// show leaves out what is not asked: a path beside gRPC.
func (h Health) show() shown {
	s := shown{}
	if h.GRPC == nil {
		s = s.set("path", h.Path)
	} else {
		s = s.set("grpc", shown{}.some("service", h.GRPC.Service))
	}
	s = s.set("every", span(h.Every)).set("timeout", span(h.Timeout)).set("passes", h.Passes).set("fails", h.Fails)
	if h.GRPC == nil {
		s = s.set("status", statusTexts(h.Status))
	}
	return s.set("panic_below", h.PanicBelow)
}

func showPool(p Pool) shown {
	var targets []shown
	for _, t := range p.Targets {
		targets = append(targets, shown{}.set("url", t.URL).set("weight", t.Weight))
	}
	return shown{}.some("version", p.Version).set("targets", targets)
}

func (s Sticky) show() shown {
	var keys []shown
	for _, k := range s.Key {
		keys = append(keys, shown{}.some("header", k.Header).some("cookie", k.Cookie).some("issue_cookie", k.IssueCookie))
	}
	return shown{}.some("key", keys).set("seed", s.Seed)
}

func showRules(rules []Rule) []shown {
	var all []shown
	for _, r := range rules {
		header := shown{}
		for _, m := range r.When.Header {
			header = header.set(m.Name, m.Value)
		}
		when := shown{}.some("header", header).some("users", r.When.Users).some("flag", r.When.Flag).some("path_prefix", r.When.PathPrefix)
		all = append(all, shown{}.set("when", when).set("to", r.To))
	}
	return all
}

func statusTexts(all []StatusRange) []string {
	var texts []string
	for _, r := range all {
		text := strconv.Itoa(r.From)
		if r.To != r.From {
			text = fmt.Sprintf("%d-%d", r.From, r.To)
		}
		texts = append(texts, text)
	}
	return texts
}

func (r *Rollout) show() shown {
	var steps []shown
	for _, s := range r.Steps {
		steps = append(steps, shown{}.set("weight", s.Weight).set("for", span(s.For)).set("approve", s.Approve))
	}
	out := shown{}.set("start", r.Start).set("steps", steps)
	var windows []string
	for _, w := range r.Windows {
		windows = append(windows, w.Text)
	}
	out = out.some("windows", windows)
	if r.Bake != nil {
		out = out.set("bake", shown{}.set("for", span(r.Bake.For)).set("holdback", r.Bake.Holdback))
	}
	return out.set("deadline", span(r.Deadline)).set("undecided", r.Undecided).set("on_fail", r.OnFail).
		set("alpha", percentOf(r.Alpha)).set("beta", percentOf(r.Beta)).
		set("checks", each(r.Checks, func(c Check) string { return c.Name }, showCheck)).
		some("gates", showGates(r.Gates)).some("announce", showAnnounce(r.Announce))
}

func showGates(gates []Gate) []shown {
	var all []shown
	for _, g := range gates {
		all = append(all, shown{}.set("at", g.At).set("post", masked(g.Post)).some("token_file", g.TokenFile).set("timeout", span(g.Timeout)))
	}
	return all
}

func showAnnounce(list []Announce) []shown {
	var all []shown
	for _, a := range list {
		s := shown{}
		if a.Post != "" {
			s = s.set("post", masked(a.Post))
		}
		all = append(all, s.some("token_file", a.TokenFile).some("slack_file", a.SlackFile))
	}
	return all
}

// showFlags is the flags as they define themselves, with what the file alone may say.
func (c *Config) showFlags() shown {
	s := shown{}
	for i := range c.Flags {
		f := &c.Flags[i]
		if f.Rollout == nil {
			s = s.set(f.Name, f)
			continue
		}
		rollout := shown{}.set("service", f.Rollout.Service)
		if svc := c.Service(FlagService(f.Name)); svc != nil {
			rollout = append(rollout, svc.Rollout.show()...)
		}
		s = s.set(f.Name, withRollout{f, rollout})
	}
	return s
}

// withRollout is a flag's definition and the rollout behind it.
type withRollout struct {
	flag    *Flag
	rollout shown
}

// MarshalJSON adds the rollout as the last member of the definition.
func (w withRollout) MarshalJSON() ([]byte, error) {
	definition, err := json.Marshal(w.flag)
	if err != nil {
		return nil, err
	}
	rollout, err := json.Marshal(w.rollout)
	if err != nil {
		return nil, err
	}
	out := append(definition[:len(definition)-1], `,"rollout":`...)
	return append(append(out, rollout...), '}'), nil
}
