package admin

import (
	"net/http"
	"strings"
	"testing"
)

func TestFlagWritesReachTheController(t *testing.T) {
	const by = "{By:anonymous From:127.0.0.1 IfMatch:0}"
	tests := []struct {
		name           string
		method, target string
		body           string
		headers        []string
		status         int
		want           string
	}{
		{
			"put", "PUT", "/v1/flags/checkout", `{"strategy": "all", "reason": "r"}`,
			[]string{jsonBody},
			200,
			`set checkout {"strategy":"all"} merge:false reason:r match: new:false ` + by,
		},
		{
			"put of a new one", "PUT", "/v1/flags/new", `{"strategy": "all"}`,
			[]string{jsonBody, "If-None-Match: *"},
			201,
			`set new {"strategy":"all"} merge:false reason: match: new:true ` + by,
		},
		{
			"the short form without a content type", "POST", "/api/flags/checkout", `{"strategy":"percentage","value":5}`, nil, 200,
			`set checkout {"strategy":"percentage","value":5} merge:true reason: match: new:false ` + by,
		},
		{
			"the short form as curl sends it", "POST", "/api/flags/new", `{"strategy":"user_list","users":["a"],"reason":"r"}`,
			[]string{"Content-Type: application/x-www-form-urlencoded"},
			200,
			`set new {"strategy":"users","users":["a"]} merge:true reason:r match: new:false ` + by,
		},
		{
			"a tag", "POST", "/v1/flags/checkout/kill", `{"reason":"r"}`,
			[]string{jsonBody, `If-Match: "3-abc"`},
			200,
			`kill checkout  merge:false reason:r match:3-abc new:false ` + by,
		},
		{"any tag", "POST", "/v1/flags/checkout/restore", "", []string{"If-Match: *"}, 200, `restore checkout  merge:false reason: match:* new:false ` + by},
		{"drop", "DELETE", "/v1/flags/checkout", "", nil, 200, `drop checkout  merge:false reason: match: new:false ` + by},
		{"evaluate", "POST", "/v1/flags/checkout/evaluate", `{"context":{"targetingKey":"a"}}`, []string{jsonBody}, 200, `evaluate checkout map[targetingKey:a]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			w := b.ask(t, tt.method, tt.target, tt.body, tt.headers...)
			if w.Code != tt.status {
				t.Fatalf("status = %d, want %d; body %s", w.Code, tt.status, w.Body)
			}
			if got := strings.Join(b.seen(), "; "); got != tt.want {
				t.Errorf("the controller saw\n%s\nwant\n%s", got, tt.want)
			}
			if tag := w.Header().Get("ETag"); tt.name != "evaluate" && tag != `"3-abc"` {
				t.Errorf("ETag = %s", tag)
			}
			wantProtected(t, w.Header())
		})
	}
}

func TestFlagReads(t *testing.T) {
	b := newBench(t)
	for target, want := range map[string]string{
		"/v1/flags":                  `{"flags":[{"name":"checkout"`,
		"/v1/flags/checkout":         `"says":"5 % of the users"`,
		"/v1/flags/checkout/history": `{"decisions":[]}`,
	} {
		w := b.ask(t, "GET", target, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d %s, want %s", target, w.Code, w.Body, want)
		}
	}
	if tag := b.ask(t, "GET", "/v1/flags/checkout", "").Header().Get("ETag"); tag != `"3-abc"` {
		t.Errorf("ETag = %s", tag)
	}
	wantProblem(t, b.ask(t, "GET", "/v1/flags/chekout", ""), 404, `there is no flag "chekout"`)
	wantProblem(t, b.ask(t, "GET", "/v1/flags/chekout/history", ""), 404, `there is no flag`)
}

// TestFlagWritesRefused has requests that must change nothing.
func TestFlagWritesRefused(t *testing.T) {
	many := `{"strategy":"users","users":["` + strings.Repeat(`user-with-a-long-name-of-52-bytes-0123456789abcdef01","`, 25_000) + `x"]}`
	deep := `{"strategy":"all","targeting":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}"
	tests := []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		detail                     string
	}{
		{"nothing", "POST", "/api/flags/a", "", nil, 400, "The body is empty"},
		{"no JSON", "POST", "/api/flags/a", "strategy=all", nil, 400, "The body is not valid"},
		{"a list", "POST", "/api/flags/a", "[]", nil, 400, "it is not an object"},
		{"NaN", "POST", "/api/flags/a", `{"strategy":"percentage","value":NaN}`, nil, 400, "The body is not valid"},
		{"unknown member", "POST", "/api/flags/a", `{"stratgy":"all"}`, nil, 400, `field "stratgy" is unknown`},
		{"member twice", "POST", "/api/flags/a", `{"value":1,"value":2}`, nil, 400, `field "value" is there twice`},
		{"too deep", "PUT", "/v1/flags/a", deep, []string{jsonBody}, 400, "nested too deep"},
		{"more than a body may have", "PUT", "/v1/flags/a", many, []string{jsonBody}, 400, "more than 1048576 bytes"},
		{"reason of a wrong type", "POST", "/api/flags/a", `{"strategy":"all","reason":1}`, nil, 400, "reason must be of type string"},
		{"long reason", "POST", "/v1/flags/a/kill", `{"reason":"` + strings.Repeat("r", 1025) + `"}`, []string{jsonBody}, 400, "reason has 1025 bytes"},
		{"definition with a form's type", "PUT", "/v1/flags/a", `{"strategy":"all"}`, []string{"Content-Type: text/plain"}, 400, "send application/json"},
		{"query", "POST", "/v1/flags/a/kill?dry_run=yes", "", nil, 400, "is not understood here"},
		{"two tags", "POST", "/v1/flags/a/kill", "", []string{`If-Match: "1-a", "2-b"`}, 400, "send one tag"},
		{"a tag it must not have", "PUT", "/v1/flags/a", `{"strategy":"all"}`, []string{jsonBody, `If-None-Match: "1-a"`}, 400, "it can only be *"},
		{"force", "POST", "/v1/flags/a/kill", `{"force":true,"reason":"r"}`, []string{jsonBody}, 400, "force does nothing here"},
		{"another origin", "POST", "/api/flags/a", `{"strategy":"all"}`, []string{"Origin: https://evil.example"}, 403, "another origin"},
		{"another site", "POST", "/api/flags/a", `{"strategy":"all"}`, []string{"Sec-Fetch-Site: cross-site"}, 403, "another origin"},
		{"another host", "POST", "/api/flags/a", `{"strategy":"all"}`, []string{"Host: evil.example"}, 421, "is not a name of this server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			wantProblem(t, b.ask(t, tt.method, tt.target, tt.body, tt.headers...), tt.status, tt.detail)
			if calls := b.seen(); len(calls) > 0 {
				t.Errorf("the controller saw %v", calls)
			}
		})
	}
}

// TestEvaluationsAreReads lets a viewer ask for flags, also by POST, and change none.
func TestEvaluationsAreReads(t *testing.T) {
	_, edit := withTokens(t)
	b := newBench(t, edit, func(d *Deps) {
		d.Evaluate = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("{}")) })
	})
	viewer := "Authorization: Bearer " + viewerSecret
	for target, want := range map[string]int{
		"/ofrep/v1/evaluate/flags":    200,
		"/ofrep/v1/evaluate/flags/a":  200,
		"/v1/flags/checkout/evaluate": 200,
		"/v1/flags/checkout/kill":     403,
		"/api/flags/checkout":         403,
	} {
		body, headers := "", []string{viewer}
		if strings.HasSuffix(target, "/checkout") {
			body = `{"strategy":"all"}`
		}
		if w := b.ask(t, "POST", target, body, headers...); w.Code != want {
			t.Errorf("POST %s as a viewer: %d, want %d", target, w.Code, want)
		}
	}
	if w := b.ask(t, "POST", "/ofrep/v1/evaluate/flags", ""); w.Code != 401 {
		t.Errorf("without a token: %d, want 401", w.Code)
	}
}
