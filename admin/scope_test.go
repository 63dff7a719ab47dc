package admin

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/internal/memnet"
)

// scoped configures an operator and a viewer for one service and some flags.
func scoped(t testing.TB, edit func(*config.Token)) func(*Deps) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ci"), operatorSecret)
	write(t, filepath.Join(dir, "eye"), viewerSecret)
	return func(d *Deps) {
		d.Config.Tokens = []config.Token{
			{Name: "ci", Role: config.Operator, File: filepath.Join(dir, "ci")},
			{Name: "eye", Role: config.Viewer, File: filepath.Join(dir, "eye")},
		}
		for i := range d.Config.Tokens {
			edit(&d.Config.Tokens[i])
		}
	}
}

func TestScopes(t *testing.T) {
	const all = "all"
	tests := []struct {
		services, flags, method, path, detail string // detail "": let in
	}{
		{"shop", "", "PUT", "/v1/services/shop/weights", ""},
		{"shop", "", "POST", "/v1/services/shop/cutover", ""},
		{"shop", "", "GET", "/v1/services/shop", ""},
		{"shop", "", "GET", "/v1/services/sho%70/rollouts", ""},
		{"shop", "", "GET", "/v1/services", ""},
		{"shop", "", "GET", "/v1/events?service=shop", ""},
		{"shop", "", "GET", "/livez", ""},
		{"web", "", "GET", "/v1/services/shop", "Token ci is for services web only; this is about service shop."},
		{"web", "", "PUT", "/v1/services/shop/weights", "service shop"},
		{"web", "", "GET", "/v1/services/sho%70", "service shop"},
		{"web", "", "GET", "/v1/services/web%2F..%2Fshop", "service web/../shop"},
		{"web", "", "GET", "/v1/services/nobody", "service nobody"}, // no word about what is there
		{"web", "", "GET", "/v1/events?service=shop", "service shop"},
		{"shop", "", "GET", "/metrics", "the whole node"},
		{"shop", "", "GET", "/v1/config", "the whole node"},
		{"shop", "", "POST", "/v1/config/diff", "the whole node"},
		{"shop", "", "POST", "/v1/explain", "the whole node"},
		{"shop", "", "POST", "/v1/cohort", "the whole node"},
		{"shop", "", "POST", "/v1/config/reload", "the whole node"},
		{"shop", "", "GET", "//v1/services/shop", "the whole node"},
		{"shop", "", "GET", "/v1/services/", "service"},
		{"shop", "", "GET", "/v1/services/flag:checkout", "service flag:checkout"},
		{"shop", "", "GET", "/v1/flags/checkout", "flag checkout"},
		{"shop", "", "POST", "/api/flags/checkout", "flag checkout"},
		{"shop", "checkout", "POST", "/api/flags/checkout", ""},
		{"", "check*", "POST", "/v1/flags/checkout/kill", ""},
		{"", "check*", "GET", "/v1/flags", ""},
		{"", "check*", "POST", "/v1/flags/chess/kill", "Token ci is for flags check* only; this is about flag chess."},
		{"", "check*", "GET", "/v1/services/shop", "service shop"},
		{"", "check*", "POST", "/ofrep/v1/evaluate/flags/chess", "flag chess"},
		{"", "check*", "POST", "/ofrep/v1/evaluate/flags", "the whole node"},
		{"", all, "PUT", "/v1/flags/anything", ""},
		{"", "", "GET", "/metrics", ""},
	}
	for _, tt := range tests {
		b := newBench(t, scoped(t, func(k *config.Token) {
			if tt.services != "" {
				k.Services = strings.Fields(tt.services)
			}
			if tt.flags != "" {
				k.Flags = strings.Fields(strings.ReplaceAll(tt.flags, all, "*"))
			}
		}))
		body := ""
		switch {
		case strings.HasSuffix(tt.path, "weights"):
			body = `{"weights": {"blue": 100}}`
		case strings.HasSuffix(tt.path, "cutover"):
			body = `{"to": "green"}`
		case strings.Contains(tt.path, "flags/") && tt.method != "GET" && !strings.HasSuffix(tt.path, "kill"):
			body = `{"strategy": "none"}`
		}
		w := b.ask(t, tt.method, tt.path, body, "Authorization: Bearer "+operatorSecret, jsonBody)
		if tt.detail != "" {
			if w.Code != http.StatusForbidden {
				t.Errorf("%s %s with %q and %q: status %d, want 403", tt.method, tt.path, tt.services, tt.flags, w.Code)
				continue
			}
			wantProblem(t, w, http.StatusForbidden, tt.detail)
			if len(b.seen()) > 0 {
				t.Errorf("%s %s was carried out: %q", tt.method, tt.path, b.seen())
			}
			continue
		}
		if w.Code >= 300 {
			t.Errorf("%s %s with %q and %q: status %d: %s", tt.method, tt.path, tt.services, tt.flags, w.Code, w.Body)
		}
	}
}

// Lists show what a token is for and nothing of the rest.
func TestScopedLists(t *testing.T) {
	for _, tt := range []struct {
		services, flags []string
		want            string
	}{
		{nil, nil, "services:shop node:a.yaml flags:checkout events:01 02 03 04 05 06 07"},
		{[]string{"shop"}, nil, "services:shop node: flags: events:01 03 04 05 06"},
		{[]string{"web"}, []string{"checkout"}, "services: node: flags:checkout events:02 07"},
	} {
		b := newBench(t, scoped(t, func(k *config.Token) { k.Services, k.Flags = tt.services, tt.flags }))
		b.file = "a.yaml"
		b.events = append(lived(), api.Event{ID: "07", Flag: "checkout"})
		get := func(path string, into any) {
			t.Helper()
			w := b.ask(t, "GET", path, "", "Authorization: Bearer "+viewerSecret)
			if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%s: status %d, %v", path, w.Code, err)
			}
		}
		var o api.Overview
		var f api.Flags
		var e api.Events
		get("/v1/services", &o)
		get("/v1/flags", &f)
		get("/v1/events", &e)
		var services, flags, events []string
		for _, s := range o.Services {
			services = append(services, s.Name)
		}
		for _, v := range f.Flags {
			flags = append(flags, v.Name)
		}
		for _, v := range e.Events {
			events = append(events, v.ID)
		}
		got := "services:" + strings.Join(services, " ") + " node:" + o.Node.Config.File +
			" flags:" + strings.Join(flags, " ") + " events:" + strings.Join(events, " ")
		if got != tt.want {
			t.Errorf("%q and %q see %s, want %s", tt.services, tt.flags, got, tt.want)
		}
		if c, all := o.Node.Connections, o.Node.Config.File != ""; (c.Fast+c.General > 0) != all || (len(c.Handovers) > 0) != all || c.Handovers == nil {
			t.Errorf("%q and %q see connections %+v", tt.services, tt.flags, c)
		}
	}
}

// A stream shows what its token is for, also when that becomes less meanwhile.
func TestScopedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		services := []string{"web"}
		tokens := scoped(t, func(k *config.Token) { k.Services = services })
		network, b := memnet.New(), newBench(t, tokens)
		b.events, b.feed = lived(), make(chan api.Event)
		stop := b.serve(t, network)
		l := listen(t, network, "/v1/events", "Authorization: Bearer "+viewerSecret)
		if got := l.ids(t, 1); got != "02" {
			t.Errorf("first event %s, want 02", got)
		}
		b.feed <- api.Event{ID: "07", Service: "shop"}
		b.feed <- api.Event{ID: "08", Type: "node.started"}
		b.feed <- api.Event{ID: "09", Service: "web"}
		if got := l.ids(t, 1); got != "09" {
			t.Errorf("then %s, want 09", got)
		}
		services = []string{"shop"}
		var d Deps
		tokens(&d)
		d.Config.Hosts = []string{"switchback.internal"}
		if err := b.server.Swap(d.Config); err != nil {
			t.Fatal(err)
		}
		if got := l.block(t); got != ":\n" {
			t.Fatalf("%q, want a heartbeat", got)
		}
		b.feed <- api.Event{ID: "10", Service: "web"}
		b.feed <- api.Event{ID: "11", Service: "shop"}
		if got := l.ids(t, 1); got != "11" {
			t.Errorf("then %s, want 11", got)
		}
		_ = l.conn.Close()
		stop()
	})
}

func TestTokensExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, scoped(t, func(k *config.Token) { k.Expires = time.Now().Add(time.Hour) }))
		if w := b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer "+viewerSecret); w.Code != http.StatusOK {
			t.Errorf("status %d before the end", w.Code)
		}
		time.Sleep(time.Hour)
		for range 2 * maxTries { // it is no guess, so it locks nobody out
			w := b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer "+viewerSecret)
			wantProblem(t, w, http.StatusUnauthorized, "Token eye expired at 2000-01-01T01:00:00Z")
		}
		if got := len(b.refused); got != 2*maxTries || !strings.HasPrefix(b.refused[0], "eye 127.0.0.1: Token eye expired") {
			t.Errorf("%d refusals are told: %q", got, b.refused)
		}
	})
}
