package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParse looks for inputs that stop the process, for an error without a place, and for an accepted
// file that other packages could not rely on.
func FuzzParse(f *testing.F) {
	for _, file := range append(files(f, "testdata/valid/*.yaml"), files(f, "testdata/broken/*.yaml")...) {
		if data := readFile(f, file); len(data) < 4096 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data)
		if err == nil {
			checkInvariants(t, c)
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("error is %T, want Problems", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 0 || p.Msg == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("bad problem %q", p.String())
			}
		}
	})
}

// checkInvariants checks what the comments of the types promise.
func checkInvariants(t testing.TB, c *Config) {
	t.Helper()
	if len(c.Listeners) == 0 || len(c.Services) == 0 {
		t.Errorf("got %d listeners and %d services, want at least one", len(c.Listeners), len(c.Services))
	}
	for _, l := range c.Listeners {
		if l.Serve != ServeFlags && (l.Serve != "" || len(l.Tokens)+len(l.CORS) > 0) || l.Serve != "" && l.Pool != "" {
			t.Errorf("listener %s: serves %q to %v of %v, pool %q", l.Name, l.Serve, l.Tokens, l.CORS, l.Pool)
		}
		if l.Address == "" || l.Timeouts.Header <= 0 || l.Timeouts.Idle <= 0 {
			t.Errorf("listener %s: address %q, timeouts %v", l.Name, l.Address, l.Timeouts)
		}
		if l.TLS != nil && len(l.TLS.Certificates) == 0 {
			t.Errorf("listener %s: TLS without certificates", l.Name)
		}
	}
	if c.Admin.Address == "" || c.State.Dir == "" || c.Trust.Override.Header == "" || c.Log.Level == "" || c.Shutdown.Timeout <= 0 {
		t.Errorf("a default is missing: %+v", c)
	}
	if len(c.Admin.Tokens) == 0 && !isLocal(c.Admin.Address) {
		t.Errorf("admin %s is open to others without tokens", c.Admin.Address)
	}
	for i := range c.Services {
		checkServiceInvariants(t, c, &c.Services[i])
	}
	for i := range c.Flags {
		f := &c.Flags[i]
		checkFlagInvariants(t, f)
		if s := c.Service(FlagService(f.Name)); (s != nil) != (f.Rollout != nil) || s != nil && (c.Service(s.Of) == nil || s.Weights[VariantOn] != f.Value) {
			t.Errorf("flag %s: rollout %+v, service %+v", f.Name, f.Rollout, s)
		}
	}
}

func checkServiceInvariants(t testing.TB, c *Config, s *Service) {
	t.Helper()
	for _, name := range slices.Concat(s.Flags, ruleFlags(s)) {
		if c.Flag(name) == nil {
			t.Errorf("service %s: flag %q", s.Name, name)
		}
	}
	if s.Weights.Sum() != Full {
		t.Errorf("service %s: weights %v", s.Name, s.Weights)
	}
	for name, w := range s.Weights {
		if s.Pool(name) == nil || w < 0 {
			t.Errorf("service %s: weight %v of pool %q", s.Name, w, name)
		}
	}
	if len(s.Paths) == 0 && s.Of == "" || s.Host == "" || s.Balance == "" || s.Sticky.Seed == "" || s.Drain.Timeout <= 0 || s.Timeouts.Connect <= 0 {
		t.Errorf("service %s: a default is missing: %+v", s.Name, s)
	}
	for _, host := range s.Hosts {
		if host == "" || host != strings.ToLower(host) {
			t.Errorf("service %s: host %q", s.Name, host)
		}
	}
	if len(s.Pools) == 0 {
		t.Errorf("service %s: no pool", s.Name)
	}
	for _, p := range s.Pools {
		if IsRole(p.Name) || (len(p.Targets) == 0) != (s.Of != "") {
			t.Errorf("service %s: pool %+v", s.Name, p)
		}
		for _, target := range p.Targets {
			if again, f := targetURL(target.URL); f != nil || again != target.URL || target.Weight < 1 {
				t.Errorf("service %s: target %+v is not canonical: %q", s.Name, target, again)
			}
		}
	}
	for _, r := range s.Rules {
		if s.Pool(r.To) == nil && !IsRole(r.To) {
			t.Errorf("service %s: rule to %q", s.Name, r.To)
		}
		if len(r.When.Header)+len(r.When.Users)+len(r.When.PathPrefix)+len(r.When.Flag) == 0 {
			t.Errorf("service %s: rule matches everything", s.Name)
		}
	}
	for _, k := range s.Sticky.Key {
		set := []string{k.Header, k.Cookie, k.IssueCookie}
		if slices.Sort(set); set[1] != "" || set[2] == "" {
			t.Errorf("service %s: sticky key %+v", s.Name, k)
		}
	}
	if s.Rollout != nil {
		checkRolloutInvariants(t, s)
	}
	h := s.Health
	if h.Every < 100*time.Millisecond || h.Timeout <= 0 || h.Passes < 1 || h.Fails < 1 || len(h.Status) == 0 || !strings.HasPrefix(h.Path, "/") {
		t.Errorf("service %s: health %+v", s.Name, h)
	}
}

// ruleFlags are the flags that the rules and the seed of a service speak of.
func ruleFlags(s *Service) (names []string) {
	for _, r := range s.Rules {
		if r.When.Flag != "" {
			names = append(names, r.When.Flag)
		}
	}
	if flag := s.Sticky.Seed.Flag(); flag != "" {
		names = append(names, flag)
	}
	return names
}

func checkRolloutInvariants(t testing.TB, s *Service) {
	t.Helper()
	r := s.Rollout
	if len(s.Pools) < 2 || r.Start == "" || r.Undecided == "" || r.OnFail == "" || r.Deadline <= 0 {
		t.Errorf("service %s: rollout %+v with %d pools", s.Name, r, len(s.Pools))
	}
	var before Weight
	for _, step := range r.Steps {
		if step.Weight <= before || step.For < time.Second || step.Weight < Full && step.For >= r.Deadline {
			t.Errorf("service %s: step %+v after %v, deadline %v", s.Name, step, before, r.Deadline)
		}
		before = step.Weight
	}
	if before != Full || len(r.Steps) > maxSteps {
		t.Errorf("service %s: the last of %d steps is %v", s.Name, len(r.Steps), before)
	}
	if b := r.Bake; b != nil {
		if b.For <= 0 || b.Holdback <= 0 || b.Holdback >= Full/2 || len(r.Steps) > 1 && Full-b.Holdback <= r.Steps[len(r.Steps)-2].Weight {
			t.Errorf("service %s: bake %+v after %+v", s.Name, b, r.Steps)
		}
	}
	for _, risk := range []float64{r.Alpha, r.Beta} {
		if !(risk > 0 && risk <= 0.5) {
			t.Errorf("service %s: alpha %v, beta %v", s.Name, r.Alpha, r.Beta)
		}
	}
	checkOutsideInvariants(t, r)
	if len(r.Checks) == 0 {
		t.Errorf("service %s: no check", s.Name)
	}
	order := []string{CheckErrors, CheckP50, CheckP95, CheckP99, CheckSlow}
	for _, c := range r.Checks {
		if c.Kind != "" {
			checkNamedInvariants(t, c)
			order = nil
			continue
		}
		at := slices.Index(order, c.Name)
		if at < 0 {
			t.Fatalf("service %s: check %s is unknown or out of order", s.Name, c.Name)
		}
		order = order[at+1:]
		checkCheckInvariants(t, c)
	}
}

// checkOutsideInvariants: what is called can be, and windows have a time in them.
func checkOutsideInvariants(t testing.TB, r *Rollout) {
	t.Helper()
	for _, g := range r.Gates {
		if _, f := callable(g.Post); f != nil || g.At == "" || g.Timeout < time.Second {
			t.Errorf("gate %+v: %v", g, f)
		}
	}
	for _, a := range r.Announce {
		if (a.Post == "") == (a.SlackFile == "") {
			t.Errorf("announce %+v", a)
		}
	}
	for _, w := range r.Windows {
		if w.location == nil || w.From == w.To || w.To > 24*60 || r.NextWindow(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
			t.Errorf("window %+v", w)
		}
	}
}

func checkCheckInvariants(t testing.TB, c Check) {
	t.Helper()
	latency := c.Quantile != 0
	switch {
	case latency != (c.Name != CheckErrors && c.Name != CheckSlow),
		latency && (c.MaxRatio <= 1 || c.MaxIncrease != 0 || c.Max != 0),
		!latency && !(c.MaxRatio >= 1 && c.MaxIncrease >= 0 && c.MaxIncrease <= 0.9 && c.MaxRatio+c.MaxIncrease > 1),
		c.MaxRatio > 100 || c.Max < 0 || c.Max > 1,
		(c.Name == CheckSlow) != (c.Over > 0),
		c.Name != CheckErrors && len(c.Also) > 0 || !slices.IsSorted(c.Also):
		t.Errorf("check %+v", c)
	}
	for _, status := range c.Also {
		if status < 400 || status > 499 {
			t.Errorf("check %s: also %v", c.Name, c.Also)
		}
	}
}

// checkNamedInvariants knows the checks that a file may name as it likes.
func checkNamedInvariants(t testing.TB, c Check) {
	t.Helper()
	value := c.MaxRatio == 0 || c.MaxRatio >= 1 && c.MaxRatio <= 1000
	held := c.MaxRatio > 0 || c.Max > 0
	good := false
	switch c.Kind {
	case KindScrape:
		good = value && held && c.Scrape.Metric != "" && c.Scrape.Path[0] == '/'
	case KindPrometheus:
		text, err := c.Query.Render(QueryData{Service: "s", Pool: "p", Version: "v", Window: "60s"})
		good = value && held && c.Query.URL != "" && err == nil && (text != "" || c.Query.Query == "")
	case KindWebhook:
		good = value && c.Webhook != "" && c.Verdicts() == !held
	case KindServerTiming:
		good = c.ServerTiming != "" && c.Quantile > 0 && c.Quantile < 1 && c.MaxRatio > 1
	case KindRatio:
		good = c.MaxDecrease > 0 && c.MaxDecrease <= 0.9 && c.Within >= time.Second && c.Good.Path != "" && c.Of.Path != ""
	}
	if !good || c.Kind.Fetched() != (c.Every > 0) || c.Max < 0 || nameFlaw(c.Name) != nil {
		t.Errorf("check %+v", c)
	}
}
