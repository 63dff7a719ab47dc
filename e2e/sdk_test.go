//go:build e2e

package e2e

import (
	"reflect"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// question is what an application asks its SDK; Default has the type.
type question struct {
	Type    string         `json:"type"`
	Flag    string         `json:"flag"`
	Default any            `json:"default"`
	Context map[string]any `json:"context"`
}

// details are what the SDK answers. Value is as JSON decodes it.
type details struct {
	Value    any            `json:"value"`
	Variant  string         `json:"variant"`
	Reason   string         `json:"reason"`
	Error    string         `json:"error"`
	Metadata map[string]any `json:"metadata"`
}

// sdk is an SDK of OpenFeature with its OFREP provider, unchanged. In front of it is a live listener.
type sdk interface {
	ask(t *testing.T, q question) details
}

func TestSDKs(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*flagSite, sdk){
		"go": goSDK, "node": nodeSDK, "web": func(t *testing.T) (*flagSite, sdk) { return webSDK(t, "disabled") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site, s := start(t)
			t.Run("answers", func(t *testing.T) { testAnswers(t, s) })
			t.Run("kill", func(t *testing.T) { testKill(t, site, s) })
			t.Run("percentage", func(t *testing.T) { testPercentage(t, site, s) })
		})
	}
}

func user(key string) map[string]any { return map[string]any{"targetingKey": key} }

func testAnswers(t *testing.T, s sdk) {
	object := map[string]any{"dark": true, "font": map[string]any{"size": 12.0}}
	tests := []struct {
		name string
		question
		value           any
		variant, reason string
		err             string
	}{
		{"boolean", question{"boolean", "boolean", false, user("u")}, true, "on", "STATIC", ""},
		{"off", question{"boolean", "none", true, user("u")}, false, "off", "STATIC", ""},
		{"string", question{"string", "title", "default", user("u")}, "Shop <2> “é”", "new", "STATIC", ""},
		{"integer", question{"integer", "limit", 1.0, user("u")}, 100.0, "high", "STATIC", ""},
		{"float", question{"float", "ratio", 0.25, user("u")}, 1.0, "whole", "STATIC", ""},
		{"object", question{"object", "theme", map[string]any{}, user("u")}, object, "night", "STATIC", ""},
		{"listed user", question{"boolean", "checkout", false, user("alice")}, true, "on", "TARGETING_MATCH", ""},
		{"split", question{"string", "color", "default", user("user-1")}, "#00d", "blue", "SPLIT", ""},
		{"targeting", question{"boolean", "pro", false, map[string]any{"targetingKey": "u", "plan": "pro"}}, true, "on", "TARGETING_MATCH", ""},
		{"nobody matches", question{"boolean", "pro", true, map[string]any{"targetingKey": "u", "plan": "free"}}, false, "off", "DEFAULT", ""},
		{"no context", question{"boolean", "boolean", false, map[string]any{}}, true, "on", "STATIC", ""},
		{"key missing", question{"boolean", "checkout", true, map[string]any{}}, true, "", "ERROR", "TARGETING_KEY_MISSING"},
		{"unknown flag", question{"string", "nobody", "default", user("u")}, "default", "", "ERROR", "FLAG_NOT_FOUND"},
		{"wrong type", question{"string", "boolean", "default", user("u")}, "default", "", "ERROR", "TYPE_MISMATCH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.ask(t, tt.question)
			if !reflect.DeepEqual(got.Value, tt.value) || got.Variant != tt.variant || got.Reason != tt.reason || got.Error != tt.err {
				t.Errorf("%+v, want %v %q %s %s", got, tt.value, tt.variant, tt.reason, tt.err)
			}
		})
	}
}

// The kill switch gives the off value, whatever the application has as its default.
func testKill(t *testing.T, site *flagSite, s sdk) {
	site.kill(t, "title")
	site.kill(t, "checkout")
	settle(t, s, question{"string", "title", "default", user("alice")}, details{"Shop", "old", "STATIC", "", map[string]any{"killed": true}})
	settle(t, s, question{"boolean", "checkout", true, user("alice")}, details{false, "off", "STATIC", "", map[string]any{"killed": true}})
	site.restore(t, "title")
	site.restore(t, "checkout")
	settle(t, s, question{"string", "title", "default", user("alice")}, details{"Shop <2> “é”", "new", "STATIC", "", map[string]any{}})
	settle(t, s, question{"boolean", "checkout", false, user("alice")}, details{true, "on", "TARGETING_MATCH", "", map[string]any{}})
}

// The pipeline's way: more users, and never fewer.
func testPercentage(t *testing.T, site *flagSite, s sdk) {
	users := []string{"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"}
	had := map[string]bool{}
	for _, value := range []string{"0", "50", "100"} {
		definition := []byte(`{"strategy":"percentage","value":` + value + `}`)
		if _, err := site.api.SetFlag(t.Context(), "checkout", api.FlagRequest{Definition: definition, Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, u := range users {
			want, err := site.api.EvaluateFlag(t.Context(), "checkout", api.EvaluationRequest{Context: user(u)})
			if err != nil {
				t.Fatal(err)
			}
			on := string(want.Value) == "true"
			settle(t, s, question{"boolean", "checkout", !on, user(u)}, details{on, want.Variant, "SPLIT", "", map[string]any{}})
			if had[u] && !on {
				t.Errorf("%s lost the flag at %s %%", u, value)
			}
			if had[u] = on; on {
				n++
			}
		}
		if value == "0" && n != 0 || value == "100" && n != len(users) {
			t.Errorf("%d of %d users have the flag at %s %%", n, len(users), value)
		}
	}
}
