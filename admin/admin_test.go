package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

func TestCommandsReachTheController(t *testing.T) {
	const by = "{By:anonymous From:127.0.0.1 IfMatch:0}"
	tests := []struct {
		name           string
		method, target string
		body           string
		headers        []string
		want           string
	}{
		{
			"weights", "PUT", "/v1/services/shop/weights", `{"weights": {"blue": 70, "green": 30}, "reason": "r"}`, nil,
			"weights shop {Weights:map[blue:70 green:30] Reason:r Force:false} " + by,
		},
		{"drop", "DELETE", "/v1/services/shop/weights", "", nil, "drop shop {Reason: Force:false} " + by},
		{"drop with a reason", "DELETE", "/v1/services/shop/weights", `{"reason": "r"}`, nil, "drop shop {Reason:r Force:false} " + by},
		{
			"cutover", "POST", "/v1/services/shop/cutover",
			`{"to": "green", "from": "blue", "wait": "drained", "timeout": "5m", "reason": "r", "force": true}`, nil,
			"cutover shop {To:green From:blue Wait:drained Timeout:5m Reason:r Force:true} " + by,
		},
		{"rollback", "POST", "/v1/services/shop/rollback", "", nil, "rollback shop {Reason: Force:false} " + by},
		{"rollback by its other name", "POST", "/v1/services/shop/rollout/rollback", `{}`, nil, "rollback shop {Reason: Force:false} " + by},
		{"pause", "POST", "/v1/services/shop/rollout/pause", `{"reason": "r"}`, nil, "pause shop {Reason:r Force:false} " + by},
		{"resume", "POST", "/v1/services/shop/rollout/resume", "", nil, "resume shop {Reason: Force:false} " + by},
		{"drop during a rollout", "DELETE", "/v1/services/shop/weights", `{"reason": "r", "force": true}`, nil, "drop shop {Reason:r Force:true} " + by},
		{"promote", "POST", "/v1/services/shop/rollout/promote", "", nil, "promote shop {Full:false Reason:} " + by},
		{"promote to the end", "POST", "/v1/services/shop/rollout/promote", `{"full": true, "reason": "r"}`, nil, "promote shop {Full:true Reason:r} " + by},
		{"approve", "POST", "/v1/services/shop/rollout/approve", `{"reason": "r"}`, nil, "approve shop {Reason:r Force:false} " + by},
		{"open a gate", "POST", "/v1/services/shop/rollout/open-gate", `{"gate": "promote", "reason": "r"}`, nil, "open-gate shop {Gate:promote Reason:r} " + by},
		{"step back", "POST", "/v1/services/shop/rollout/step-back", `{"reason": "r"}`, nil, "step-back shop {Reason:r Force:false} " + by},
		{
			"step back from a revision", "POST", "/v1/services/shop/rollout/step-back", "",
			[]string{`If-Match: "42"`},
			"step-back shop {Reason: Force:false} {By:anonymous From:127.0.0.1 IfMatch:42}",
		},
		{"start again", "POST", "/v1/services/shop/rollout", `{"to": "again"}`, nil, "start shop {To:again Reason:} " + by},
		{"reload", "POST", "/v1/config/reload", "", nil, "reload " + by},
		{"escaped name", "POST", "/v1/services/sh%6Fp/rollback", "", nil, "rollback shop {Reason: Force:false} " + by},
		{
			"quoted revision", "POST", "/v1/services/shop/rollback", "",
			[]string{`If-Match: "42"`},
			"rollback shop {Reason: Force:false} {By:anonymous From:127.0.0.1 IfMatch:42}",
		},
		{
			"bare revision", "POST", "/v1/services/shop/rollback", "",
			[]string{`If-Match: 42`},
			"rollback shop {Reason: Force:false} {By:anonymous From:127.0.0.1 IfMatch:42}",
		},
		{"any revision", "POST", "/v1/services/shop/rollback", "", []string{`If-Match: *`}, "rollback shop {Reason: Force:false} " + by},
		{
			"our own page", "POST", "/v1/services/shop/rollback", "",
			[]string{"Origin: http://127.0.0.1:9900", "Sec-Fetch-Site: same-origin"},
			"rollback shop {Reason: Force:false} " + by,
		},
		{
			"JSON with a charset", "POST", "/v1/services/shop/rollback", `{}`,
			[]string{"Content-Type: application/json; charset=utf-8"},
			"rollback shop {Reason: Force:false} " + by,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			headers := tt.headers
			if tt.body != "" && !strings.Contains(strings.Join(headers, ""), "Content-Type") {
				headers = append(headers, jsonBody)
			}
			w := b.ask(t, tt.method, tt.target, tt.body, headers...)
			if w.Code != http.StatusOK {
				t.Fatalf("status = %d, body %s", w.Code, w.Body)
			}
			if got := strings.Join(b.seen(), "; "); got != tt.want {
				t.Errorf("the controller saw\n%s\nwant\n%s", got, tt.want)
			}
			wantProtected(t, w.Header())
		})
	}
}

func TestReads(t *testing.T) {
	tests := []struct {
		name, target string
		headers      []string
		contentType  string
		body         string
	}{
		{"overview", "/v1/services", nil, "application/json", `"version":"test"`},
		{"service", "/v1/services/shop", nil, "application/json", `"name":"shop"`},
		{"followed from a foreign page", "/v1/services/shop", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, "application/json", `"name":"shop"`},
		{"livez", "/livez", nil, "text/plain; charset=utf-8", "ok"},
		{"readyz", "/readyz", nil, "text/plain; charset=utf-8", "ready"},
		{"metrics", "/metrics", nil, "", "metric 1"},
		{"localhost", "/livez", []string{"Host: LocalHost:9900"}, "text/plain; charset=utf-8", "ok"},
		{"localhost with its root", "/livez", []string{"Host: localhost."}, "text/plain; charset=utf-8", "ok"},
		{"IPv6", "/livez", []string{"Host: [::1]:9900"}, "text/plain; charset=utf-8", "ok"},
		{"IPv6 without a port", "/livez", []string{"Host: [::1]"}, "text/plain; charset=utf-8", "ok"},
		{"another IP address", "/livez", []string{"Host: 10.1.2.3"}, "text/plain; charset=utf-8", "ok"},
		{"configured name", "/livez", []string{"Host: Switchback.Internal:80"}, "text/plain; charset=utf-8", "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			for _, method := range []string{"GET", "HEAD"} {
				w := b.ask(t, method, tt.target, "", tt.headers...)
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), tt.body) {
					t.Errorf("%s: status %d, body %q, want 200 and %q", method, w.Code, w.Body, tt.body)
				}
				if got := w.Header().Get("Content-Type"); tt.contentType != "" && got != tt.contentType {
					t.Errorf("%s: Content-Type = %q, want %q", method, got, tt.contentType)
				}
				wantProtected(t, w.Header())
			}
			if got := b.seen(); len(got) > 0 {
				t.Errorf("the controller saw %q, want nothing", got)
			}
			if n := b.logs.Len(); n > 0 {
				t.Errorf("%d lines were logged, want none for reads", n)
			}
		})
	}
}

func TestETagIsTheRevision(t *testing.T) {
	b := newBench(t)
	if got := b.ask(t, "GET", "/v1/services/shop", "").Header().Get("ETag"); got != `"42"` {
		t.Errorf("ETag of the service = %s, want \"42\"", got)
	}
	if got := b.ask(t, "POST", "/v1/services/shop/rollback", "").Header().Get("ETag"); got != `"43"` {
		t.Errorf("ETag of the answer to a write = %s, want \"43\"", got)
	}
	// The body has live figures, so the revision cannot promise that nothing else changed.
	if w := b.ask(t, "GET", "/v1/services/shop", "", `If-None-Match: "42"`); w.Code != http.StatusOK {
		t.Errorf("status with If-None-Match = %d, want 200", w.Code)
	}
}

func TestAnswerIsTheChange(t *testing.T) {
	w := newBench(t).ask(t, "POST", "/v1/services/shop/cutover", `{"to": "green"}`, jsonBody)
	var got api.Change
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Revision != 43 || !got.Changed || got.Weights["green"] != 100 {
		t.Errorf("answer = %+v, want revision 43 with green 100", got)
	}
}

func TestReadyzSaysWhy(t *testing.T) {
	_, tokens := withTokens(t)
	b := newBench(t, tokens, func(d *Deps) { d.Ready = func() error { return errors.New("draining") } })
	wantProblem(t, b.ask(t, "GET", "/readyz", ""), http.StatusServiceUnavailable, "Not ready: draining")
	if w := b.ask(t, "GET", "/livez", ""); w.Code != http.StatusOK {
		t.Errorf("/livez = %d while not ready, want 200", w.Code)
	}
}

func TestEveryWriteIsLoggedOnce(t *testing.T) {
	_, tokens := withTokens(t)
	b := newBench(t, tokens)
	b.ask(t, "POST", "/v1/services/shop/rollback", `{"reason": "errors"}`, jsonBody, "Authorization: Bearer "+operatorSecret)
	b.ask(t, "POST", "/v1/services/shop/rollback", "", "Authorization: Bearer "+viewerSecret)
	b.ask(t, "GET", "/v1/services", "", "Authorization: Bearer "+viewerSecret)
	all := b.logs.All()
	if len(all) != 2 {
		t.Fatalf("%d lines were logged, want 2: %v", len(all), all)
	}
	done, refused := all[0].ContextMap(), all[1].ContextMap()
	if all[0].Message != "admin request done" || done["by"] != "ci" || done["from"] != "127.0.0.1" ||
		done["reason"] != "errors" || done["rev"] != int64(43) || done["path"] != "/v1/services/shop/rollback" {
		t.Errorf("line of a write: %s %v", all[0].Message, done)
	}
	if all[1].Message != "admin request refused" || refused["by"] != "eye" || refused["status"] != int64(403) {
		t.Errorf("line of a refused write: %s %v", all[1].Message, refused)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), "secret-0123456789")
	write(t, filepath.Join(dir, "same"), "secret-0123456789\n")
	write(t, filepath.Join(dir, "empty"), " \n")
	write(t, filepath.Join(dir, "huge"), strings.Repeat("x", 5000))
	token := func(names ...string) []config.Token {
		var all []config.Token
		for _, n := range names {
			all = append(all, config.Token{Name: n, Role: config.Operator, File: filepath.Join(dir, n)})
		}
		return all
	}
	tests := []struct {
		name, address string
		tokens        []config.Token
		want          string
	}{
		{"open address without tokens", ":9900", nil, "open to others"},
		{"wildcard without tokens", "0.0.0.0:9900", nil, "open to others"},
		{"name without tokens", "admin.internal:9900", nil, "open to others"},
		{"missing file", "127.0.0.1:9900", token("gone"), "token gone"},
		{"empty file", "127.0.0.1:9900", token("empty"), "is empty"},
		{"oversized file", "127.0.0.1:9900", token("huge"), "more than 4096 bytes"},
		{"a folder", "127.0.0.1:9900", []config.Token{{Name: "d", File: dir}}, "not a regular file"},
		{"the same secret twice", ":9900", token("good", "same"), "same secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Deps{Config: config.Admin{Address: tt.address, Tokens: tt.tokens}, Controller: &recorder{}, Log: zap.NewNop()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want an error with %q", err, tt.want)
			}
		})
	}
	for _, address := range []string{"127.0.0.1:9900", "localhost:0", "[::1]:1", "unix:/run/x.sock"} {
		if _, err := New(Deps{Config: config.Admin{Address: address}, Controller: &recorder{}, Log: zap.NewNop()}); err != nil {
			t.Errorf("New on %s without tokens: %v", address, err)
		}
	}
	if _, err := New(Deps{}); err == nil {
		t.Error("New without a controller: no error")
	}
}

func TestTokenFileOthersCanReadIsWarnedOf(t *testing.T) {
	dir, tokens := withTokens(t)
	if err := os.Chmod(filepath.Join(dir, "eye"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := newBench(t, tokens).logs.FilterMessage("token file can be read by others").All()
	if len(got) != 1 || got[0].ContextMap()["token"] != "eye" {
		t.Errorf("warnings = %v, want one about eye", got)
	}
}
