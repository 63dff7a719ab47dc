package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

const diffFile = `listeners: {web: {address: ":8080"}}
services:
  shop:
    paths: [/shop]
    pools:
      blue: {version: "2.4.0", targets: [http://b1:80, http://b2:80]}
      green: {version: "2.5.0", targets: [http://g1:80, http://g2:80]}
    weights: {blue: 100, green: 0}
    sticky: {key: [{header: X-User-ID}]}
    rollout: {steps: [5, 50]}
  blog: {paths: [/blog], pools: {a: [http://a1:80]}}
flags:
  new: {strategy: percentage, value: 25}
`

// text says a diff in lines.
func text(d api.ConfigDiff) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", d.Outcome, d.Reason)
	for _, c := range d.Changes {
		mark := ""
		if c.Moves {
			mark = "moves "
		}
		if c.Restart {
			mark += "restart "
		}
		fmt.Fprintf(&b, "\n%s%s %s%s: %s", mark, c.Area, c.Service, c.Flag, c.Sentence)
	}
	return strings.TrimSpace(b.String())
}

func parsed(t testing.TB, yaml string) *config.Config {
	t.Helper()
	c, err := config.Parse("switchback.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// diffOf asks about an edit and demands that asking changes nothing.
func (n *node) diffOf(yaml string) api.ConfigDiff {
	n.t.Helper()
	tables, shown := n.swapper.count(), n.everything()
	d, err := n.DiffConfig(n.t.Context(), []byte(yaml))
	if err != nil {
		n.t.Fatal(err)
	}
	if n.swapper.count() != tables || n.everything() != shown {
		n.t.Error("asking changed something")
	}
	return d
}

// everything is what readers are told and the store holds.
func (n *node) everything() string {
	n.t.Helper()
	entries, at, err := n.store.List(n.t.Context(), "")
	if err != nil {
		n.t.Fatal(err)
	}
	shown, err := json.Marshal(n.Overview())
	if err != nil {
		n.t.Fatal(err)
	}
	return fmt.Sprintf("%s %d %v", shown, at, entries)
}

// TestDiff tells what becomes of each edit, and holds it to what the reload then does.
func TestDiff(t *testing.T) {
	cut := func(n *node) { n.cutover("green") }
	tests := []struct {
		name   string
		before func(n *node)
		edit   []string // old and new, in turn
		want   string   // a part of each line, in order
		weight string   // of shop once it is applied; "": it is not
	}{
		{"nothing", nil, nil, "unchanged", ""},
		{"a comment", nil, []string{"services:", "# here\nservices:"}, "applies", "blue=100"},
		{"weights", nil, []string{"blue: 100, green: 0", "blue: 50, green: 50"}, "applies\nmoves traffic shop: weights change from blue 100 %, green 0 % to blue 50 %, green 50 %", "blue=50 green=50"},
		{"weights over a cutover", cut, []string{"blue: 100, green: 0", "blue: 50, green: 50"}, "applies\nmoves traffic shop: weights change from blue 0 %, green 100 % to blue 50 %, green 50 % and win over the cutover by ci", "blue=50 green=50"},
		{"something else under a cutover", cut, []string{"paths: [/blog]", "paths: [/log]"}, "applies\ntraffic shop: green keeps 100 %: the file's weights did not change (cutover by ci\nmoves traffic blog: paths change", "green=100"},
		{"the cutover's own weights", cut, []string{"blue: 100, green: 0", "blue: 0, green: 100"}, "applies\ntraffic shop: the file says what is in force, blue 0 %, green 100 %: nothing moves, and the intent dissolves (cutover by ci", "green=100"},
		{"a pool with traffic leaves", cut, []string{"      green: {version: \"2.5.0\", targets: [http://g1:80, http://g2:80]}\n", "", ", green: 0", "", "    rollout: {steps: [5, 50]}\n", ""}, "refused service shop: green carries 100 % since", ""},
		{"traffic for a pool that is down", func(n *node) { n.prober.set(true, "http://g1:80", "http://g2:80") }, []string{"blue: 100, green: 0", "blue: 90, green: 10"}, "waits green of shop would get 10 % and has 0 of 2 targets up\nmoves traffic shop: weights change", ""},
		{"traffic for new targets", cut, []string{"[http://g1:80, http://g2:80]", "[http://g3:80]"}, "waits green of shop would get 100 % and has 0 of 1 targets up; those that are new are probed\ntraffic shop: green keeps\nmoves pools shop: green: http://g3:80 is new\nmoves pools shop: green: http://g1:80 leaves, 0 requests\nmoves pools shop: green: http://g2:80 leaves", ""},
		{"pools and versions", nil, []string{`{version: "2.5.0", targets: [http://g1:80, http://g2:80]}`, `{version: "2.6.0", targets: [{url: http://g1:80, weight: 3}, http://g3:80]}`}, "applies\npools shop: green: version \"2.5.0\" becomes \"2.6.0\"\npools shop: green: the weight of http://g1:80 becomes 3, was 1\npools shop: green: http://g3:80 is new\npools shop: green: http://g2:80 leaves\nhealth shop: green: 1 target that stay keep their health", "blue=100"},
		{"paused", func(n *node) { n.pause() }, []string{"blue: 100, green: 0", "blue: 50, green: 50"}, "applies\ntraffic shop: the file's weights, blue 50 %, green 50 %, wait until it is resumed; in force stays blue 100 %, green 0 %", "blue=100"},
		{"a running rollout, its checks", func(n *node) { n.begin() }, []string{"{steps: [5, 50]}", "{steps: [5, 50], checks: {errors: {max_increase: 3}}}"}, "applies\ntraffic shop: blue 95 %, green 5 % stay: the file's weights did not change\nevidence shop: rollout 1 of green 2.5.0 goes on at blue 95 %, green 5 %; the checks changed: all evidence starts anew\nrollout shop: the plan changes; it counts at once", "blue=95 green=5"},
		{"a running rollout, its version", func(n *node) { n.begin() }, []string{"2.5.0", "2.6.0"}, "applies\ntraffic shop: blue 95 %, green 5 % stay\nmoves traffic shop: users are drawn anew\nrollout shop: \nrollout shop: \npools shop: green: version", "blue=95 green=5"},
		{"a running rollout, the weights", func(n *node) { n.begin() }, []string{"blue: 100, green: 0", "blue: 80, green: 20"}, "applies\nmoves traffic shop: weights change from blue 95 %, green 5 % to blue 80 %, green 20 % and win over the rollout started by ann\nrollout shop: ", "blue=80 green=20"},
		{"the seed while both have traffic", func(n *node) { n.set(50) }, []string{"[{header: X-User-ID}]}", "[{header: X-User-ID}], seed: fixed}"}, "applies\ntraffic shop: blue 50 %, green 50 % stay\nmoves traffic shop: users are drawn anew", "blue=50 green=50"},
		{"flags", func(n *node) { n.setFlag("new", `{"strategy": "percentage", "value": 50}`) }, []string{"value: 25}", "value: 30}\n  other: {strategy: all}"}, "applies\nflags new: changed in the file, which wins: 30 % of the users; before: 50 % of the users\nflags other: is new: everybody", "blue=100"},
		{"a flag that stays", func(n *node) { n.setFlag("new", `{"strategy": "percentage", "value": 50}`) }, []string{"# ", "", "services:", "# x\nservices:"}, "applies\nflags new: keeps what ci set at run time", "blue=100"},
		{"services", nil, []string{"  blog: {paths: [/blog], pools: {a: [http://a1:80]}}", "  news: {paths: [/news], pools: {a: [http://a1:80]}}"}, "applies\nmoves traffic news: is new: a 100 %\nmoves traffic blog: leaves the file", "blue=100"},
		{"the process", nil, []string{":8080\"}}", ":80\"}, extra: {address: \":81\"}}\nstate: {dir: /elsewhere}\nlog: {level: debug}\ntrust: {override: {from: [10.0.0.0/8]}}"}, "applies\nrestart listeners : take effect at the next start only: web moves from :8080 to :80, extra is new at :81\nrestart state : state.dir /elsewhere\nmoves traffic : whose word is believed\nother : log changes at once", "blue=100"},
		{"not valid", nil, []string{"weights: {blue: 100, green: 0}", "weights: {blue: 90}"}, "invalid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st, first := memory.New(), parsed(t, diffFile)
				n := startWith(t, Options{Config: first, Store: st, Restart: func(c *config.Config) (keys []string) {
					if len(c.Listeners) != 1 {
						keys = append(keys, "listeners")
					}
					if c.State != first.State {
						keys = append(keys, "state.dir")
					}
					return keys
				}})
				if tt.before != nil {
					tt.before(n)
				}
				edited := strings.NewReplacer(tt.edit...).Replace(diffFile)
				d := n.diffOf(edited)
				got, want := strings.Split(text(d), "\n"), strings.Split(tt.want, "\n")
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
						t.Fatalf("got\n%s\nwant\n%s", text(d), tt.want)
					}
				}
				n.reloads(edited, d, tt.weight)
			})
		})
	}
}

// reloads puts an edit in force and demands that it does what was said.
func (n *node) reloads(edited string, d api.ConfigDiff, weight string) {
	n.t.Helper()
	c, err := config.Parse("switchback.yaml", []byte(edited))
	if d.Valid != (err == nil) {
		n.t.Errorf("valid %v, parsed with %v", d.Valid, err)
	}
	if err != nil {
		return
	}
	before := n.weights()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Second)
	defer cancel()
	r, err := n.Apply(ctx, c)
	switch {
	case d.Outcome == api.OutcomeRefused && err == nil || d.Outcome == api.OutcomeApplies && err != nil:
		n.t.Errorf("outcome %s, the reload: %+v, %v", d.Outcome, r, err)
	case d.Outcome == api.OutcomeUnchanged && r.Changed:
		n.t.Error("said to be unchanged")
	case weight != "":
		n.want(weight)
	}
	for _, change := range d.Changes {
		if change.After != nil && change.Service == "shop" && err == nil {
			if after := n.weights(); after == before {
				n.t.Errorf("said to move, but stays at %s", after)
			}
		}
	}
}

func (n *node) pause() {
	n.t.Helper()
	if _, err := n.Pause(n.t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"}); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) begin() {
	n.t.Helper()
	if _, err := n.StartRollout(n.t.Context(), "shop", api.StartRequest{}, api.Call{By: "ann"}); err != nil {
		n.t.Fatal(err)
	}
}

// TestDiffForetells: after any story of commands and edits the next edit does what the diff says: it is refused, waits or
// moves the weights of shop to those named, or leaves them.
func TestDiffForetells(t *testing.T) {
	weights := []string{"{blue: 100, green: 0}", "{blue: 50, green: 50}", "{blue: 0, green: 100}", "{blue: 75, green: 25}"}
	outcomes := map[string]int{}
	for seed := range uint64(150) {
		bubble(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			n := start(t, memory.New(), parsed(t, diffFile))
			for range 8 {
				call := api.Call{By: "ann"}
				switch r.IntN(7) {
				case 0:
					_, _ = n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green"}, call)
				case 1:
					_, _ = n.Rollback(t.Context(), "shop", api.CommandRequest{}, call)
				case 2:
					_, _ = n.Pause(t.Context(), "shop", api.CommandRequest{}, call)
				case 3:
					_, _ = n.Resume(t.Context(), "shop", api.CommandRequest{}, call)
				case 4:
					_, _ = n.StartRollout(t.Context(), "shop", api.StartRequest{}, call)
				case 5:
					n.prober.set(r.IntN(2) == 0, "http://g1:80", "http://g2:80")
				}
				edit := []string{"{blue: 100, green: 0}", weights[r.IntN(len(weights))], "2.5.0", fmt.Sprint("2.", r.IntN(3), ".0"), "[/blog]", fmt.Sprint("[/blog", r.IntN(100), "]")}
				if r.IntN(6) == 0 {
					edit = append(edit, "green", "teal")
					for i := range edit[:6] {
						edit[i] = strings.ReplaceAll(edit[i], "green", "teal")
					}
					edit[0] = "{blue: 100, green: 0}"
				}
				foretold(t, n, strings.NewReplacer(edit...).Replace(diffFile), outcomes)
			}
		})
	}
	t.Logf("outcomes %v", outcomes)
	for _, o := range []string{api.OutcomeApplies, api.OutcomeRefused, api.OutcomeWaits} {
		if outcomes[o] < 10 {
			t.Errorf("only %d edits ended as %s", outcomes[o], o)
		}
	}
}

// foretold compares what the diff says of an edit with what its reload does.
func foretold(t *testing.T, n *node, edited string, outcomes map[string]int) {
	t.Helper()
	synctest.Wait() // a file that waited for a probe may come into force now
	before := n.service()
	d := n.diffOf(edited)
	outcomes[d.Outcome]++
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := n.Apply(ctx, parsed(t, edited))
	p, refused := errors.AsType[*api.Error](err)
	switch d.Outcome {
	case api.OutcomeRefused:
		if !refused || p.Type != api.TypeUnexpectedLivePool || p.Detail != d.Reason {
			t.Fatalf("said to be refused: %s; the reload says %v", d.Reason, err)
		}
		return
	case api.OutcomeWaits:
		if n.Overview().Node.Config.Waiting != "" { // unless probes came in meanwhile
			return
		}
	}
	if err != nil {
		t.Fatalf("said to go as %s: %v", d.Outcome, err)
	}
	want := before.Weights.InForce
	for _, c := range d.Changes {
		if c.Service == "shop" && c.After != nil {
			want = c.After
		}
	}
	if got := n.service().Weights.InForce; !sameShares(got, want) {
		t.Fatalf("after %v the diff says %v, the reload does %v:\n%s", before.Weights.InForce, want, got, text(d))
	}
}

// sameShares compares weights; a pool that is missing has 0.
func sameShares(a, b api.Weights) bool {
	for _, w := range []api.Weights{a, b} {
		for name := range w {
			if a[name] != b[name] {
				return false
			}
		}
	}
	return true
}
