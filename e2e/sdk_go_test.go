//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/switchback-proxy/switchback/internal/binary"
)

type goClient struct{ *openfeature.Client }

// goSDK is the Go SDK in this process.
func goSDK(t *testing.T) (*flagSite, sdk) {
	t.Helper()
	site := newFlagSite(t)
	if err := openfeature.SetNamedProviderAndWait(t.Name(), ofrep.NewProvider(site.flags, ofrep.WithBearerToken(flagToken))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := openfeature.SetNamedProvider(t.Name(), openfeature.NoopProvider{}); err != nil {
			t.Error(err)
		}
	})
	return site, goClient{openfeature.NewClient(t.Name())}
}

// TestGoSDKOnTheAdminAddress: who may use the API may ask for flags there too.
func TestGoSDKOnTheAdminAddress(t *testing.T) {
	t.Parallel()
	site := newFlagSite(t)
	if err := openfeature.SetNamedProviderAndWait(t.Name(), ofrep.NewProvider("http://"+site.admin)); err != nil {
		t.Fatal(err)
	}
	c := goClient{openfeature.NewClient(t.Name())}
	settle(t, c, question{"boolean", "checkout", false, user("alice")}, details{true, "on", "TARGETING_MATCH", "", map[string]any{}})
	site.kill(t, "checkout")
	settle(t, c, question{"boolean", "checkout", true, user("alice")}, details{false, "off", "STATIC", "", map[string]any{"killed": true}})
	if got := site.metric(t, `switchback_flag_evaluations_total{flag="checkout",reason="targeting_match"}`); got != "1" {
		t.Errorf("targeting matches counted: %q, want 1", got)
	}
}

func (c goClient) ask(t *testing.T, q question) details {
	t.Helper()
	attributes := map[string]any{}
	for name, v := range q.Context {
		attributes[name] = v
	}
	key, _ := attributes["targetingKey"].(string)
	delete(attributes, "targetingKey")
	ec := openfeature.NewEvaluationContext(key, attributes)
	var value any
	var d openfeature.EvaluationDetails
	switch q.Type { // the error says what the details say
	case "boolean":
		r, _ := c.BooleanValueDetails(t.Context(), q.Flag, q.Default.(bool), ec)
		value, d = r.Value, r.EvaluationDetails
	case "string":
		r, _ := c.StringValueDetails(t.Context(), q.Flag, q.Default.(string), ec)
		value, d = r.Value, r.EvaluationDetails
	case "integer":
		r, _ := c.IntValueDetails(t.Context(), q.Flag, int64(q.Default.(float64)), ec)
		value, d = float64(r.Value), r.EvaluationDetails
	case "float":
		r, _ := c.FloatValueDetails(t.Context(), q.Flag, q.Default.(float64), ec)
		value, d = r.Value, r.EvaluationDetails
	case "object":
		r, _ := c.ObjectValueDetails(t.Context(), q.Flag, q.Default, ec)
		value, d = r.Value, r.EvaluationDetails
	default:
		t.Fatalf("no type %s", q.Type)
	}
	metadata := map[string]any{}
	for name, v := range d.FlagMetadata {
		metadata[name] = v
	}
	return details{value, d.Variant, string(d.Reason), string(d.ErrorCode), metadata}
}

// settle asks until the answer is the wanted one: a page learns of a change a moment after it is acknowledged.
// Others ask anew each time, so their first answer has to be right.
func settle(t *testing.T, s sdk, q question, want details) {
	t.Helper()
	wanted, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	same := func() bool {
		got, _ = json.Marshal(s.ask(t, q))
		return string(got) == string(wanted)
	}
	if _, cached := s.(*webPage); cached {
		binary.Until(t, fmt.Sprintf("%s is %s", q.Flag, wanted), same)
		return
	}
	if !same() {
		t.Errorf("%s: %s, want %s", q.Flag, got, wanted)
	}
}
