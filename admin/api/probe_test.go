package api_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
)

func TestProbes(t *testing.T) {
	var asked []string
	answer := func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		if r.URL.Path == "/readyz" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"type": "about:blank", "detail": "Not ready: shutting down."}`)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
	c := client(t, "", answer)
	if err := c.Live(t.Context()); err != nil {
		t.Errorf("Live = %v", err)
	}
	err := c.Ready(t.Context())
	if p, ok := errors.AsType[*api.Error](err); !ok || p.Status != http.StatusServiceUnavailable || p.Detail != "Not ready: shutting down." {
		t.Errorf("Ready = %v, want a problem with 503", err)
	}
	if got := strings.Join(asked, ", "); got != "GET /livez, GET /readyz" {
		t.Errorf("asked %s", got)
	}
}

func TestProbesOfSomethingElse(t *testing.T) {
	c := client(t, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer like a switchback") {
		t.Errorf("Ready = %v", err)
	}
}
