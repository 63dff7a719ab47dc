package control

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

const explainFile = `
services:
  shop:
    pools:
      blue: [http://b1:80, http://b2:80, http://b3:80]
      green: [http://g1:80, http://g2:80]
      grey: [http://y1:80]
    weights: {blue: 60, green: 30, grey: 10}
    sticky: {key: [{header: X-User-ID}]}
    rules: [{when: {header: {X-Pool: green}}, to: green}, {when: {flag: new}, to: grey}]
  seeded:
    paths: [/seeded]
    pools: {old: [http://o:80], young: [http://n:80]}
    weights: {old: 70, young: 30}
    sticky: {key: [{header: X-User-ID}, {issue_cookie: sb_id}], seed: "flag:new"}
    flags: [new]
flags:
  new: {strategy: percentage, value: 20}
`

// explained asks a table of explainFile in which some targets are down and the others up.
func explained(t *testing.T, q api.ExplainRequest, down ...string) api.Explanation {
	t.Helper()
	table, err := FirstTable(parsed(t, explainFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Pools {
		for _, target := range p.Targets {
			h := router.Health{Status: router.Up}
			if slices.Contains(down, target.URL) {
				h = router.Health{Status: router.Down, Error: "connection refused"}
			}
			target.SetHealth(h)
		}
	}
	x, err := Explain(table, q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestExplainSays reads the sentences of one step in many situations.
func TestExplainSays(t *testing.T) {
	green := api.ExplainRequest{Headers: map[string]string{"X-Pool": "green"}}
	tests := []struct {
		name string
		q    api.ExplainRequest
		down []string
		step string
		says []string // parts of sentence and details
	}{
		{"all up", green, nil, "target", []string{"green has 2 of 2 targets up", "http://g1:80: up, weight 1, 0 in flight"}},
		{"one down", green, []string{"http://g2:80"}, "target", []string{"green has 1 of 2 targets up", "http://g2:80: down, connection refused: not picked"}},
		{"one down", green, []string{"http://g2:80"}, "retry", []string{"green by rule: no other target of green, then the baseline, blue"}},
		{"two up", green, nil, "retry", []string{"another target of green, at most 1 of 1, then the baseline, blue"}},
		{"pool down", green, []string{"http://g1:80", "http://g2:80"}, "target", []string{"green has 0 of 2 targets up, none can serve: blue serves in its place, which counts as a failure of green"}},
		{"pool down", green, []string{"http://g1:80", "http://g2:80"}, "upstream", []string{"told Switchback-Pool: blue"}},
		{"baseline down too", green, []string{"http://g1:80", "http://g2:80", "http://b1:80", "http://b2:80", "http://b3:80"}, "target", []string{"nor can the baseline: the answer is 503"}},
		{"panic", api.ExplainRequest{Headers: map[string]string{"X-User-Id": "user-1"}}, []string{"http://b1:80", "http://b2:80"}, "target", []string{"blue has 1 of 3 targets up, so few that health is ignored", "http://b1:80: down, connection refused, weight 1"}},
		{"walk", api.ExplainRequest{Headers: map[string]string{"x-user-id": "user-1"}}, nil, "cohort", []string{
			`key "user-1" from header X-User-Id: blue, the baseline`, `murmur3-32("shop/green/user-1")`, "is not below its weight of 30 %", "its 10 % of the 70 % that are left",
		}},
		{"chance", api.ExplainRequest{}, nil, "cohort", []string{"chance decides: blue 60 %, green 30 %, grey 10 %", "header X-User-Id is not there"}},
		{"long key", api.ExplainRequest{Headers: map[string]string{"X-User-ID": strings.Repeat("u", 257)}}, nil, "cohort", []string{"header X-User-Id is longer than 256 bytes"}},
		{"no user for a flag", api.ExplainRequest{}, nil, "rules", []string{`1 to green: header X-Pool is "", not "green"`, "2 to grey: flag new needs a user; the request has no key"}},
		{"seed by flag", api.ExplainRequest{Service: "seeded", Headers: map[string]string{"X-User-ID": "u"}}, nil, "cohort", []string{"seed flag:new: who has the flag first", `murmur3-32("newu")`}},
		{"told", api.ExplainRequest{Service: "seeded", Headers: map[string]string{"X-User-ID": "u"}}, nil, "upstream", []string{"Switchback-Flags: new=off"}},
		{"minted", api.ExplainRequest{Service: "seeded", Headers: map[string]string{"Cookie": "sb_id=mine"}}, nil, "cohort", []string{"an id is minted and set as cookie sb_id", "cookie sb_id is not one that was issued here"}},
		{"minted", api.ExplainRequest{Service: "seeded"}, nil, "upstream", []string{"Switchback-Flags: what they say of the id that is minted"}},
		{"another service", api.ExplainRequest{Path: "/seeded/x"}, nil, "service", []string{"seeded: it answers any host at /seeded", "shop: matches too, but seeded is more specific"}},
	}
	for _, tt := range tests {
		t.Run(tt.name+", "+tt.step, func(t *testing.T) {
			x := explained(t, tt.q, tt.down...)
			i := slices.IndexFunc(x.Steps, func(s api.ExplainStep) bool { return s.Step == tt.step })
			if i < 0 {
				t.Fatalf("no step %s: %+v", tt.step, x.Steps)
			}
			said := x.Steps[i].Sentence + "\n" + strings.Join(x.Steps[i].Details, "\n")
			for _, want := range tt.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said:\n%s", want, said)
				}
			}
		})
	}
}

// TestExplainNumbers: what is said in words is there as numbers, too.
func TestExplainNumbers(t *testing.T) {
	x := explained(t, api.ExplainRequest{Headers: map[string]string{"X-User-ID": "user-1"}}, "http://b3:80")
	if x.Service != "shop" || x.Pool != "blue" || x.Cause != "key" || x.Error != "" || x.Key.Value != "user-1" || len(x.Walk) != 2 {
		t.Fatalf("got %+v", x)
	}
	for _, w := range x.Walk {
		if w.Taken || w.Hashed != "shop/"+w.Pool+"/user-1" || w.Position != 100*float64(w.Hash)/(1<<32) || w.Position < w.Below {
			t.Errorf("walk: %+v", w)
		}
	}
	if w := x.Walk[1]; w.Weight != 10 || w.Remaining != 70 {
		t.Errorf("walk: %+v", w)
	}
	if len(x.Ends) != 1 || x.Ends[0].Share != 100 || x.Ends[0].Serves != "blue" || len(x.Ends[0].Targets) != 2 {
		t.Errorf("ends: %+v", x.Ends)
	}
}

// TestExplainRefuses names what cannot be asked.
func TestExplainRefuses(t *testing.T) {
	table, err := FirstTable(parsed(t, explainFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]api.ExplainRequest{
		"service":  {Service: "none"},
		"listener": {Listener: "none"},
		"client":   {Client: "localhost"},
		"host":     {Headers: map[string]string{"host": "x"}},
		"twice":    {Headers: map[string]string{"x-a": "1", "X-A": "2"}},
	} {
		if _, err := Explain(table, q); !errors.As(err, new(*api.Error)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCohortOfFlag: who is listed at a percentage are those who have the flag once it is that.
func TestCohortOfFlag(t *testing.T) {
	at := func(value string) *router.Table {
		table, err := FirstTable(parsed(t, strings.Replace(explainFile, "value: 20}", "value: "+value+", users: [ann]}", 1)))
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	keys := []string{"ann", "", strings.Repeat("k", 257)}
	for i := range 1000 {
		keys = append(keys, "user-"+config.Weight(i).String())
	}
	share := 45.5
	would, err := Cohort(at("20"), api.CohortRequest{Flag: "new", Value: &share, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	is, err := Cohort(at("45.5"), api.CohortRequest{Flag: "new", Keys: keys})
	if err != nil || !slices.Equal(would.In, is.In) || is.Percent != 45.5 || would.Percent != 45.5 || is.Refused != 2 {
		t.Errorf("would be %d, are %d, %d refused, %v", len(would.In), len(is.In), is.Refused, err)
	}
	if len(is.In) < 380 || len(is.In) > 530 || is.In[0] != "ann" {
		t.Errorf("%d of 1000 have it, first %s", len(is.In), is.In[0])
	}
	for name, q := range map[string]api.CohortRequest{
		"no flag": {Flag: "none"}, "no service": {Service: "none"}, "both": {Flag: "new", Service: "shop"},
		"no candidate": {Service: "shop"}, "value of a service": {Service: "seeded", Value: &share},
	} {
		if _, err := Cohort(at("20"), q); !errors.As(err, new(*api.Error)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
