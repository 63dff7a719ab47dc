package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// TestQuestionsAreReads: who may only read may ask, also by POST; a question is no line in the log.
func TestQuestionsAreReads(t *testing.T) {
	_, edit := withTokens(t)
	b := newBench(t, edit)
	viewer := "Authorization: Bearer " + viewerSecret
	for path, body := range map[string]string{
		"/v1/explain":      `{"path": "/cart", "headers": {"X-User-ID": "42"}}`,
		"/v1/cohort":       `{"service": "shop", "weight": 10, "keys": ["42"]}`,
		"/v1/config/check": "services: {}",
		"/v1/config/diff":  "services: {}",
	} {
		jsonBody := jsonBody
		if !strings.HasPrefix(body, "{") {
			jsonBody = yamlBody
		}
		if w := b.ask(t, "POST", path, body, viewer, jsonBody); w.Code != http.StatusOK {
			t.Errorf("POST %s as a viewer: %d %s", path, w.Code, w.Body)
		}
		if w := b.ask(t, "POST", path, body, jsonBody); w.Code != http.StatusUnauthorized {
			t.Errorf("POST %s without a token: %d", path, w.Code)
		}
		if w := b.ask(t, "POST", path, body, viewer, jsonBody, "Origin: https://evil.example"); w.Code != http.StatusForbidden {
			t.Errorf("POST %s for a foreign page: %d", path, w.Code)
		}
	}
	if n := b.logs.Len(); n > 0 {
		t.Errorf("%d lines in the log: %v", n, b.logs.All())
	}
}

func TestQuestionsRefuse(t *testing.T) {
	b := newBench(t)
	for name, q := range map[string][2]string{
		"relative path": {"/v1/explain", `{"path": "cart"}`},
		"unknown key":   {"/v1/explain", `{"pth": "/cart"}`},
		"twice":         {"/v1/explain", `{"path": "/a", "path": "/b"}`},
		"query":         {"/v1/explain?dry_run=true", `{}`},
		"nobody":        {"/v1/cohort", `{"keys": ["1"]}`},
		"wrong type":    {"/v1/cohort", `{"service": "shop", "keys": "1"}`},
	} {
		if w := b.ask(t, "POST", q[0], q[1], jsonBody); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if seen := b.seen(); len(seen) > 0 {
		t.Errorf("the controller saw %v", seen)
	}
}

const yamlBody = "Content-Type: application/yaml; charset=utf-8"

// TestFileText: the text of a file comes as YAML and no longer than a file may be.
func TestFileText(t *testing.T) {
	b := newBench(t)
	for name, tt := range map[string]struct {
		body, header string
		want         int
	}{
		"text":      {"services: {}", yamlBody, http.StatusOK},
		"largest":   {"#" + strings.Repeat("x", config.MaxSize-1), yamlBody, http.StatusOK},
		"too large": {"#" + strings.Repeat("x", config.MaxSize+1), yamlBody, http.StatusBadRequest},
		"json":      {`{"services": {}}`, jsonBody, http.StatusBadRequest},
		"form":      {"services: {}", "Content-Type: application/x-www-form-urlencoded", http.StatusBadRequest},
		"untyped":   {"services: {}", "X-Y: z", http.StatusBadRequest},
	} {
		if w := b.ask(t, "POST", "/v1/config/diff", tt.body, tt.header); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
	if w := b.ask(t, "GET", "/v1/config", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"config":{"services":{}}`) {
		t.Errorf("GET /v1/config: %d %s", w.Code, w.Body)
	}
}

// TestCohortTakesMany: as many keys as the command line sends at once fit into a body.
func TestCohortTakesMany(t *testing.T) {
	b := newBench(t)
	body, err := json.Marshal(map[string]any{"service": "shop", "keys": strings.Fields(strings.Repeat(strings.Repeat("k", 256)+" ", 4096))})
	if err != nil {
		t.Fatal(err)
	}
	if w := b.ask(t, "POST", "/v1/cohort", string(body), jsonBody); w.Code != http.StatusOK {
		t.Errorf("%d bytes: %d %s", len(body), w.Code, w.Body)
	}
}
