package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestForwards(t *testing.T) {
	var got *http.Request
	var body string
	blue := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	r := start(t, one, map[string]string{"blue": blue})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/a%2Fb//c?x=1&y=%zz", strings.NewReader("hello"))
	req.Header.Set("Accept-Encoding", "br")
	res, answer := do(t, req)
	if res.StatusCode != http.StatusTeapot || answer != "short and stout" || res.Header.Get("X-Answer") != "yes" {
		t.Errorf("answer is %d %q %v", res.StatusCode, answer, res.Header)
	}
	if got.RequestURI != "/a%2Fb//c?x=1&y=%zz" || body != "hello" || got.Host != r.addr {
		t.Errorf("upstream got %s %q for %s", got.RequestURI, body, got.Host)
	}
	want := map[string]string{
		"Accept-Encoding": "br", "Switchback-Pool": "blue", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": r.addr, "Via": "1.1 switchback", "Forwarded": `for=127.0.0.1;host="` + r.addr + `";proto=http`,
	}
	for name, value := range want {
		if v := got.Header.Get(name); v != value {
			t.Errorf("upstream got %s: %q, want %q", name, v, value)
		}
	}
}
