package ofrep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The providers of Python and Java are not run here. What each of them demands of an answer is written down
// below, after reading their sources: python-sdk-contrib, openfeature-provider-ofrep (OFREPProvider._resolve,
// _handle_error, _raise_for_http_status), and java-sdk-contrib, providers/ofrep (OfrepApi, OfrepResponse,
// Resolver). Both have the application's default instead when a demand is not met.

// python reads an answer as that provider does: it indexes value, reason and variant, takes only reasons of
// its enum, and compares types strictly, so that a float needs a fraction in its JSON.
func python(w *httptest.ResponseRecorder, flagType string) (any, error) {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("status %d without JSON: %w", w.Code, err)
	}
	switch {
	case w.Code == 429:
		if _, err := strconv.ParseUint(w.Header().Get("Retry-After"), 10, 31); err != nil {
			return nil, fmt.Errorf("Retry-After: %w", err)
		}
		return nil, errors.New("GENERAL")
	case w.Code == 401 || w.Code == 403 || w.Code > 404:
		return nil, errors.New("GENERAL")
	case w.Code >= 400:
		known := []any{"PROVIDER_NOT_READY", "FLAG_NOT_FOUND", "PARSE_ERROR", "TYPE_MISMATCH", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "GENERAL"}
		if _, ok := m["errorDetails"].(string); !ok || !slices.Contains(known, m["errorCode"]) {
			return nil, fmt.Errorf("errorCode %v, errorDetails %v", m["errorCode"], m["errorDetails"])
		}
		return nil, errors.New(m["errorCode"].(string))
	}
	reason, _ := m["reason"].(string)
	if !slices.Contains([]string{"CACHED", "DEFAULT", "DISABLED", "ERROR", "STATIC", "SPLIT", "TARGETING_MATCH", "UNKNOWN"}, reason) {
		return nil, fmt.Errorf("reason %q is no Reason", reason)
	}
	if _, ok := m["variant"].(string); !ok {
		return nil, fmt.Errorf("variant %v", m["variant"])
	}
	if got := typeOf(m["value"]); got != flagType {
		return nil, fmt.Errorf("the value is %s, not %s", got, flagType)
	}
	return m["value"], nil
}

// java reads an answer as that provider does: every status needs a JSON body with a metadata object, or
// it stops at a null; Retry-After is a number of seconds; Integer and Double are told apart.
func java(w *httptest.ResponseRecorder, flagType string) (any, error) {
	var m struct {
		Value    any
		Variant  string
		Reason   string
		Metadata map[string]any
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("status %d without JSON: %w", w.Code, err)
	}
	if m.Metadata == nil {
		return nil, fmt.Errorf("status %d without metadata", w.Code)
	}
	switch w.Code {
	case 200:
	case 400:
		return nil, errors.New("INVALID_CONTEXT")
	case 404:
		return nil, errors.New("FLAG_NOT_FOUND")
	case 429:
		if _, err := strconv.ParseInt(w.Header().Get("Retry-After"), 10, 64); err != nil {
			return nil, fmt.Errorf("Retry-After: %w", err)
		}
		return nil, errors.New("GENERAL")
	default:
		return nil, errors.New("GENERAL")
	}
	if got := typeOf(m.Value); got != flagType {
		return nil, fmt.Errorf("the value is %s, not %s", got, flagType)
	}
	if m.Reason == "" || m.Variant == "" {
		return nil, fmt.Errorf("reason %q, variant %q", m.Reason, m.Variant)
	}
	return m.Value, nil
}

// typeOf names the type that languages with integers and floats see in JSON.
func typeOf(v any) string {
	switch v := v.(type) {
	case bool:
		return "boolean"
	case string:
		return "string"
	case map[string]any:
		return "object"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "float"
		}
		return "integer"
	}
	return fmt.Sprintf("%T", v)
}

func TestPythonAndJavaProvidersUnderstandAnswers(t *testing.T) {
	d := newDoor(t, filepath.Join(t.TempDir(), "web"))
	d.server.Swap(compile(t, definitions, "title"))
	const auth = "Authorization: Bearer s3cret"
	limited := func() *httptest.ResponseRecorder {
		now := time.Now()
		for range maxTries {
			d.server.tries.Fail("192.0.2.77", now)
		}
		return ask(t, d, "POST", single+"boolean", `{}`, auth, "Remote: 192.0.2.77:1")
	}
	// What they send: Python leaves context out when it has none, Java sends an empty one.
	tests := []struct {
		name, flagType     string
		w                  *httptest.ResponseRecorder
		want               string
		pythonErr, javaErr string
	}{
		{"boolean", "boolean", ask(t, d, "POST", single+"boolean", `{}`, auth), "true", "", ""},
		{"string", "string", ask(t, d, "POST", single+"color", `{"context":{"targetingKey":"user-1"}}`, auth), "#00d", "", ""},
		{"integer", "integer", ask(t, d, "POST", single+"limit", `{"context":{}}`, auth), "100", "", ""},
		{"a float with a fraction of zero", "float", ask(t, d, "POST", single+"ratio", `{"context":{}}`, auth), "1.0", "", ""},
		{"object", "object", ask(t, d, "POST", single+"theme", `{}`, auth), "map[dark:true font:map[size:12]]", "", ""},
		{"default reason", "boolean", ask(t, d, "POST", single+"pro", `{}`, auth), "false", "", ""},
		{"killed", "string", ask(t, d, "POST", single+"title", `{}`, auth), "Shop", "", ""},
		{"unknown", "boolean", ask(t, d, "POST", single+"nobody", `{}`, auth), "", "FLAG_NOT_FOUND", "FLAG_NOT_FOUND"},
		{"key missing", "boolean", ask(t, d, "POST", single+"checkout", `{}`, auth), "", "TARGETING_KEY_MISSING", "INVALID_CONTEXT"},
		{"context", "boolean", ask(t, d, "POST", single+"boolean", `{"context":[]}`, auth), "", "INVALID_CONTEXT", "INVALID_CONTEXT"},
		{"not JSON", "boolean", ask(t, d, "POST", single+"boolean", `{`, auth), "", "PARSE_ERROR", "INVALID_CONTEXT"},
		{"no token", "boolean", ask(t, d, "POST", single+"boolean", `{}`), "", "GENERAL", "GENERAL"},
		{"too many tries", "boolean", limited(), "", "GENERAL", "GENERAL"},
		{"wrong method", "boolean", ask(t, d, "GET", single+"boolean", ``, auth), "", "GENERAL", "GENERAL"},
	}
	for _, tt := range tests {
		for name, provider := range map[string]struct {
			read func(*httptest.ResponseRecorder, string) (any, error)
			want string
		}{"python": {python, tt.pythonErr}, "java": {java, tt.javaErr}} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				v, err := provider.read(tt.w, tt.flagType)
				if provider.want != "" {
					if err == nil || err.Error() != provider.want {
						t.Errorf("%v, %v, want %s from %d %s", v, err, provider.want, tt.w.Code, tt.w.Body)
					}
					return
				}
				if err != nil || fmt.Sprint(v) != tt.want {
					t.Errorf("%v, %v, want %s from %d %s", v, err, tt.want, tt.w.Code, tt.w.Body)
				}
			})
		}
	}
}
