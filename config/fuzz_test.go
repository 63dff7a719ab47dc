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
		checkServiceInvariants(t, &c.Services[i])
	}
}

func checkServiceInvariants(t testing.TB, s *Service) {
	t.Helper()
	if s.Weights.Sum() != Full {
		t.Errorf("service %s: weights %v", s.Name, s.Weights)
	}
	for name, w := range s.Weights {
		if s.Pool(name) == nil || w < 0 {
			t.Errorf("service %s: weight %v of pool %q", s.Name, w, name)
		}
	}
	if len(s.Paths) == 0 || s.Host == "" || s.Balance == "" || s.Sticky.Seed == "" || s.Drain.Timeout <= 0 || s.Timeouts.Connect <= 0 {
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
		if IsRole(p.Name) || len(p.Targets) == 0 {
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
		if len(r.When.Header)+len(r.When.Users)+len(r.When.PathPrefix) == 0 {
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
	if len(r.Checks) == 0 {
		t.Errorf("service %s: no check", s.Name)
	}
	order := []string{CheckErrors, CheckP50, CheckP95, CheckP99, CheckSlow}
	for _, c := range r.Checks {
		at := slices.Index(order, c.Name)
		if at < 0 {
			t.Fatalf("service %s: check %s is unknown or out of order", s.Name, c.Name)
		}
		order = order[at+1:]
		checkCheckInvariants(t, c)
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
