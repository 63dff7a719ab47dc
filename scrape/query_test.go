package scrape

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

func depth(edit func(*config.Check)) config.Check {
	c := config.Check{
		Name: "queue", Kind: config.KindPrometheus, Every: time.Second, Max: 500,
		Query: config.Query{URL: "http://10.9.0.1:9090/prom", Query: `max(depth{pool="{{.Pool}}"})`, Window: time.Minute},
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

// prometheus answers queries and remembers them.
type prometheus struct {
	mu      sync.Mutex
	queries []string
	auth    string
	answer  func(query string) string
}

func (n *town) prometheus(answer func(query string) string) *prometheus {
	p := &prometheus{answer: answer}
	n.serve("10.9.0.1:9090", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.queries = append(p.queries, r.FormValue("query"))
		p.auth = r.Header.Get("Authorization")
		if r.URL.Path != "/prom/api/v1/query" {
			n.t.Errorf("asked %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, p.answer(r.FormValue("query")))
	})
	return p
}

func vector(values ...string) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf(`{"metric":{},"value":[1,%q]}`, v))
	}
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(all, ",") + `]}}`
}

func TestQueries(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		p := n.prometheus(func(q string) string {
			if strings.Contains(q, "green@2.5.0") {
				return vector("12.5")
			}
			return `{"status":"success","data":{"resultType":"scalar","result":[1,"10"]}}`
		})
		n.want(depth(func(c *config.Check) {
			c.MaxRatio, c.Max = 1.5, 0
			c.Query.Query = `rate(d{s="{{.Service}}",v="{{.Pool}}@{{.Version}}"}[{{.Window}}])`
		}))
		r := one(t, n.after(0))
		r.expect(t, 12.5, 10, "")
		if r.At.Sub(r.From) != time.Minute {
			t.Errorf("the value is said to be about %v, the window is a minute", r.At.Sub(r.From))
		}
		if want := `rate(d{s="shop",v="blue@2.4.0"}[60s])`; len(p.queries) != 2 || p.queries[1] != want {
			t.Errorf("asked %q, want %q", p.queries, want)
		}
	})
}

func TestAQueryWithALimitAsksForTheCandidateAlone(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		p := n.prometheus(func(string) string { return vector("612") })
		n.want(depth(nil))
		r := one(t, n.after(0))
		r.expect(t, 612, nan, "")
		if len(p.queries) != 1 || !r.From.Equal(r.At) {
			t.Errorf("asked %q, about %v", p.queries, r.At.Sub(r.From))
		}
	})
}

func TestBadAnswersOfPrometheus(t *testing.T) {
	for name, test := range map[string]struct{ answer, want string }{
		"NaN":            {vector("NaN"), "the query for green gave NaN"},
		"infinite":       {vector("+Inf"), "the query for green gave +Inf"},
		"none":           {vector(), "the query for green found nothing"},
		"several series": {vector("1", "2"), "the query for green found 2 series; aggregate them, with max or sum"},
		"a matrix":       {`{"status":"success","data":{"resultType":"matrix","result":[]}}`, "gave a matrix, not a number"},
		"text":           {`{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, `bad_response: unexpected value type "string"`},
		"an error":       {`{"status":"error","errorType":"bad_data","error":"parse error"}`, "http://10.9.0.1:9090/…: bad_data: parse error"},
		"no JSON":        {"<html>", "http://10.9.0.1:9090/…: bad_response"},
		"huge":           {`{"status":"` + strings.Repeat("x", mostAnswer), "the answer is too large"},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, n *town) {
				n.prometheus(func(string) string { return test.answer })
				n.want(depth(nil))
				one(t, n.after(0)).expect(t, nan, nan, test.want)
			})
		})
	}
}

func TestPrometheusDownAndSlow(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.want(depth(nil))
		one(t, n.after(0)).expect(t, nan, nan, "call http://10.9.0.1:9090/…: dial: connect: connection refused")
		n.serve("10.9.0.1:9090", silent)
		one(t, n.after(time.Second+queryTimeout)).expect(t, nan, nan, "no complete answer within 10s")
	})
}

func TestPrometheusComesBack(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.want(depth(nil))
		one(t, n.after(0)).expect(t, nan, nan, "connection refused")
		n.prometheus(func(string) string { return vector("3") })
		one(t, n.after(time.Second)).expect(t, 3, nan, "")
	})
}

func TestTokensComeFromFiles(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		p := n.prometheus(func(string) string { return vector("3") })
		file := filepath.Join(t.TempDir(), "token")
		n.want(depth(func(c *config.Check) { c.TokenFile = file }))
		one(t, n.after(0)).expect(t, nan, nan, "read secret: ")
		if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		one(t, n.after(time.Second)).expect(t, 3, nan, "")
		if p.auth != "Bearer s3cret" {
			t.Errorf("authorized by %q", p.auth)
		}
	})
}
