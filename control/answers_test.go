package control

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/receipt"
	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/memory"
)

// sentAs is a call with a key; what identifies its request.
func sentAs(key, what string) api.Call {
	return api.Call{By: "ci", From: "127.0.0.1", Key: key, Request: what}
}

// bodyOf is an answer as a client sees it, without what changes while requests run.
func bodyOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A command that is sent again with its key gets the first answer and changes nothing, whatever happened
// meanwhile, also after a restart.
func TestAnswersAreGivenAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		call := sentAs("k1", "cutover green")
		cut := func() api.Change {
			t.Helper()
			c, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green"}, call)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := cut()
		again := cut()
		if !again.Replayed || bodyOf(t, again) != bodyOf(t, first) {
			t.Errorf("again\n%s\nfirst\n%s", bodyOf(t, again), bodyOf(t, first))
		}
		n.rollback()
		n.want("blue=100")
		n.stop()
		n = start(t, st, blueGreen(100))
		if again = cut(); !again.Replayed || bodyOf(t, again) != bodyOf(t, first) {
			t.Errorf("after a restart\n%s\nfirst\n%s", bodyOf(t, again), bodyOf(t, first))
		}
		n.want("blue=100")

		// The condition of the first try holds for its repetition, though the revision moved on.
		call.IfMatch = first.Revision - 1
		if again = cut(); !again.Replayed {
			t.Error("If-Match came before the key")
		}
		// Another caller may use the same key, and a day later anybody.
		other := call
		other.By, other.IfMatch = "ann", 0
		if c, err := n.Cutover(t.Context(), "shop", api.CutoverRequest{To: "green"}, other); err != nil || c.Replayed || !c.Changed {
			t.Errorf("another caller: %+v, %v", c, err)
		}
		n.rollback()
		time.Sleep(receipt.For)
		call.IfMatch = 0
		if c := cut(); c.Replayed || !c.Changed {
			t.Errorf("a day later: %+v", c)
		}
	})
}

func TestKeysAreForOneRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), files(
			service("shop", blueGreen(100).Services[0].Weights, "blue@1 b1", "green@2 g1"),
			service("web", blueGreen(100).Services[0].Weights, "blue@1 b3", "green@2 g3"),
		))
		ctx := t.Context()
		if _, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, sentAs("k", "a")); err != nil {
			t.Fatal(err)
		}
		for name, try := range map[string]func() error{
			"another body": func() error {
				_, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "blue"}, sentAs("k", "b"))
				return err
			},
			"another verb": func() error { _, err := n.Rollback(ctx, "shop", api.CommandRequest{}, sentAs("k", "c")); return err },
			"another service": func() error {
				_, err := n.Cutover(ctx, "web", api.CutoverRequest{To: "green"}, sentAs("k", "a"))
				return err
			},
			"a flag": func() error {
				_, err := n.SetFlag(ctx, "new", api.FlagRequest{Definition: json.RawMessage(`{"strategy":"all"}`)}, sentAs("k", "a"))
				return err
			},
			"a reload": func() error { _, err := n.Reload(ctx, sentAs("k", "a")); return err },
		} {
			p := refused(t, try(), api.TypeInvalid)
			if p.Status != 422 || !strings.Contains(p.Detail, `the Idempotency-Key "k" was used at`) {
				t.Errorf("%s: %+v", name, p)
			}
		}
		n.want("green=100")
		if got := n.weightsOf("web"); got != "blue=100" {
			t.Errorf("web has %s", got)
		}
	})
}

// What was refused is judged anew; what changed nothing is answered again for as long as the process runs.
func TestRefusalsAndNothings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80")
		ctx := t.Context()
		call := sentAs("k1", "cutover green")
		_, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, call)
		refused(t, err, api.TypePoolNotReady)
		n.prober.set(false, "http://g1:80")
		if c, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, call); err != nil || !c.Changed || c.Replayed {
			t.Errorf("after a refusal: %+v, %v", c, err)
		}
		nothing := sentAs("k2", "cutover green")
		first, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, nothing)
		if err != nil || first.Changed {
			t.Fatalf("%+v, %v", first, err)
		}
		n.rollback()
		again, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, nothing)
		if err != nil || !again.Replayed || bodyOf(t, again) != bodyOf(t, first) {
			t.Errorf("again %+v, %v, first %+v", again, err, first)
		}
		n.want("blue=100")
	})
}

// Many that send the same at once get one change and one answer.
func TestSameKeyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		answers := make(chan string)
		for range 50 {
			go func() {
				c, err := n.SetWeights(t.Context(), "shop", api.WeightsRequest{Weights: api.Weights{"blue": 70, "green": 30}}, sentAs("k", "w"))
				answers <- fmt.Sprint(c.Revision, c.Changed, c.Previous, c.Weights, c.Undo, err)
			}()
		}
		first := <-answers
		for range 49 {
			if got := <-answers; got != first {
				t.Errorf("one got %s, another %s", got, first)
			}
		}
		n.wantSaid("traffic.weights shop first start", "traffic.weights shop")
	})
}

func TestFlagAnswersAreGivenAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100))
		q := api.FlagRequest{Definition: json.RawMessage(`{"strategy":"percentage","value":5}`), Merge: true}
		set := func(key string) api.FlagChange {
			t.Helper()
			c, err := n.SetFlag(t.Context(), "new", q, sentAs(key, "5 %"))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := set("k1")
		if !first.Created || first.Replayed {
			t.Errorf("first: %+v", first)
		}
		if _, err := n.KillFlag(t.Context(), "new", api.FlagRequest{}, sentAs("k2", "kill")); err != nil {
			t.Fatal(err)
		}
		if again := set("k1"); !again.Replayed || bodyOf(t, again) != bodyOf(t, first) {
			t.Errorf("again\n%s\nfirst\n%s", bodyOf(t, again), bodyOf(t, first))
		}
		n.stop()
		n = start(t, st, blueGreen(100))
		if again := set("k1"); !again.Replayed || bodyOf(t, again) != bodyOf(t, first) {
			t.Errorf("after a restart\n%s\nfirst\n%s", bodyOf(t, again), bodyOf(t, first))
		}
		if f, err := n.Flag("new"); err != nil || f.Killed == nil {
			t.Errorf("the flag is %+v, %v; want it killed", f, err)
		}
		if other := set("k3"); other.Replayed || other.Changed {
			t.Errorf("another key: %+v", other)
		}
	})
}

// A dry run is answered and refused like the command, and changes nothing at all.
func TestDryRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, blueGreen(100), "http://g1:80")
		ctx := t.Context()
		before, tables := dump(t, st), n.swapper.count()
		dry := api.Call{By: "ci", DryRun: true, Key: "k", Request: "r"}
		_, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, dry)
		if p := refused(t, err, api.TypePoolNotReady); len(p.Targets) != 1 {
			t.Errorf("targets %+v", p.Targets)
		}
		_, err = n.Rollback(ctx, "shop", api.CommandRequest{}, dry)
		refused(t, err, api.TypeNothingToRollBack)
		stale := dry
		stale.IfMatch = 99
		_, err = n.Pause(ctx, "shop", api.CommandRequest{}, stale)
		refused(t, err, api.TypeStaleRevision)
		n.prober.set(false, "http://g1:80")

		would, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green", Wait: "drained"}, dry)
		if err != nil || !would.DryRun || !would.Changed || would.Drained != nil || would.Weights["green"] != 100 {
			t.Errorf("cutover: %+v, %v", would, err)
		}
		flag, err := n.SetFlag(ctx, "new", api.FlagRequest{Definition: json.RawMessage(`{"strategy":"percentage","value":5}`)}, dry)
		if err != nil || !flag.DryRun || !flag.Created || flag.Says != "5 % of the users" {
			t.Errorf("flag: %+v, %v", flag, err)
		}
		if _, err := n.Flag("new"); err == nil {
			t.Error("a dry run made a flag")
		}
		if got := dump(t, st); !reflect.DeepEqual(got, before) {
			t.Errorf("the store has\n%v\nwant\n%v", got, before)
		}
		if n.swapper.count() != tables {
			t.Error("a dry run put a table in force")
		}
		n.wantSaid("traffic.weights shop first start")

		// The command answers what its dry run said, but for the revision.
		did := n.cutover("green")
		would.Revision, would.DryRun = did.Revision, false
		if bodyOf(t, would) != bodyOf(t, did) {
			t.Errorf("dry run\n%s\ncommand\n%s", bodyOf(t, would), bodyOf(t, did))
		}
		nothing, err := n.Cutover(ctx, "shop", api.CutoverRequest{To: "green"}, dry)
		if err != nil || nothing.Changed {
			t.Errorf("what is so already: %+v, %v", nothing, err)
		}
	})
}

// A dry run of a reload reads the file, says what it would move or why not, and nobody hears of it.
func TestDryRunOfAReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "switchback.yaml")
		save := func(blue int, more string) {
			t.Helper()
			text := fmt.Sprintf("services:\n  shop:\n    pools: {blue: [http://b1:80], green: [http://g1:80]}\n    weights: {blue: %d, green: %d}\n%s", blue, 100-blue, more)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		save(100, "")
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		n := start(t, memory.New(), c, "http://g1:80")
		dry := api.Call{By: "ci", DryRun: true}
		if r, err := n.Reload(t.Context(), dry); err != nil || r.Changed || !r.DryRun {
			t.Errorf("the same file: %+v, %v", r, err)
		}
		save(60, "")
		_, err = n.Reload(t.Context(), dry)
		if p := refused(t, err, api.TypePoolNotReady); !strings.Contains(p.Detail, "would wait") || len(p.Targets) != 1 {
			t.Errorf("a file that would wait: %+v", p)
		}
		n.prober.set(false, "http://g1:80")
		r, err := n.Reload(t.Context(), dry)
		if err != nil || !r.Changed || len(r.Moved) != 1 || r.Moved[0].Weights["green"] != 40 || r.Moved[0].Previous["blue"] != 100 {
			t.Errorf("a file that moves traffic: %+v, %v", r, err)
		}
		save(60, "    nonsense: 1\n")
		_, err = n.Reload(t.Context(), dry)
		refused(t, err, api.TypeInvalid)
		n.want("blue=100")
		n.wantSaid("traffic.weights shop first start")
	})
}

// dump is everything a store has.
func dump(t *testing.T, st store.Store) map[string]string {
	t.Helper()
	entries, _, err := st.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		all[e.Key] = fmt.Sprint(e.Revision, string(e.Value))
	}
	return all
}
