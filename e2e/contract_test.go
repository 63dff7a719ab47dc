//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// contractOperation is one of the document that the server shows.
type contractOperation struct{ id, method, path string }

// order is how the operations are tried; those that are not in it follow, as they are in the document.
var order = []string{
	"startRollout", "getRollout", "getRollouts", "getPastRollout", "getPlan", "getEvents", "promote", "stepBack", "pause", "resume", "approve",
	"openGate", "rollbackRollout", "setWeights", "dropIntent", "cutover", "getService", "rollback", "reload",
	"putFlag", "setFlag", "killFlag", "restoreFlag", "evaluateFlag", "getFlag", "getFlagHistory", "dropFlag",
}

// bodies are those that need more than a reason.
var bodies = map[string]string{
	"setWeights":       `{"weights": {"blue": 60, "green": 40}, "reason": "a test"}`,
	"startRollout":     `{"to": "green", "reason": "a test"}`,
	"cutover":          `{"to": "green", "reason": "a test"}`,
	"evaluateFlag":     `{"context": {"targetingKey": "alice"}}`,
	"putFlag":          `{"strategy": "percentage", "value": 5, "reason": "a test"}`,
	"setFlag":          `{"value": 7, "reason": "a test"}`,
	"explain":          `{"path": "/", "headers": {"X-User-ID": "42"}}`,
	"cohort":           `{"service": "web", "weight": 10, "keys": ["41", "42"]}`,
	"checkConfig":      "services: {}",
	"diffConfig":       "services: {}",
	"ofrepEvaluate":    `{"context": {"targetingKey": "alice"}}`,
	"ofrepEvaluateAll": `{"context": {"targetingKey": "alice"}}`,
}

// maybeRefused are commands that nothing waits for here; their problem is held against the document all the same.
var maybeRefused = []string{"approve", "openGate"}

// endless are answers that do not end.
var endless = []string{"ofrepEvents"}

// TestContract: what a server shows as its contract is a valid OpenAPI document, and everything it answers is what that
// says: every route is asked while a rollout runs and flags are there.
func TestContract(t *testing.T) {
	t.Parallel()
	r := newTrial(t, "    rollout: {steps: [{weight: 10, for: 10m, approve: true}, 20], deadline: 1h}\n    sticky: {key: [{header: X-User-ID}]}\n")
	r.extra = "flags: {new-checkout: {strategy: percentage, value: 50}}"
	r.save(t, r.yaml(100))
	r.start(t)
	r.up(t)
	r.flow(t, 50)
	raw := r.fetch(t, "/openapi.json")
	v, _ := contractOf(t, raw)
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("the document is not OpenAPI: %v", p)
		}
	}
	strict, all := contractOf(t, closed(t, raw))
	rollout := ""
	for _, o := range all {
		if slices.Contains(endless, o.id) {
			continue
		}
		path := strings.NewReplacer("{service}", "web", "{flag}", "new-checkout", "{key}", "new-checkout", "{rollout}", rollout).Replace(o.path)
		if strings.Contains(path, "{") {
			t.Errorf("%s: what stands for a name in %s?", o.id, path)
			continue
		}
		r.hold(t, strict, o, path)
		if o.id == "startRollout" {
			binary.Within(t, time.Minute, "something was seen of both pools", func() bool {
				s, err := r.api.Service(t.Context(), "web")
				return err == nil && s.Rollout != nil && s.Pools["green"].Traffic != nil && s.Pools["blue"].Traffic != nil
			})
			rollout = r.rollout(t).ID
		}
	}
}

// hold makes one request and holds it and its answer against the document.
func (r *trial) hold(t *testing.T, v validator.Validator, o contractOperation, path string) {
	t.Helper()
	body := bodies[o.id]
	if body == "" && o.method != http.MethodGet {
		body = `{"reason": "a test"}`
	}
	q, err := http.NewRequestWithContext(t.Context(), o.method, "http://"+r.admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(o.id, "Config") && o.method == http.MethodPost:
		q.Header.Set("Content-Type", "application/yaml")
	case body != "":
		q.Header.Set("Content-Type", "application/json")
	}
	res, err := new(http.Client).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode >= 300 && !slices.Contains(maybeRefused, o.id) {
		t.Errorf("%s: %s %s", o.id, res.Status, answer)
	}
	res.Body, q.Body = io.NopCloser(bytes.NewReader(answer)), io.NopCloser(strings.NewReader(body))
	if ok, problems := v.ValidateHttpRequestResponse(q, res); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s\n%+v\nanswer %s", o.id, p.Error(), p.SchemaValidationErrors, answer)
		}
	}
}

func (r *trial) fetch(t *testing.T, path string) []byte {
	t.Helper()
	res, err := http.Get("http://" + r.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return raw
}

// contractOf reads a document and lists its operations in the order of the test.
func contractOf(t *testing.T, raw []byte) (validator.Validator, []contractOperation) {
	t.Helper()
	document, err := libopenapi.NewDocument(raw)
	if err != nil {
		t.Fatal(err)
	}
	v, problems := validator.NewValidator(document)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var shape struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		t.Fatal(err)
	}
	var all []contractOperation
	for path, methods := range shape.Paths {
		for method, text := range methods {
			var o struct{ OperationID string }
			if json.Unmarshal(text, &o) == nil && o.OperationID != "" {
				all = append(all, contractOperation{o.OperationID, strings.ToUpper(method), path})
			}
		}
	}
	slices.SortFunc(all, func(a, b contractOperation) int {
		if d := rank(a.id) - rank(b.id); d != 0 {
			return d
		}
		return strings.Compare(a.id, b.id)
	})
	return v, all
}

func rank(id string) int {
	if at := slices.Index(order, id); at >= 0 {
		return at
	}
	return len(order)
}

// closed is the document with shapes that have nothing but what they say.
func closed(t *testing.T, raw []byte) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, shape := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		shape.(map[string]any)["additionalProperties"] = false
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
