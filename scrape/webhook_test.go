package scrape

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

func opinionOf(edit func(*config.Check)) config.Check {
	c := config.Check{Name: "ci", Kind: config.KindWebhook, Every: time.Second, Webhook: "http://10.8.0.1:80/secret-path"}
	if edit != nil {
		edit(&c)
	}
	return c
}

func numbers(c *config.Check)  { c.Max = 10 }
func compared(c *config.Check) { c.MaxRatio = 1.2 }

func TestWebhookAnswers(t *testing.T) {
	const nonsense = `answered neither {"verdict": "pass"} nor {"value": 1.5} as JSON`
	for name, test := range map[string]struct {
		edit                func(*config.Check)
		answer              string
		candidate, baseline float64
		want                string
	}{
		"pass":                     {nil, `{"verdict": "pass"}`, 0, nan, ""},
		"fail":                     {nil, `{"verdict": "fail", "reason": "smoke"}`, 1, nan, ""},
		"bare verdict":             {nil, ` "fail" `, 1, nan, ""},
		"undecided":                {nil, `{"verdict": "undecided", "reason": "still\nrunning"}`, nan, nan, "http://10.8.0.1:80/… is undecided: still running"},
		"another word":             {nil, `{"verdict": "maybe"}`, nan, nan, `answered the verdict "maybe"; it is pass, fail or undecided`},
		"number for verdict":       {nil, `3`, nan, nan, "answered with a number; set max_ratio, max_increase or max"},
		"number":                   {numbers, `{"value": 3.5}`, 3.5, nan, ""},
		"bare number":              {numbers, `3.5`, 3.5, nan, ""},
		"verdict for number":       {numbers, `"pass"`, nan, nan, "answered with a verdict where a number is compared"},
		"both numbers":             {compared, `{"value": 3, "baseline": 2}`, 3, 2, ""},
		"no baseline":              {compared, `{"value": 3}`, nan, nan, `answered without the baseline's number`},
		"nonsense":                 {nil, `OK`, nan, nan, nonsense},
		"nothing":                  {nil, ``, nan, nan, nonsense},
		"null":                     {nil, `null`, nan, nan, nonsense},
		"a list":                   {nil, `["pass"]`, nan, nan, nonsense},
		"other keys":               {nil, `{"status": "pass"}`, nan, nan, nonsense},
		"both":                     {nil, `{"verdict": "pass", "value": 1}`, nan, nan, nonsense},
		"of another type":          {nil, `{"verdict": true}`, nan, nan, nonsense},
		"too large a number":       {numbers, `1e999`, nan, nan, nonsense},
		"two answers":              {nil, `"pass" "fail"`, nan, nan, nonsense},
		"nested without end":       {nil, string(make([]byte, 1000)), nan, nan, nonsense},
		"HTML":                     {nil, `<html>pass</html>`, nan, nan, nonsense},
		"more than it should send": {nil, `"` + string(make([]byte, mostOpinion)) + `"`, nan, nan, "the answer is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, n *town) {
				n.serve("10.8.0.1:80", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.answer) })
				n.want(opinionOf(test.edit))
				one(t, n.after(0)).expect(t, test.candidate, test.baseline, test.want)
			})
		})
	}
}

func TestWebhookIsTold(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		var got question
		n.serve("10.8.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.Path != "/secret-path" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s, %v", r.Method, r.URL, r.Header)
			}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, `"pass"`)
		})
		n.want(opinionOf(nil))
		one(t, n.after(0)).expect(t, 0, nan, "")
		if got.Service != "shop" || got.Check != "ci" || got.Rollout != "7" || got.Step != 2 || got.Candidate.Pool != "green" ||
			got.Candidate.Version != "2.5.0" || got.Baseline.Pool != "blue" || len(got.Candidate.Targets) != 1 {
			t.Errorf("told %+v", got)
		}
	})
}

func TestWebhookThatRefuses(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.serve("10.8.0.1:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		n.want(opinionOf(nil))
		one(t, n.after(0)).expect(t, nan, nan, "http://10.8.0.1:80/… answered 502")
	})
}
