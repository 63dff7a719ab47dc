package router_test

import (
	"errors"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

func TestRoles(t *testing.T) {
	tests := []struct {
		name                      string
		pools                     []string
		intent                    router.Intent
		baseline, candidate, idle string
	}{
		{name: "one pool", pools: []string{"blue 100"}, baseline: "blue"},
		{name: "two pools", pools: []string{"blue 100", "green 0"}, baseline: "blue", candidate: "green", idle: "green"},
		{name: "heaviest second", pools: []string{"blue 10", "green 90"}, baseline: "green", candidate: "blue", idle: "blue"},
		{name: "tie in file order", pools: []string{"green 50", "blue 50"}, baseline: "green", candidate: "blue", idle: "blue"},
		{
			name: "baseline kept past half", pools: []string{"blue 10", "green 90"},
			intent: router.Intent{Baseline: "blue"}, baseline: "blue", candidate: "green", idle: "green",
		},
		{
			name: "weights of the intent", pools: []string{"blue 100", "green 0"},
			intent: router.Intent{Weights: config.All("green")}, baseline: "green", candidate: "blue", idle: "blue",
		},
		{
			name: "a baseline that is gone", pools: []string{"blue 10", "green 90"},
			intent: router.Intent{Baseline: "grey"}, baseline: "green", candidate: "blue", idle: "blue",
		},
		{
			name: "a candidate that is gone", pools: []string{"blue 90", "green 10"},
			intent: router.Intent{Candidate: "grey"}, baseline: "blue", candidate: "green", idle: "green",
		},
		{
			name: "a candidate that became the baseline", pools: []string{"blue 10", "green 90"},
			intent: router.Intent{Baseline: "grey", Candidate: "green"}, baseline: "green", candidate: "blue", idle: "blue",
		},
		{name: "three pools, one idle", pools: []string{"blue 60", "green 40", "grey 0"}, baseline: "blue", idle: "grey"},
		{name: "three pools, two idle", pools: []string{"blue 100", "green 0", "grey 0"}, baseline: "blue"},
		{name: "three pools, none idle", pools: []string{"blue 20", "green 40", "grey 40"}, baseline: "green"},
		{
			name: "three pools, the baseline at zero is not idle", pools: []string{"blue 0", "green 100", "grey 0"},
			intent: router.Intent{Baseline: "blue"}, baseline: "blue", idle: "grey",
		},
		{
			name: "three pools in a rollout", pools: []string{"blue 95", "green 0", "grey 5"},
			intent:   router.Intent{Baseline: "blue", Candidate: "grey"},
			baseline: "blue", candidate: "grey", idle: "grey",
		},
		{
			name: "three pools, candidate that became the baseline", pools: []string{"blue 100", "green 0", "grey 0"},
			intent: router.Intent{Candidate: "blue"}, baseline: "blue",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := compile(t, conf(service(t, "web", tt.pools...)), intents{"web": tt.intent}, nil)
			s := tab.Service("web")
			want := map[string]string{
				"baseline": tt.baseline, "live": tt.baseline, "candidate": tt.candidate, "idle": tt.idle,
				"blue": "blue", "absent": "", "": "",
			}
			for role, pool := range want {
				if got := name(s.Resolve(role)); got != pool {
					t.Errorf("%q is pool %q, want %q", role, got, pool)
				}
			}
			if name(s.Baseline) != tt.baseline || name(s.Candidate) != tt.candidate || name(s.Idle()) != tt.idle {
				t.Errorf("baseline %q, candidate %q, idle %q", name(s.Baseline), name(s.Candidate), name(s.Idle()))
			}
		})
	}
}

func TestListenerPool(t *testing.T) {
	tests := []struct {
		name   string
		pools  []string
		intent router.Intent
		pool   string
		want   string // "": ErrNoPool
	}{
		{"idle of two", []string{"blue 100", "green 0"}, router.Intent{}, "idle", "green"},
		{"idle whatever its weight", []string{"blue 60", "green 40"}, router.Intent{}, "idle", "green"},
		{"idle after a cutover", []string{"blue 100", "green 0"}, router.Intent{Weights: config.All("green"), Baseline: "green"}, "idle", "blue"},
		{"idle of three", []string{"blue 50", "green 50", "grey 0"}, router.Intent{}, "idle", "grey"},
		{"idle in a rollout", []string{"blue 100", "green 0", "grey 0"}, router.Intent{Candidate: "grey"}, "idle", "grey"},
		{"ambiguous idle", []string{"blue 100", "green 0", "grey 0"}, router.Intent{}, "idle", ""},
		{"no idle", []string{"blue 100"}, router.Intent{}, "idle", ""},
		{"pool", []string{"blue 100", "green 0"}, router.Intent{}, "green", "green"},
		{"unknown", []string{"blue 100", "green 0"}, router.Intent{}, "grey", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := compile(t, conf(service(t, "web", tt.pools...)), intents{"web": tt.intent}, nil)
			q := get("", "/")
			q.Pool = tt.pool
			d, err := tab.Decide(q, [2]uint64{})
			if name(d.Pool) != tt.want || d.Cause != router.ByListener || (tt.want == "") != errors.Is(err, router.ErrNoPool) {
				t.Errorf("got %q by %s, %v; want %q", name(d.Pool), d.Cause, err, tt.want)
			}
		})
	}
}

func TestRulesToRoles(t *testing.T) {
	web := service(t, "web", "blue 50", "green 50", "grey 0")
	to := func(path, role string) config.Rule {
		return config.Rule{When: config.Match{PathPrefix: path}, To: role}
	}
	web.Rules = []config.Rule{
		to("/c", config.RoleCandidate), to("/b", config.RoleBaseline), to("/l", config.RoleLive), to("/i", config.RoleIdle),
		to("/c", "grey"),
	}
	tests := []struct {
		name   string
		intent router.Intent
		want   map[string]string
	}{
		{"no candidate: the rule is passed over", router.Intent{}, map[string]string{"/c": "grey", "/b": "blue", "/l": "blue", "/i": "grey"}},
		{"candidate", router.Intent{Baseline: "green", Candidate: "blue"}, map[string]string{"/c": "blue", "/b": "green", "/l": "green", "/i": "blue"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := compile(t, conf(web), intents{"web": tt.intent}, nil)
			for path, want := range tt.want {
				if d := decide(t, tab, get("", path), [2]uint64{}); d.Pool.Name != want || d.Cause != router.ByRule {
					t.Errorf("%s meets %s by %s, want %s", path, d.Pool.Name, d.Cause, want)
				}
			}
		})
	}
}
