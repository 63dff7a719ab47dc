package api_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestQuestions: each asks its endpoint; the text of a file is sent as it is, as YAML.
func TestQuestions(t *testing.T) {
	var got string
	c := client(t, "", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type") + " " + string(body)
		_, _ = io.WriteString(w, "{}")
	})
	ctx, weight := t.Context(), 12.5
	tests := []struct {
		want string
		ask  func() error
	}{
		{`POST /v1/explain application/json {"path":"/x","headers":{"A":"1"}}`, func() error {
			return drop(c.Explain(ctx, api.ExplainRequest{Path: "/x", Headers: map[string]string{"A": "1"}}))
		}},
		{`POST /v1/cohort application/json {"service":"shop","weight":12.5,"keys":["a"]}`, func() error {
			return drop(c.Cohort(ctx, api.CohortRequest{Service: "shop", Weight: &weight, Keys: []string{"a"}}))
		}},
		{"POST /v1/config/check application/yaml a: <1>\n", func() error { return drop(c.CheckConfig(ctx, []byte("a: <1>\n"))) }},
		{"POST /v1/config/diff application/yaml ", func() error { return drop(c.DiffConfig(ctx, nil)) }},
		{"GET /v1/config  ", func() error { return drop(c.EffectiveConfig(ctx)) }},
	}
	for _, tt := range tests {
		if err := tt.ask(); err != nil || got != tt.want {
			t.Errorf("asked %q, %v; want %q", got, err, tt.want)
		}
	}
}
