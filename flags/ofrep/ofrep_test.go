package ofrep

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/metrics"
	"go.uber.org/zap"
)

// definitions are flags of every type and strategy.
var definitions = map[string]string{
	"boolean":  `{"strategy":"all"}`,
	"checkout": `{"strategy":"percentage","value":25,"users":["alice"]}`,
	"color":    `{"strategy":"all","variants":{"grey":"#888","red":"#d00","blue":"#00d"},"off_variant":"grey","weights":{"red":1,"blue":1}}`,
	"limit":    `{"strategy":"all","variants":{"low":10,"high":100},"off_variant":"low"}`,
	"none":     `{"strategy":"none"}`,
	"pro":      `{"strategy":"users","targeting":[{"when":{"attribute":"plan","equals":"pro"}}]}`,
	"ratio":    `{"strategy":"all","variants":{"none":0.5,"whole":1.0},"off_variant":"none"}`,
	"theme":    `{"strategy":"all","variants":{"plain":{"dark":false},"night":{"dark":true,"font":{"size":12}}},"off_variant":"plain"}`,
	"title":    `{"strategy":"all","variants":{"old":"Shop","new":"Shop <2> \"é\""},"off_variant":"old"}`,
}

// compile makes a set of definitions; the flags that are named are killed.
func compile(tb testing.TB, definitions map[string]string, killed ...string) *flags.Set {
	tb.Helper()
	var all []flags.Definition
	for name, text := range definitions {
		f, err := config.ParseFlag(name, []byte(text))
		if err != nil {
			tb.Fatalf("flag %s: %v", name, err)
		}
		d := flags.Definition{Flag: f}
		for _, k := range killed {
			d.Killed = d.Killed || k == name
		}
		all = append(all, d)
	}
	return flags.Compile(all, nil)
}

func newServer(tb testing.TB, set *flags.Set) *Server {
	tb.Helper()
	s := New(Options{Log: zap.NewNop(), Metrics: metrics.New("test")})
	if set != nil {
		s.Swap(set)
	}
	return s
}

// ask sends a request to h. Each header is "Name: value"; Remote is the client's address.
func ask(tb testing.TB, h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.9:1234"
	for _, field := range headers {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Remote" {
			r.RemoteAddr = value
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// object is a body read as JSON, which every body has to be.
func object(tb testing.TB, w *httptest.ResponseRecorder) map[string]any {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		tb.Fatalf("status %d, body %q is not a JSON object: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		tb.Errorf("Content-Type = %q", got)
	}
	return m
}

// wantFailure checks all that an answer without success has to have.
func wantFailure(tb testing.TB, w *httptest.ResponseRecorder, status int, want code, part string) {
	tb.Helper()
	m := object(tb, w)
	details, _ := m["errorDetails"].(string)
	if w.Code != status || m["errorCode"] != string(want) || details == "" || !strings.Contains(details, part) {
		tb.Errorf("%d %s, want %d %s with %q", w.Code, w.Body, status, want, part)
	}
	if meta, ok := m["metadata"].(map[string]any); !ok || len(meta) != 0 {
		tb.Errorf("metadata = %v, want an object", m["metadata"])
	}
}

const single = "/ofrep/v1/evaluate/flags/"

func TestSingle(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	tests := []struct{ name, flag, body, want string }{
		{"boolean", "boolean", ``, `{"key":"boolean","reason":"STATIC","variant":"on","value":true,"metadata":{}}`},
		{"off", "none", `{"context":{"targetingKey":"u"}}`, `{"key":"none","reason":"STATIC","variant":"off","value":false,"metadata":{}}`},
		{"text", "title", `{}`, `{"key":"title","reason":"STATIC","variant":"new","value":"Shop \u003c2\u003e \"é\"","metadata":{}}`},
		{"integer", "limit", `{"context":{}}`, `{"key":"limit","reason":"STATIC","variant":"high","value":100,"metadata":{}}`},
		{"a float stays one", "ratio", `{"context":null}`, `{"key":"ratio","reason":"STATIC","variant":"whole","value":1.0,"metadata":{}}`},
		{"object", "theme", `null`, `{"key":"theme","reason":"STATIC","variant":"night","value":{"dark":true,"font":{"size":12}},"metadata":{}}`},
		{"listed user", "checkout", `{"context":{"targetingKey":"alice"}}`, `{"key":"checkout","reason":"TARGETING_MATCH","variant":"on","value":true,"metadata":{}}`},
		{"split", "color", `{"context":{"targetingKey":"user-1"}}`, `{"key":"color","reason":"SPLIT","variant":"blue","value":"#00d","metadata":{}}`},
		{"targeting", "pro", `{"context":{"plan":"pro"}}`, `{"key":"pro","reason":"TARGETING_MATCH","variant":"on","value":true,"metadata":{}}`},
		{"nobody matches", "pro", `{"context":{"plan":"free","list":[1,{"a":[]}],"x":null}}`, `{"key":"pro","reason":"DEFAULT","variant":"off","value":false,"metadata":{}}`},
		{"key null", "pro", `{"context":{"targetingKey":null}}`, `{"key":"pro","reason":"DEFAULT","variant":"off","value":false,"metadata":{}}`},
		{"white space and other members", "boolean", " \n{\"other\":[1,{}],\"context\":{}} \n", `{"key":"boolean","reason":"STATIC","variant":"on","value":true,"metadata":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, s, "POST", single+tt.flag, tt.body, "Content-Type: application/json; charset=utf-8")
			object(t, w)
			if w.Code != 200 || w.Body.String() != tt.want {
				t.Errorf("%d %s\nwant 200 %s", w.Code, w.Body, tt.want)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	megabyte := `{"context":{"targetingKey":"u","bio":"` + strings.Repeat("x", 1<<20) + `"}}`
	nested := func(levels int) string {
		return `{"context":` + strings.Repeat(`{"a":`, levels) + `1` + strings.Repeat(`}`, levels) + `}`
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     code
		details                  string
	}{
		{"unknown flag", "POST", single + "nobody", ``, 404, codeUnknown, "There is no flag nobody."},
		{"unknown flag with a slash", "POST", single + "a%2Fb%20c", ``, 404, codeUnknown, "no flag a/b c"},
		{"no name", "POST", single, ``, 404, codeUnknown, "no flag"},
		{"missing key", "POST", single + "checkout", `{}`, 400, codeTargetingKey, "send context.targetingKey"},
		{"missing key of a split", "POST", single + "color", `{"context":{"targetingKey":""}}`, 400, codeTargetingKey, "Flag color"},
		{"key is a number", "POST", single + "boolean", `{"context":{"targetingKey":7}}`, 400, codeContext, "targetingKey is a number, not text"},
		{"key is a list", "POST", single + "boolean", `{"context":{"targetingKey":["u"]}}`, 400, codeContext, "targetingKey is a list, not text"},
		{"key too long", "POST", single + "boolean", `{"context":{"targetingKey":"` + strings.Repeat("u", 257) + `"}}`, 400, codeContext, "has 257 bytes"},
		{"context is text", "POST", single + "boolean", `{"context":"u"}`, 400, codeContext, "context is text, not an object"},
		{"context is a list", "POST", single + "boolean", `{"context":[]}`, 400, codeContext, "context is a list, not an object"},
		{"a context of 1 MB", "POST", single + "boolean", megabyte, 400, codeContext, "a request may have 64 KiB"},
		{"a context of 1 MB, bulk", "POST", "/ofrep/v1/evaluate/flags", megabyte, 400, codeContext, "a request may have 64 KiB"},
		{"nested too deep", "POST", single + "boolean", nested(17), 400, codeContext, "16 levels"},
		{"nested in what is passed over", "POST", single + "boolean", `{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400, codeContext, "16 levels"},
		{"number out of range", "POST", single + "boolean", `{"context":{"n":1e999}}`, 400, codeContext, "context.n is 1e999, which is out of range"},
		{"NaN", "POST", single + "boolean", `{"context":{"n":NaN}}`, 400, codeParse, "not JSON"},
		{"attribute twice", "POST", single + "boolean", `{"context":{"plan":"pro","plan":"free"}}`, 400, codeContext, "context.plan is there twice"},
		{"key twice", "POST", single + "boolean", `{"context":{"targetingKey":"a","targetingKey":"b"}}`, 400, codeContext, "targetingKey is there twice"},
		{"context twice", "POST", single + "boolean", `{"context":{},"context":{}}`, 400, codeParse, "context is there twice"},
		{"not JSON", "POST", single + "boolean", `context=1`, 400, codeParse, "not JSON"},
		{"cut off", "POST", single + "boolean", `{"context":{"a":1`, 400, codeParse, "not JSON"},
		{"a list", "POST", single + "boolean", `[]`, 400, codeParse, "The body is a list"},
		{"text", "POST", single + "boolean", `"x"`, 400, codeParse, "The body is text"},
		{"something behind", "POST", single + "boolean", `{} {}`, 400, codeParse, "behind the JSON object"},
		{"bulk, not JSON", "POST", "/ofrep/v1/evaluate/flags", `{`, 400, codeParse, "not JSON"},
		{"get a flag", "GET", single + "boolean", ``, 405, codeGeneral, "use POST"},
		{"head", "HEAD", "/ofrep/v1/evaluate/flags", ``, 405, codeGeneral, "use POST"},
		{"options", "OPTIONS", "/ofrep/v1/evaluate/flags", ``, 405, codeGeneral, "use POST"},
		{"post events", "POST", "/ofrep/v1/events", ``, 405, codeGeneral, "use GET"},
		{"elsewhere", "POST", "/ofrep/v1/configuration", ``, 404, codeGeneral, "nothing at /ofrep/v1/configuration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, s, tt.method, tt.path, tt.body)
			wantFailure(t, w, tt.status, tt.code, tt.details)
			name, ofFlag := strings.CutPrefix(tt.path, single)
			if key, named := object(t, w)["key"]; ofFlag && tt.status != 405 && !named {
				t.Errorf("key = %v for flag %q; the JavaScript provider takes no failure without one", key, name)
			}
			if allow := w.Header().Get("Allow"); (tt.status == 405) != (allow != "") {
				t.Errorf("Allow = %q", allow)
			}
		})
	}
	if w := ask(t, s, "POST", single+"boolean", nested(16)); w.Code != 200 {
		t.Errorf("16 levels: %d %s", w.Code, w.Body)
	}
}

// The body counts, not what is said of it: curl says it sends a form.
func TestContentTypeIsNotLookedAt(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	for _, field := range []string{"Content-Type: application/x-www-form-urlencoded", "Content-Type: text/plain", "X-None: 1"} {
		if w := ask(t, s, "POST", single+"pro", `{"context":{"plan":"pro"}}`, field); w.Code != 200 || object(t, w)["value"] != true {
			t.Errorf("%s: %d %s", field, w.Code, w.Body)
		}
	}
}

func TestNothingIsUnknownBeforeTheFirstSwap(t *testing.T) {
	s := newServer(t, nil)
	for _, path := range []string{single + "boolean", "/ofrep/v1/evaluate/flags"} {
		wantFailure(t, ask(t, s, "POST", path, ``), 500, codeGeneral, "not loaded yet")
	}
	wantFailure(t, ask(t, s, "GET", "/ofrep/v1/events", ``), 500, codeGeneral, "not loaded yet")
	s.Swap(nil)
	if w := ask(t, s, "POST", "/ofrep/v1/evaluate/flags", ``); w.Code != 200 || len(object(t, w)["flags"].([]any)) != 0 {
		t.Errorf("without flags: %d %s", w.Code, w.Body)
	}
}

// The kill switch must reach the code behind a flag: DISABLED would hand it its own default instead.
func TestKilledFlagsGiveTheOffValue(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	before := ask(t, s, "POST", single+"checkout", `{"context":{"targetingKey":"alice"}}`)
	s.Swap(compile(t, definitions, "checkout", "title"))
	want := map[string]string{
		"checkout": `{"key":"checkout","reason":"STATIC","variant":"off","value":false,"metadata":{"killed":true}}`,
		"title":    `{"key":"title","reason":"STATIC","variant":"old","value":"Shop","metadata":{"killed":true}}`,
	}
	for name, body := range want {
		for _, context := range []string{``, `{"context":{"targetingKey":"alice"}}`} {
			w := ask(t, s, "POST", single+name, context, "If-None-Match: "+before.Header().Get("ETag"))
			if w.Code != 200 || w.Body.String() != body {
				t.Errorf("%s with %q: %d %s, want %s", name, context, w.Code, w.Body, body)
			}
		}
	}
}

func TestBulk(t *testing.T) {
	s := newServer(t, compile(t, definitions))
	entries := func(context string) map[string]map[string]any {
		t.Helper()
		w := ask(t, s, "POST", "/ofrep/v1/evaluate/flags", context)
		all := map[string]map[string]any{}
		for _, e := range object(t, w)["flags"].([]any) {
			m := e.(map[string]any)
			all[m["key"].(string)] = m
		}
		if w.Code != 200 || len(all) != len(definitions) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return all
	}
	for key, e := range entries(`{"context":{"targetingKey":"user-1","plan":"pro"}}`) {
		one := ask(t, s, "POST", single+key, `{"context":{"targetingKey":"user-1","plan":"pro"}}`)
		got, _ := json.Marshal(e)
		want, _ := json.Marshal(object(t, one))
		if string(got) != string(want) {
			t.Errorf("bulk says %s, single %s", got, want)
		}
	}
	// The web provider keeps such an entry and answers with its error; the others are fine.
	for key, e := range entries(``) {
		missing := key == "checkout" || key == "color"
		if (e["errorCode"] == "TARGETING_KEY_MISSING") != missing || missing == (e["variant"] != nil) {
			t.Errorf("%s without a key: %v", key, e)
		}
	}
}

func TestEvaluationsAreCounted(t *testing.T) {
	r := metrics.New("test")
	s := New(Options{Log: zap.NewNop(), Metrics: r})
	s.Swap(compile(t, definitions))
	ask(t, s, "POST", single+"boolean", ``)
	ask(t, s, "POST", single+"checkout", ``)
	ask(t, s, "POST", single+"made-up", ``)
	ask(t, s, "POST", single+"pro", `{`)
	ask(t, s, "POST", "/ofrep/v1/evaluate/flags", `{"context":{"targetingKey":"alice"}}`)
	s.Swap(compile(t, map[string]string{"boolean": definitions["boolean"], "checkout": definitions["checkout"], "pro": definitions["pro"]}))
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`{flag="boolean",reason="static"} 2`, `{flag="checkout",reason="error"} 1`, `{flag="checkout",reason="targeting_match"} 1`,
		`{flag="",reason="error"} 1`, `{flag="pro",reason="error"} 1`, `{flag="pro",reason="default"} 1`,
	} {
		if !strings.Contains(w.Body.String(), "switchback_flag_evaluations_total"+line+"\n") {
			t.Errorf("no sample %s", line)
		}
	}
	for _, gone := range []string{"made-up", `flag="title"`} {
		if strings.Contains(w.Body.String(), gone) {
			t.Errorf("there is a series of %s", gone)
		}
	}
}
