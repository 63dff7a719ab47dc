package admin

import (
	"bytes"
	"encoding/json"
	goflag "flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/switchback-proxy/switchback/admin/api"
)

var update = goflag.Bool("update", false, "rewrite what is generated")

// golden compares got with a file, or rewrites it under -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		write(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not true any more; -update rewrites it. It would be:\n%s", file, got)
	}
}

// TestOperationsAreTheRoutes: every route is described, and nothing else is.
func TestOperationsAreTheRoutes(t *testing.T) {
	b := newBench(t, func(d *Deps) { d.Evaluate = http.NotFoundHandler() })
	routes := map[string]bool{}
	err := chi.Walk(b.server.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route != evaluatePath+"/*" {
			routes[method+" "+route] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, o := range operations {
		name := o.method + " " + o.path
		if o.mounted != strings.HasPrefix(o.path, evaluatePath) || !o.mounted && !routes[name] {
			t.Errorf("%s is described, but no route", name)
		}
		if ids[o.id] || !slices.Contains(tags, o.tag) || o.summary == "" {
			t.Errorf("%s: id %q, tag %q, summary %q", name, o.id, o.tag, o.summary)
		}
		ids[o.id] = true
		delete(routes, name)
	}
	for name := range routes {
		t.Errorf("%s is not described; add it to operations", name)
	}
}

// TestDefinitionMembers: what is said of the body of a flag is what is read.
func TestDefinitionMembers(t *testing.T) {
	if got := fields(&definition{}); !slices.Equal(got, flagMembers) {
		t.Errorf("described are %q, read %q", got, flagMembers)
	}
}

// TestOpenAPI keeps openapi.json.
func TestOpenAPI(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(document(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi.json", b.String())
}

// TestOpenAPIServed: the document is where it says, and only for those who may read.
func TestOpenAPIServed(t *testing.T) {
	_, tokens := withTokens(t)
	b := newBench(t, tokens)
	w := b.ask(t, "GET", "/openapi.json", "", "Authorization: Bearer "+viewerSecret)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != string(contract) {
		t.Errorf("%d %v %.100s", w.Code, w.Header(), w.Body)
	}
	wantProblem(t, b.ask(t, "GET", "/openapi.json", ""), http.StatusUnauthorized, "admin.tokens")
}

var pathName = regexp.MustCompile(`\{([a-z]+)\}`)

type members = map[string]any

// document is the OpenAPI document of the operations.
func document(t *testing.T) members {
	t.Helper()
	s := newShapes(t)
	paths := members{}
	for _, o := range operations {
		at, ok := paths[o.path].(members)
		if !ok {
			at = members{}
			paths[o.path] = at
			var names []any
			for _, m := range pathName.FindAllStringSubmatch(o.path, -1) {
				names = append(names, members{"name": m[1], "in": "path", "required": true, "schema": members{"type": "string"}})
			}
			if names != nil {
				at["parameters"] = names
			}
		}
		at[strings.ToLower(o.method)] = o.describe(s)
	}
	var groups []any
	for _, tag := range tags {
		groups = append(groups, members{"name": tag})
	}
	s.schema(api.Error{})
	return members{
		"openapi": "3.1.0",
		"info": members{
			"title": "switchback", "version": "v1",
			"description": "The admin API: what moves the traffic of services, and what is known of it. Every request needs a known Host; errors are RFC 9457 problems.",
			"license":     members{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []any{members{"url": "http://127.0.0.1:9900", "description": "the default of admin.address"}},
		"security": []any{members{"token": []any{}}, members{}},
		"tags":     groups,
		"paths":    paths,
		"components": members{
			"schemas": s.components,
			"securitySchemes": members{
				"token": members{"type": "http", "scheme": "bearer", "description": "One of admin.tokens; without any in the file nothing is needed on this machine."},
			},
			"responses": members{
				"Problem": members{
					"description": "A problem (RFC 9457); nothing was changed.",
					"content":     members{"application/problem+json": members{"schema": members{"$ref": "#/components/schemas/Error"}}},
				},
			},
		},
	}
}

// describe is what the document says of an operation.
func (o *operation) describe(s *shapes) members {
	all := members{
		"operationId": o.id, "summary": o.summary, "tags": []any{o.tag},
		"responses": o.responses(s),
	}
	if o.open {
		all["security"] = []any{}
	}
	var parameters []any
	for _, q := range o.query {
		parameters = append(parameters, members{"name": q.name, "in": "query", "description": q.about, "schema": s.schema(q.sample)})
	}
	if o.match {
		parameters = append(parameters, members{
			"name": "If-Match", "in": "header", "schema": members{"type": "string"},
			"description": "The ETag that is expected; 412 when it is another one by now.",
		})
	}
	if o.match || o.write {
		parameters = append(parameters, members{
			"name": "Idempotency-Key", "in": "header", "schema": members{"type": "string", "maxLength": maxKey},
			"description": "The same write with the same key gets the answer of the first one, and changes nothing again.",
		}, members{
			"name": "dry_run", "in": "query", "schema": members{"type": "boolean"},
			"description": "true: nothing is changed, the answer says what would be.",
		})
	}
	if parameters != nil {
		all["parameters"] = parameters
	}
	if o.body != nil {
		all["requestBody"] = members{
			"required": len(o.needs) > 0,
			"content":  members{"application/json": members{"schema": s.request(o.body, o.needs)}},
		}
	}
	if o.text != "" {
		all["requestBody"] = members{"required": true, "content": members{o.text: members{"schema": members{"type": "string"}}}}
	}
	return all
}

func (o *operation) responses(s *shapes) members {
	content := members{}
	if o.answer != nil {
		content["application/json"] = members{"schema": s.schema(o.answer)}
	}
	if o.media != "" {
		content[o.media] = members{"schema": members{"type": "string"}}
	}
	all := members{
		"200":     members{"description": "Done.", "content": content},
		"default": members{"$ref": "#/components/responses/Problem"},
	}
	if o.created {
		all["201"] = members{"description": "Made.", "content": content}
	}
	if o.tag == tagOFREP {
		all["default"] = members{"description": "An error of OpenFeature's protocol.", "content": members{"application/json": members{"schema": members{"type": "object"}}}}
	}
	return all
}

// TestAnswersFitTheDocument asks a server for everything and holds each answer against what the document says of it.
func TestAnswersFitTheDocument(t *testing.T) {
	b := newBench(t)
	b.rollout, b.events = past(), remembered()
	for _, o := range operations {
		if o.mounted || o.answer == nil {
			continue
		}
		path := strings.NewReplacer("{service}", "shop", "{flag}", "checkout", "{rollout}", b.rollout.ID).Replace(o.path)
		body := samples[o.id]
		if o.body != nil && body == "" {
			body = `{"reason": "a test"}`
		}
		headers := []string{}
		switch {
		case o.text != "":
			headers = append(headers, "Content-Type: "+o.text)
		case body != "":
			headers = append(headers, jsonBody)
		}
		w := b.ask(t, o.method, path, body, headers...)
		if w.Code != 200 && w.Code != 201 {
			t.Errorf("%s %s: %d %s", o.method, path, w.Code, w.Body)
			continue
		}
		if err := checkAnswer(o, w.Code, w.Body.Bytes()); err != nil {
			t.Errorf("%s %s: %s\nis not what the document says: %v", o.method, path, w.Body, err)
		}
	}
	w := b.ask(t, "GET", "/v1/services/nobody", "")
	if err := fits("#/components/schemas/Error", w.Body.Bytes()); err != nil {
		t.Errorf("a problem is not what the document says: %v", err)
	}
}

// samples are the bodies that need more than a reason.
var samples = map[string]string{
	"setWeights":   `{"weights": {"blue": 50, "green": 50}, "reason": "a test"}`,
	"cutover":      `{"to": "green", "reason": "a test"}`,
	"evaluateFlag": `{"context": {"targetingKey": "alice"}}`,
	"putFlag":      `{"strategy": "all", "reason": "a test"}`,
	"explain":      `{"path": "/cart"}`,
	"cohort":       `{"service": "shop", "keys": ["42"]}`,
	"checkConfig":  "services: {}",
	"diffConfig":   "services: {}",
	"setFlag":      `{"strategy": "percentage", "value": 5}`,
}

// past is a rollout in which everything is said that can be.
func past() *api.Rollout {
	at := time.Unix(1_700_000_000, 0).UTC()
	counts := api.Counts{Requests: 100, Bad: 1}
	return &api.Rollout{
		ID: "r1", Phase: api.PhaseStepping, Step: 1, Steps: 4, Weight: 5, Next: &api.NextStep{Weight: 25}, Candidate: "green", Baseline: "blue",
		Version: "2", Since: at, Began: at, Observed: "8m", Least: "1m", Deadline: "30m", Checks: []api.Check{
			{Name: "errors", Verdict: "undecided", Candidate: counts, Baseline: counts, Waiting: "more", MissingSince: &at, Values: []float64{1}, Error: "no answer", Observed: true},
		},
	}
}

func remembered() []api.Event {
	return []api.Event{
		{ID: "1", Service: "shop", Type: api.EventStarted, Rollout: "r1", Before: api.Weights{"blue": 100}, Checks: past().Checks, Step: 1, Version: "2"},
		{ID: "2", Flag: "checkout", Type: api.EventFlagSet},
	}
}

func checkAnswer(o operation, status int, body []byte) error {
	at := "#/paths/" + strings.ReplaceAll(strings.ReplaceAll(o.path, "/", "~1"), "{", "%7B")
	at = strings.ReplaceAll(at, "}", "%7D")
	return fits(fmt.Sprintf("%s/%s/responses/%d/content/application~1json/schema", at, strings.ToLower(o.method), status), body)
}

// fits holds a value against a part of the document, in which no object has more than it says.
func fits(at string, body []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(contract))
	if err != nil {
		return err
	}
	components := doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	for _, c := range components {
		c.(map[string]any)["additionalProperties"] = false
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", doc); err != nil {
		return err
	}
	s, err := c.Compile("openapi.json" + at)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}
