package admin

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/secret"
)

// Every refusal is asked of a server without tokens and must reach no command.
func TestRefusalsChangeNothing(t *testing.T) {
	const cutover = "/v1/services/shop/cutover"
	const weights = "/v1/services/shop/weights"
	const rollback = "/v1/services/shop/rollback"
	const rollout = "/v1/services/shop/rollout"
	const good = `{"to": "green"}`
	tests := []struct {
		name           string
		method, target string
		body           string
		headers        []string
		status         int
		detail         string
	}{
		{"unknown service", "POST", "/v1/services/shap/cutover", good, []string{jsonBody}, 404, `no service "shap"`},
		{"unknown service, bad body", "POST", "/v1/services/shap/cutover", "{", []string{jsonBody}, 404, "no service"},
		{"service with an escaped slash", "POST", "/v1/services/a%2Fb/cutover", good, []string{jsonBody}, 404, `no service "a/b"`},
		{"service with a NUL", "POST", "/v1/services/shop%00/cutover", good, []string{jsonBody}, 404, "no service"},
		{"service escaped twice", "POST", "/v1/services/sho%2570/cutover", good, []string{jsonBody}, 404, `no service "sho%70"`},
		{"dot segments", "POST", "/v1/services/x/../shop/cutover", good, []string{jsonBody}, 404, "nothing at"},
		{"empty service", "POST", "/v1/services//cutover", good, []string{jsonBody}, 404, ""},
		{"other case", "POST", "/v1/services/SHOP/cutover", good, []string{jsonBody}, 404, "no service"},
		{"trailing slash", "POST", cutover + "/", good, []string{jsonBody}, 404, "nothing at"},
		{"later capability", "POST", "/v1/captures", good, []string{jsonBody}, 404, "nothing at"},
		{"pprof", "GET", "/debug/pprof/", "", nil, 404, "nothing at"},
		{"service cannot be read", "POST", "/v1/services/broken/cutover", good, []string{jsonBody}, 500, "its log says why"},

		{"foreign host", "POST", cutover, good, []string{jsonBody, "Host: evil.example"}, 421, `"evil.example" is not a name`},
		{"rebound name", "POST", cutover, good, []string{jsonBody, "Host: 127.0.0.1.evil.example:9900"}, 421, "not a name"},
		{"rebound name, read", "GET", "/v1/services", "", []string{"Host: rebind.evil.example:9900"}, 421, "not a name"},
		{"foreign host on a probe", "GET", "/livez", "", []string{"Host: evil.example"}, 421, "not a name"},
		{"no host", "POST", cutover, good, []string{jsonBody, "Host: "}, 421, "not a name"},
		{"number for a host", "POST", cutover, good, []string{jsonBody, "Host: 2130706433:9900"}, 421, "not a name"},
		{"host behind an at sign", "POST", cutover, good, []string{jsonBody, "Host: localhost:80@evil.example"}, 421, "not a name"},
		{"name for sockets only", "POST", cutover, good, []string{jsonBody, "Host: switchback"}, 421, "not a name"},

		{"cross-site", "POST", cutover, good, []string{jsonBody, "Sec-Fetch-Site: cross-site"}, 403, "another origin"},
		{"same-site", "POST", cutover, good, []string{jsonBody, "Sec-Fetch-Site: same-site"}, 403, "another origin"},
		{"unknown fetch site", "POST", cutover, good, []string{jsonBody, "Sec-Fetch-Site: x"}, 403, "another origin"},
		{"foreign origin", "POST", cutover, good, []string{jsonBody, "Origin: https://evil.example"}, 403, "another origin"},
		{
			"foreign origin that claims to be ours", "POST", cutover, good,
			[]string{jsonBody, "Origin: https://evil.example", "Sec-Fetch-Site: same-origin"},
			403, "another origin",
		},
		{"opaque origin", "POST", cutover, good, []string{jsonBody, "Origin: null"}, 403, "another origin"},
		{"other port", "POST", cutover, good, []string{jsonBody, "Origin: http://127.0.0.1:3000"}, 403, "another origin"},
		{"two origins", "POST", cutover, good, []string{jsonBody, "Origin: http://127.0.0.1:9900", "Origin: http://evil.example"}, 403, "another origin"},
		{"foreign origin, DELETE", "DELETE", weights, "", []string{"Origin: https://evil.example"}, 403, "another origin"},
		{"foreign origin, reload", "POST", "/v1/config/reload", "", []string{"Origin: https://evil.example"}, 403, "another origin"},

		{"GET on a write", "GET", cutover, "", nil, 405, "use POST"},
		{"GET on weights", "GET", weights, "", nil, 405, "use PUT or DELETE"},
		{"HEAD on a write", "HEAD", cutover, "", nil, 405, "use POST"},
		{"GET with an override", "GET", cutover, "", []string{"X-HTTP-Method-Override: POST"}, 405, "use POST"},
		{"OPTIONS", "OPTIONS", cutover, "", []string{"Origin: https://evil.example", "Access-Control-Request-Method: POST"}, 405, "use POST"},
		{"TRACE", "TRACE", "/v1/services", "", nil, 405, "use GET or HEAD"},
		{"unknown method", "BREW", "/v1/services", "", nil, 405, "use GET or HEAD"},
		{"unknown method, unknown path", "BREW", "/nowhere", "", nil, 404, "nothing at"},
		{"write on a read", "POST", "/v1/services/shop", good, []string{jsonBody}, 405, "use GET or HEAD"},
		{"write on a probe", "POST", "/readyz", "", nil, 405, "use GET or HEAD"},

		{"no content type", "POST", cutover, good, nil, 400, "application/json"},
		{"form", "POST", cutover, "to=green", []string{"Content-Type: application/x-www-form-urlencoded"}, 400, "application/json"},
		{"form without a body", "POST", rollback, "", []string{"Content-Type: application/x-www-form-urlencoded"}, 400, "application/json"},
		{"text", "POST", cutover, good, []string{"Content-Type: text/plain"}, 400, "application/json"},
		{"almost JSON", "POST", cutover, good, []string{"Content-Type: application/jsonp"}, 400, "application/json"},
		{"two content types", "POST", cutover, good, []string{jsonBody, "Content-Type: text/plain"}, 400, "application/json"},

		{"oversized", "POST", cutover, `{"to": "green", "reason": "` + strings.Repeat("x", 70<<10) + `"}`, []string{jsonBody}, 400, "more than 65536 bytes"},
		{"long reason", "POST", cutover, `{"to": "green", "reason": "` + strings.Repeat("x", 1100) + `"}`, []string{jsonBody}, 400, "reason has 1100 bytes"},
		{"no body", "POST", cutover, "", []string{jsonBody}, 400, "to is missing"},
		{"half an object", "POST", cutover, `{"to": "gre`, []string{jsonBody}, 400, "ends too early"},
		{"half a member", "POST", cutover, `{"to"`, []string{jsonBody}, 400, "ends too early"},
		{"not an object", "POST", cutover, `["green"]`, []string{jsonBody}, 400, "not an object"},
		{"null", "POST", cutover, `null`, []string{jsonBody}, 400, "not an object"},
		{"trailing data", "POST", cutover, good + `{"to": "blue"}`, []string{jsonBody}, 400, "something behind"},
		{"trailing rubbish", "POST", cutover, good + `]`, []string{jsonBody}, 400, "something behind"},
		{"unknown field", "POST", cutover, `{"to": "green", "too": 1}`, []string{jsonBody}, 400, `"too" is unknown; known are to, from`},
		{"field of other case", "POST", cutover, `{"TO": "green"}`, []string{jsonBody}, 400, `"TO" is unknown`},
		{"field twice", "POST", cutover, `{"to": "green", "to": "blue"}`, []string{jsonBody}, 400, `"to" is there twice`},
		{"field twice, escaped", "POST", cutover, `{"to": "green", "\u0074o": "blue"}`, []string{jsonBody}, 400, `"to" is there twice`},
		{"pool twice", "PUT", weights, `{"weights": {"blue": 50, "blue": 100}}`, []string{jsonBody}, 400, `"blue" is there twice`},
		{"wrong type", "POST", cutover, `{"to": 5}`, []string{jsonBody}, 400, "to must be of type string, not number"},
		{"weight as a string", "PUT", weights, `{"weights": {"blue": "50"}}`, []string{jsonBody}, 400, "must be of type number, not string"},
		{"weights as a list", "PUT", weights, `{"weights": [50, 50]}`, []string{jsonBody}, 400, "weights must be of type object, not array"},
		{"weight out of range", "PUT", weights, `{"weights": {"blue": 1e999}}`, []string{jsonBody}, 400, "must be of type number"},
		{"NaN", "PUT", weights, `{"weights": {"blue": NaN}}`, []string{jsonBody}, 400, "not valid"},
		{"missing comma", "POST", cutover, `{"to": "green" "from": "blue"}`, []string{jsonBody}, 400, "not valid"},
		{"not UTF-8", "POST", cutover, "{\"to\": \"gr\xffen\"}", []string{jsonBody}, 400, "not UTF-8"},
		{"byte order mark", "POST", cutover, "\ufeff" + good, []string{jsonBody}, 400, "not valid"},
		{"deep list", "POST", cutover, `{"to": ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, []string{jsonBody}, 400, "too deep"},
		{"deep object", "POST", cutover, `{"to": ` + strings.Repeat(`{"a":`, 10000), []string{jsonBody}, 400, "too deep"},
		{"weights missing", "PUT", weights, `{"reason": "x"}`, []string{jsonBody}, 400, "weights is missing"},
		{"unknown wait", "POST", cutover, `{"to": "green", "wait": "long"}`, []string{jsonBody}, 400, "wait is"},
		{"timeout without wait", "POST", cutover, `{"to": "green", "timeout": "5m"}`, []string{jsonBody}, 400, "timeout bounds the wait"},
		{"timeout without unit", "POST", cutover, `{"to": "green", "wait": "drained", "timeout": "5"}`, []string{jsonBody}, 400, "timeout is"},
		{"timeout too long", "POST", cutover, `{"to": "green", "wait": "drained", "timeout": "100h"}`, []string{jsonBody}, 400, "timeout is"},
		{"force without a reason", "POST", cutover, `{"to": "green", "force": true, "reason": " "}`, []string{jsonBody}, 400, "force needs a reason"},
		{"forced rollback without a reason", "POST", rollback, `{"force": true}`, []string{jsonBody}, 400, "force needs a reason"},
		{"forced pause", "POST", "/v1/services/shop/rollout/pause", `{"force": true, "reason": "x"}`, []string{jsonBody}, 400, "force does nothing here"},
		{"forced drop without a reason", "DELETE", weights, `{"force": true}`, []string{jsonBody}, 400, "force needs a reason"},
		{"forced weights without a reason", "PUT", weights, `{"weights": {"blue": 100}, "force": true}`, []string{jsonBody}, 400, "force needs a reason"},
		{"forced approval", "POST", rollout + "/approve", `{"force": true, "reason": "x"}`, []string{jsonBody}, 400, "force does nothing here"},
		{"gate without a reason", "POST", rollout + "/open-gate", `{"gate": "start", "reason": " "}`, []string{jsonBody}, 400, "needs a reason"},
		{"gate nobody knows", "POST", rollout + "/open-gate", `{"gate": "begin", "reason": "x"}`, []string{jsonBody}, 400, "it is start, promote or finish"},
		{"forced step back", "POST", rollout + "/step-back", `{"force": true, "reason": "x"}`, []string{jsonBody}, 400, "force does nothing here"},
		{"start with a weight", "POST", rollout, `{"weight": 5}`, []string{jsonBody}, 400, `"weight" is unknown; known are to, reason`},
		{"start, long reason", "POST", rollout, `{"reason": "` + strings.Repeat("x", 1100) + `"}`, []string{jsonBody}, 400, "reason has 1100 bytes"},
		{"promote, full as a word", "POST", rollout + "/promote", `{"full": "yes"}`, []string{jsonBody}, 400, "full must be of type boolean, not string"},
		{"promote, long reason", "POST", rollout + "/promote", `{"reason": "` + strings.Repeat("x", 1100) + `"}`, []string{jsonBody}, 400, "reason has 1100 bytes"},
		{"promote, unknown service", "POST", "/v1/services/shap/rollout/promote", "", nil, 404, "no service"},
		{"promote as a form", "POST", rollout + "/promote", "full=true", []string{"Content-Type: application/x-www-form-urlencoded"}, 400, "application/json"},
		{"promote from a foreign page", "POST", rollout + "/promote", "", []string{"Origin: https://evil.example"}, 403, "another origin"},
		{"GET on promote", "GET", rollout + "/promote", "", nil, 405, "use POST"},
		{"dry run", "POST", cutover + "?dry_run=yes", good, []string{jsonBody}, 400, "dry_run=true"},

		{"If-Match without a number", "POST", cutover, good, []string{jsonBody, "If-Match: abc"}, 400, "If-Match is"},
		{"If-Match half quoted", "POST", cutover, good, []string{jsonBody, `If-Match: "42`}, 400, "If-Match is"},
		{"If-Match weak", "POST", cutover, good, []string{jsonBody, `If-Match: W/"42"`}, 400, "If-Match is"},
		{"If-Match zero", "POST", cutover, good, []string{jsonBody, `If-Match: "0"`}, 400, "If-Match is"},
		{"If-Match list", "POST", cutover, good, []string{jsonBody, `If-Match: "41", "42"`}, 400, "If-Match is"},
		{"If-Match twice", "POST", cutover, good, []string{jsonBody, `If-Match: 41`, `If-Match: 42`}, 400, "If-Match is"},
		{"If-Match empty", "POST", cutover, good, []string{jsonBody, `If-Match: `}, 400, "If-Match is"},
		{"If-Match of a reload", "POST", "/v1/config/reload", "", []string{`If-Match: 42`}, 400, "reload has none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			w := b.ask(t, tt.method, tt.target, tt.body, tt.headers...)
			wantProblem(t, w, tt.status, tt.detail)
			if got := b.seen(); len(got) > 0 {
				t.Errorf("the controller saw %q, want nothing", got)
			}
			if tt.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			wantProtected(t, w.Header())
		})
	}
}

func wantProtected(t testing.TB, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s is sent; no other origin may read answers", name)
		}
	}
}

func TestTokensGuard(t *testing.T) {
	const cutover = "/v1/services/shop/cutover"
	tests := []struct {
		name           string
		method, target string
		auth           []string
		status         int
	}{
		{"no token, write", "POST", cutover, nil, 401},
		{"no token, read", "GET", "/v1/services", nil, 401},
		{"no token, metrics", "GET", "/metrics", nil, 401},
		{"no token, unknown path", "GET", "/nowhere", nil, 401},
		{"no token, almost a probe", "GET", "/livez/", nil, 401},
		{"wrong token", "POST", cutover, []string{"Authorization: Bearer wrong"}, 401},
		{"prefix of a token", "POST", cutover, []string{"Authorization: Bearer " + operatorSecret[:10]}, 401},
		{"empty token", "POST", cutover, []string{"Authorization: Bearer "}, 401},
		{"other scheme", "POST", cutover, []string{"Authorization: Basic " + operatorSecret}, 401},
		{"token in the query", "POST", cutover + "?token=" + operatorSecret, nil, 401},
		{"two tokens", "POST", cutover, []string{"Authorization: Bearer " + operatorSecret, "Authorization: Bearer " + viewerSecret}, 401},
		{"viewer writes", "POST", cutover, []string{"Authorization: Bearer " + viewerSecret}, 403},
		{"viewer deletes", "DELETE", "/v1/services/shop/weights", []string{"Authorization: Bearer " + viewerSecret}, 403},
		{"viewer starts", "POST", "/v1/services/shop/rollout", []string{"Authorization: Bearer " + viewerSecret}, 403},
		{"viewer promotes", "POST", "/v1/services/shop/rollout/promote", []string{"Authorization: Bearer " + viewerSecret}, 403},
		{"no token, events", "GET", "/v1/events", nil, 401},
		{"no token, stream", "GET", "/v1/events", []string{"Accept: text/event-stream"}, 401},
		{"viewer reloads", "POST", "/v1/config/reload", []string{"Authorization: Bearer " + viewerSecret}, 403},
		{"operator from a foreign page", "POST", cutover, []string{"Authorization: Bearer " + operatorSecret, "Origin: https://evil.example"}, 403},
		{"foreign host before the token", "POST", cutover, []string{"Authorization: Bearer wrong", "Host: evil.example"}, 421},
	}
	_, tokens := withTokens(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tokens)
			w := b.ask(t, tt.method, tt.target, `{"to": "green"}`, append([]string{jsonBody}, tt.auth...)...)
			wantProblem(t, w, tt.status, "")
			if got := b.seen(); len(got) > 0 {
				t.Errorf("the controller saw %q, want nothing", got)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate = %q with status %d", got, tt.status)
			}
			for _, secret := range []string{operatorSecret, viewerSecret} {
				if strings.Contains(w.Body.String(), secret) || strings.Contains(fmt.Sprint(b.logs.All()), secret) {
					t.Error("a secret is in the answer or in the log")
				}
			}
		})
	}
}

func TestProblemsOfTheController(t *testing.T) {
	b := newBench(t)
	refusal := api.Problem(api.TypePoolNotReady, "green has 1 of 2 targets up.")
	refusal.Targets = []api.Target{{URL: "http://10.0.0.1:80", Status: "down"}}
	b.err = fmt.Errorf("cut over: %w", refusal)
	w := b.ask(t, "POST", "/v1/services/shop/cutover", `{"to": "green"}`, jsonBody)
	wantProblem(t, w, http.StatusUnprocessableEntity, "green has 1 of 2")
	if !strings.Contains(w.Body.String(), "http://10.0.0.1:80") {
		t.Errorf("body = %s, want the target in it", w.Body)
	}

	b.err = errors.New("open /var/lib/secret: permission denied")
	w = b.ask(t, "POST", "/v1/services/shop/cutover", `{"to": "green"}`, jsonBody)
	wantProblem(t, w, http.StatusInternalServerError, "log")
	if strings.Contains(w.Body.String(), "/var/lib") {
		t.Errorf("body = %s, want the cause only in the log", w.Body)
	}
	logged := b.logs.FilterMessage("admin request ended in an error").All()
	if len(logged) != 1 || !strings.Contains(fmt.Sprint(logged[0].ContextMap()["error"]), "/var/lib/secret") {
		t.Errorf("log = %v, want one line with the cause", logged)
	}
}

func TestAllowNamesWhatThereIs(t *testing.T) {
	tests := map[string]string{
		"/v1/services":              "GET, HEAD",
		"/v1/services/shop/weights": "PUT, DELETE",
		"/v1/services/shop/cutover": "POST",
		"/v1/services/shop/rollout": "GET, HEAD, POST",
		"/v1/events":                "GET, HEAD",
	}
	for target, want := range tests {
		w := newBench(t).ask(t, "PATCH", target, "")
		wantProblem(t, w, http.StatusMethodNotAllowed, "PATCH is not possible")
		if got := w.Header().Get("Allow"); got != want {
			t.Errorf("%s: Allow = %q, want %q", target, got, want)
		}
	}
}

func TestSwapChangesHostsAndTokens(t *testing.T) {
	_, tokens := withTokens(t)
	var d Deps
	tokens(&d)
	b := newBench(t)
	cfg := d.Config
	cfg.Hosts = []string{"New.Internal"}
	if err := b.server.Swap(cfg); err != nil {
		t.Fatalf("Swap: %v", err)
	}
	wantProblem(t, b.ask(t, "GET", "/v1/services", ""), http.StatusUnauthorized, "")
	wantProblem(t, b.ask(t, "GET", "/livez", "", "Host: switchback.internal"), http.StatusMisdirectedRequest, "")
	if w := b.ask(t, "GET", "/v1/services", "", "Host: new.internal", "Authorization: Bearer "+viewerSecret); w.Code != http.StatusOK {
		t.Errorf("status = %d, want 200", w.Code)
	}
}

// TestSwapWithoutATokenFile: a file that is not there lets nobody in, neither those of the tokens before nor
// everybody, and the token works once it is there.
func TestSwapWithoutATokenFile(t *testing.T) {
	for name, before := range map[string]func(*Deps){"no tokens before": func(*Deps) {}, "other tokens before": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, tokens := withTokens(t)
				if before == nil {
					before = tokens
				}
				b := newBench(t, before)
				file := filepath.Join(dir, "next")
				if err := b.server.Swap(config.Admin{Tokens: []config.Token{{Name: "next", Role: config.Operator, File: file}}}); err != nil {
					t.Fatal(err)
				}
				wantProblem(t, b.ask(t, "GET", "/v1/services", ""), http.StatusUnauthorized, "")
				wantProblem(t, b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer "+operatorSecret), http.StatusUnauthorized, "")
				if n := b.logs.FilterMessage("tokens do not work").Len(); n != 1 {
					t.Errorf("logged %d times, want once", n)
				}
				write(t, file, "the-next-secret")
				time.Sleep(secret.Reread)
				if w := b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer the-next-secret"); w.Code != http.StatusOK {
					t.Errorf("status = %d once the file is there, want 200", w.Code)
				}
			})
		})
	}
}
