package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/store/memory"
)

// flagFile is a file with flags, whose YAML this is, and one service.
func flagFile(t testing.TB, yaml string) *config.Config {
	t.Helper()
	c, err := config.Parse("switchback.yaml", []byte("services: {shop: {pools: {blue: [http://b1:80]}, sticky: {key: [{header: X-User}]}}}\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const quarter = "flags: {checkout: {strategy: percentage, value: 25, users: [alice]}}"

var ci = api.Call{By: "ci", From: "127.0.0.1"}

func short(json string) api.FlagRequest {
	return api.FlagRequest{Definition: []byte(json), Merge: true, Reason: "test"}
}

func (n *node) setFlag(name, json string) api.FlagChange {
	n.t.Helper()
	c, err := n.SetFlag(n.t.Context(), name, short(json), ci)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// says demands what the proxy evaluates by and what readers are told.
func (n *node) says(name, want string) {
	n.t.Helper()
	got := "gone"
	if f := n.swapper.last().Flags.Flag(name); f != nil {
		shown := *f.Config
		shown.Value = f.Value
		got = flags.Say(&shown)
		if f.Killed {
			got = "killed"
		}
	}
	told := "gone"
	if f, err := n.Flag(name); err == nil {
		told = f.Says
		if f.Killed != nil {
			told = "killed"
		}
	}
	if got != want || told != want {
		n.t.Fatalf("the proxy has %q, readers are told %q, want %q", got, told, want)
	}
}

func TestFlagLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, flagFile(t, quarter))
		n.says("checkout", "25 % of the users, 1 by name")
		c := n.setFlag("checkout", `{"strategy":"percentage","value":50}`)
		if !c.Changed || c.Created || c.Layer != "runtime" || c.Set.By != "ci" || c.Set.Reason != "test" || !c.Durable {
			t.Errorf("set answered %+v", c)
		}
		n.says("checkout", "50 % of the users, 1 by name") // the users stay
		if again := n.setFlag("checkout", `{"strategy":"percentage","value":50}`); again.Changed || again.Tag != c.Tag {
			t.Errorf("the same again answered %+v", again)
		}
		if made := n.setFlag("banner", `{"strategy":"users","users":["bob"]}`); !made.Created {
			t.Errorf("a new flag answered %+v", made)
		}
		n.says("banner", "listed users, 1 by name")

		kill := api.FlagRequest{Reason: "500s"}
		if _, err := n.KillFlag(t.Context(), "checkout", kill, ci); err != nil {
			t.Fatal(err)
		}
		n.says("checkout", "killed")
		n.setFlag("checkout", `{"strategy":"all"}`)
		n.says("checkout", "killed") // who stopped it decides when it runs again

		n.stop()
		again := start(t, st, flagFile(t, quarter))
		again.says("checkout", "killed")
		again.says("banner", "listed users, 1 by name")
		if _, err := again.RestoreFlag(t.Context(), "checkout", api.FlagRequest{}, ci); err != nil {
			t.Fatal(err)
		}
		again.says("checkout", "everybody, 1 by name")
		if c, err := again.DropFlag(t.Context(), "checkout", api.FlagRequest{}, ci); err != nil || !c.Changed || c.Layer != "file" {
			t.Fatalf("drop: %+v, %v", c, err)
		}
		again.says("checkout", "25 % of the users, 1 by name")
		if c, err := again.DropFlag(t.Context(), "banner", api.FlagRequest{}, ci); err != nil || !c.Changed {
			t.Fatalf("drop: %+v, %v", c, err)
		}
		again.says("banner", "gone")
		h, err := again.FlagHistory("checkout")
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		for _, d := range h.Decisions {
			types = append(types, d.Type)
		}
		if got := strings.Join(types, " "); got != "flag.set flag.killed flag.set flag.restored flag.dropped" {
			t.Errorf("history: %s", got)
		}
		again.eventsAre("flag.set flag.killed flag.set flag.restored flag.dropped", "checkout")
		if h, err := again.FlagHistory("banner"); err != nil || len(h.Decisions) != 2 {
			t.Errorf("history of a flag that is gone: %+v, %v", h, err)
		}
	})
}

// eventsAre demands the types of the events about a flag.
func (n *node) eventsAre(want, flag string) {
	n.t.Helper()
	events, err := n.Events(n.t.Context(), "", "")
	if err != nil {
		n.t.Fatal(err)
	}
	var types []string
	for _, e := range events {
		if e.Flag == flag {
			types = append(types, e.Type)
		}
	}
	if got := strings.Join(types, " "); got != want {
		n.t.Errorf("events about %s: %s, want %s", flag, got, want)
	}
}

// TestFileAndFlags has the rows of the rule about the file: it speaks about a flag when its own definition of
// that flag changes.
func TestFileAndFlags(t *testing.T) {
	const (
		other  = "flags: {checkout: {strategy: percentage, value: 25, users: [alice]}, new: {strategy: all}}"
		half   = "flags: {checkout: {strategy: percentage, value: 50, users: [alice]}}"
		none   = "flags: {new: {strategy: all}}"
		banner = quarter + "\n" + "log: {level: debug}"
	)
	tests := []struct {
		name, next, want string
		do               func(n *node)
	}{
		{"unrelated edit", banner, "75 % of the users, 1 by name", nil},
		{"another flag", other, "75 % of the users, 1 by name", nil},
		{"its own edit", half, "50 % of the users, 1 by name", nil},
		{"it is gone", none, "gone", nil},
		{"a kill stays", half, "killed", func(n *node) { _, _ = n.KillFlag(n.t.Context(), "checkout", api.FlagRequest{}, ci) }},
		{"a kill stays where nothing was set", half, "killed", func(n *node) {
			_, _ = n.DropFlag(n.t.Context(), "checkout", api.FlagRequest{}, ci)
			_, _ = n.KillFlag(n.t.Context(), "checkout", api.FlagRequest{}, ci)
		}},
	}
	for _, tt := range tests {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %t", tt.name, down), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					st := memory.New()
					n := start(t, st, flagFile(t, quarter))
					n.setFlag("checkout", `{"strategy":"percentage","value":75}`)
					if tt.do != nil {
						tt.do(n)
					}
					if down {
						n.stop()
						n = start(t, st, flagFile(t, tt.next))
					} else {
						n.apply(flagFile(t, tt.next))
					}
					n.says("checkout", tt.want)
					n.apply(flagFile(t, tt.next+"\nshutdown: {delay: 1s}"))
					n.says("checkout", tt.want)
				})
			})
		}
	}
}

// A definition that waited in the store counts again when a file that had won is taken back, and an edit
// taken back is an edit.
func TestFileTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), flagFile(t, quarter))
		n.setFlag("checkout", `{"strategy":"all"}`)
		n.apply(flagFile(t, "flags: {checkout: {strategy: none}}"))
		n.says("checkout", "nobody")
		n.apply(flagFile(t, quarter))
		n.says("checkout", "25 % of the users, 1 by name")
		n.eventsAre("flag.set flag.file", "checkout")
	})
}

func TestFlagsWithoutStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, flagFile(t, quarter))
		n.swapper.loosen()
		st.Fail(errors.New("no space left"))
		_, err := n.SetFlag(t.Context(), "checkout", short(`{"strategy":"all"}`), ci)
		refused(t, err, api.TypeStoreUnavailable)
		n.says("checkout", "25 % of the users, 1 by name")
		c, err := n.KillFlag(t.Context(), "checkout", api.FlagRequest{}, ci)
		if err != nil || c.Durable || !c.Changed {
			t.Fatalf("kill: %+v, %v", c, err)
		}
		n.says("checkout", "killed")
		_, err = n.RestoreFlag(t.Context(), "checkout", api.FlagRequest{}, ci)
		refused(t, err, api.TypeStoreUnavailable)
		st.Fail(nil)
		rest(2 * time.Second)
		if f, err := n.Flag("checkout"); err != nil || !f.Durable {
			t.Errorf("the store is back: %+v, %v", f, err)
		}
		n.stop()
		start(t, st, flagFile(t, quarter)).says("checkout", "killed")
	})
}

func TestFlagTags(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), flagFile(t, quarter))
		f, err := n.Flag("checkout")
		if err != nil {
			t.Fatal(err)
		}
		q := short(`{"strategy":"percentage","value":30}`)
		q.IfMatch = f.Tag
		if _, err := n.SetFlag(t.Context(), "checkout", q, ci); err != nil {
			t.Fatal(err)
		}
		q.Definition = []byte(`{"strategy":"all"}`) // the other of two writers who looked at the same time
		_, err = n.SetFlag(t.Context(), "checkout", q, ci)
		refused(t, err, api.TypeStaleRevision)
		n.says("checkout", "30 % of the users, 1 by name")
		n.apply(flagFile(t, "flags: {checkout: {strategy: none}}"))
		q.IfMatch = mustTag(t, n)
		n.apply(flagFile(t, "flags: {checkout: {strategy: all}}"))
		_, err = n.SetFlag(t.Context(), "checkout", q, ci)
		refused(t, err, api.TypeStaleRevision) // the file changed it meanwhile

		q = short(`{"strategy":"all"}`)
		q.New = true
		_, err = n.SetFlag(t.Context(), "checkout", q, ci)
		refused(t, err, api.TypeStaleRevision)
		q.New, q.IfMatch = false, "*"
		_, err = n.SetFlag(t.Context(), "unknown", q, ci)
		refused(t, err, api.TypeNotFound)
	})
}

func mustTag(t testing.TB, n *node) string {
	t.Helper()
	f, err := n.Flag("checkout")
	if err != nil {
		t.Fatal(err)
	}
	return f.Tag
}

func TestFlagsRefused(t *testing.T) {
	many := `{"strategy":"users","users":["u0"` + strings.Repeat(`,"u"`, config.MaxFlagUsers) + `]}`
	tests := []struct {
		name, flag, definition string
		problem, detail        string
	}{
		{"percentage above", "checkout", `{"strategy":"percentage","value":101}`, api.TypeInvalid, "value: is 101; a percentage is a number from 0 to 100"},
		{"percentage below", "checkout", `{"strategy":"percentage","value":-1}`, api.TypeInvalid, "value: is -1"},
		{"percentage of text", "checkout", `{"strategy":"percentage","value":"5"}`, api.TypeInvalid, "value: \"5\" is not a number; remove the quotes"},
		{"value without percentage", "checkout", `{"strategy":"all","value":5}`, api.TypeInvalid, "value: goes with strategy percentage only"},
		{"unknown strategy", "checkout", `{"strategy":"al"}`, api.TypeInvalid, "strategy: \"al\" is not known here; did you mean \"all\"?"},
		{"users twice", "checkout", `{"strategy":"users","users":["a","a"]}`, api.TypeInvalid, "\"a\" is given twice"},
		{"too many users", "checkout", many, api.TypeInvalid, "users: lists 10001 users; at most 10000"},
		{"nobody", "new", `{"strategy":"users"}`, api.TypeInvalid, "strategy users names nobody"},
		{"weights of zero", "new", `{"strategy":"all","variants":{"a":1,"b":2,"c":3},"off_variant":"a","weights":{"b":0,"c":0}}`, api.TypeInvalid, "weights: sum is 0"},
		{"types", "new", `{"strategy":"all","variants":{"a":1,"b":"x"},"off_variant":"a"}`, api.TypeInvalid, "is text, but the variants before are a number"},
		{"missing flag", "new", `{"strategy":"all","targeting":[{"when":{"flag":"chekout"}}]}`, api.TypeInvalid, "targeting asks flag \"chekout\", which is not there"},
		{"itself", "new", `{"strategy":"all","targeting":[{"when":{"flag":"new"}}]}`, api.TypeInvalid, "targeting depends on itself: new → new"},
		{"circle", "checkout", `{"strategy":"all","targeting":[{"when":{"flag":"asks"}}]}`, api.TypeInvalid, "targeting depends on itself: checkout → asks → checkout"},
		{"name", "a b", `{"strategy":"all"}`, api.TypeInvalid, "\"a b\" is not a name"},
		{"rollout", "new", `{"strategy":"percentage","value":0,"rollout":{}}`, api.TypeInvalid, "unknown key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := start(t, memory.New(), flagFile(t, quarter))
				n.setFlag("asks", `{"strategy":"users","users":["a"],"targeting":[{"when":{"flag":"checkout"}}]}`)
				before := n.swapper.count()
				_, err := n.SetFlag(t.Context(), tt.flag, short(tt.definition), ci)
				if p := refused(t, err, tt.problem); !strings.Contains(p.Detail, tt.detail) {
					t.Errorf("detail %q, want %q in it", p.Detail, tt.detail)
				}
				n.says("checkout", "25 % of the users, 1 by name")
				n.says("new", "gone")
				if n.swapper.count() != before {
					t.Error("a refused command changed something")
				}
			})
		})
	}
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), flagFile(t, quarter))
		for verb, do := range map[string]func() (api.FlagChange, error){
			"drop":    func() (api.FlagChange, error) { return n.DropFlag(t.Context(), "no", api.FlagRequest{}, ci) },
			"kill":    func() (api.FlagChange, error) { return n.KillFlag(t.Context(), "no", api.FlagRequest{}, ci) },
			"restore": func() (api.FlagChange, error) { return n.RestoreFlag(t.Context(), "no", api.FlagRequest{}, ci) },
		} {
			_, err := do()
			if p := refused(t, err, api.TypeNotFound); p.Detail != `there is no flag "no"` {
				t.Errorf("%s: %s", verb, p.Detail)
			}
		}
		n.setFlag("base", `{"strategy":"all"}`)
		n.setFlag("asks", `{"strategy":"users","targeting":[{"when":{"flag":"base"}}]}`)
		_, err := n.DropFlag(t.Context(), "base", api.FlagRequest{}, ci)
		if p := refused(t, err, api.TypeInvalid); p.Detail != "flag asks asks base; change that first" {
			t.Error(p.Detail)
		}
	})
}

// Two nodes with one store have the same flags.
func TestFlagsFollowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := memory.New()
		a, b := start(t, st, flagFile(t, quarter)), start(t, st, flagFile(t, quarter))
		a.setFlag("checkout", `{"strategy":"all"}`)
		synctest.Wait()
		b.says("checkout", "everybody, 1 by name")
		if _, err := b.KillFlag(t.Context(), "checkout", api.FlagRequest{}, ci); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.says("checkout", "killed")
		e, err := st.Get(t.Context(), "flag/checkout")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Delete(t.Context(), "flag/checkout", e.Revision); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.says("checkout", "25 % of the users, 1 by name")
		b.says("checkout", "25 % of the users, 1 by name")
	})
}

// What cannot be read counts for nothing, and the next decision is written over it.
func TestFlagUnreadable(t *testing.T) {
	for _, value := range []string{"garbage", `{"format":2}`, `{"format":1,"seq":1,"override":{"name":"checkout","definition":{"strategy":"percentage","value":101}}}`} {
		bubble(t, func(t *testing.T) {
			st := memory.New()
			if _, err := st.Put(t.Context(), "flag/checkout", []byte(value), 0); err != nil {
				t.Fatal(err)
			}
			n := start(t, st, flagFile(t, quarter))
			n.says("checkout", "25 % of the users, 1 by name")
			if n.logged("flag unreadable: as the file says") != 1 {
				t.Error("not said")
			}
			n.setFlag("checkout", `{"strategy":"none"}`)
			n.says("checkout", "nobody")
			n.stop()
			start(t, st, flagFile(t, quarter)).says("checkout", "nobody")
		})
	}
}

// Flags that are gone are remembered as long as there is room.
func TestFlagsMakeRoom(t *testing.T) {
	const old, live = 100, config.MaxFlags - 100
	bubble(t, func(t *testing.T) {
		st := memory.New()
		n := start(t, st, flagFile(t, quarter))
		come := func(i int) {
			name := fmt.Sprintf("pr-%d", i)
			n.setFlag(name, `{"strategy":"all"}`)
			if _, err := n.DropFlag(t.Context(), name, api.FlagRequest{}, ci); err != nil {
				t.Fatal(err)
			}
		}
		come(0)
		n.setFlag("kept-0", `{"strategy":"all"}`)
		n.stop()
		// The others came as these two did, long ago: making each of them here takes the race detector most of a minute.
		for name, most := range map[string]int{"pr": old, "kept": live} {
			first, err := st.Get(t.Context(), "flag/"+name+"-0")
			for i := 1; i < most && err == nil; i++ {
				_, err = st.Put(t.Context(), fmt.Sprintf("flag/%s-%d", name, i), first.Value, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		n = start(t, st, flagFile(t, quarter))
		for i := range 5 {
			come(old + i)
		}
		if entries, _, err := st.List(t.Context(), "flag/"); err != nil || len(entries) != config.MaxFlags {
			t.Errorf("%d flags are remembered, %v", len(entries), err)
		}
		if _, err := n.FlagHistory("pr-0"); err == nil {
			t.Error("the oldest is still remembered")
		}
		for i := live; i < config.MaxFlags-1; i++ {
			n.setFlag(fmt.Sprintf("kept-%d", i), `{"strategy":"all"}`)
		}
		_, err := n.SetFlag(t.Context(), "more", short(`{"strategy":"all"}`), ci)
		refused(t, err, api.TypeInvalid)
	})
}
