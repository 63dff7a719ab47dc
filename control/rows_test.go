package control

import (
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
	"github.com/switchback-proxy/switchback/store/memory"
)

// machine is a computer on which one process after the other runs.
type machine struct {
	t    testing.TB
	open func() store.Store
	with func(*Options) // nil: nothing more
	*node
}

// boot starts the process, with whatever file is there now, after ending the one before.
func (m *machine) boot(c *config.Config) {
	m.t.Helper()
	if m.node != nil {
		m.stop()
		m.checkSwaps()
	}
	o := Options{Config: c, Store: m.open()}
	if m.with != nil {
		m.with(&o)
	}
	m.node = startWith(m.t, o)
}

// onMachines plays a story on a store in memory and on one on disk, which is closed and opened anew at
// each start.
func onMachines(t *testing.T, story func(t *testing.T, m *machine)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			st := memory.New()
			story(t, &machine{t: t, open: func() store.Store { return st }})
		})
	})
	t.Run("bolt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			dir := t.TempDir()
			var last store.Store
			story(t, &machine{t: t, open: func() store.Store {
				if last != nil {
					if err := last.Close(); err != nil {
						t.Fatal(err)
					}
				} else {
					t.Cleanup(func() { _ = last.Close() })
				}
				st, report, err := bolt.Open(dir, bolt.Options{})
				if err != nil {
					t.Fatalf("%v %+v", err, report)
				}
				last = st
				return st
			}})
		})
	})
}

func TestRow1FirstStart(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(80))
		m.want("blue=80 green=20")
		s := m.service()
		if s.Weights.Intent != nil || s.Rollout != nil || s.Undo != "" || s.Roles.Baseline != "blue" || s.Revision == 0 {
			t.Errorf("got %+v", s)
		}
		before := s.Revision
		m.boot(blueGreen(80))
		m.want("blue=80 green=20")
		if got := m.service().Revision; got != before {
			t.Errorf("a restart that changed nothing moved the revision from %d to %d", before, got)
		}
	})
}

func TestRow2UnrelatedEdit(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		m.apply(withTimeout(blueGreen(100)))
		m.want("green=100")
		m.boot(withTimeout(blueGreen(100)))
		m.want("green=100")
		if s := m.service(); s.Weights.Intent == nil || s.Weights.Intent.By != "ci" || s.Weights.Intent.Reason != "release" || s.Roles.Live != "green" {
			t.Errorf("got %+v", s)
		}
	})
}

func TestRow3FileFollows(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		if r := m.apply(blueGreen(0)); len(r.Moved) != 0 || !r.Changed {
			t.Errorf("got %+v", r)
		}
		m.want("green=100")
		if s := m.service(); s.Weights.Intent != nil {
			t.Errorf("the intent is still there: %+v", s.Weights.Intent)
		}
		m.boot(blueGreen(0))
		m.want("green=100")
		m.rollback()
		m.want("blue=100")
		m.boot(blueGreen(0))
		m.want("blue=100")
	})
}

func TestRow4FileReplaces(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		r := m.apply(blueGreen(50))
		m.want("blue=50 green=50")
		if len(r.Moved) != 1 || r.Moved[0].Previous["green"] != 100 || r.Moved[0].Weights["blue"] != 50 || r.Moved[0].Undo != "switchback rollback shop" {
			t.Errorf("got %+v", r.Moved)
		}
		decided := m.logs.FilterMessage("traffic decided").All()
		sentence := decided[len(decided)-1].ContextMap()["sentence"]
		want := "the file's weights changed: blue 50 %, green 50 %; they replace green 100 % (" + "cutover by ci at "
		if got, ok := sentence.(string); !ok || len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("got %q, want %q…", sentence, want)
		}
		m.boot(blueGreen(50))
		m.want("blue=50 green=50")
	})
}

func TestRow7EditAndRevert(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.apply(blueGreen(90))
		m.want("blue=90 green=10")
		m.set(70)
		m.apply(blueGreen(100))
		m.want("blue=100")
		m.boot(blueGreen(100))
		m.want("blue=100")
	})
}

// Row 8, as far as a person is concerned: what was rolled back stays so.
func TestRow8RollbackStays(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.set(75)
		if c := m.rollback(); !c.Changed || c.Undo != "" || c.Previous["green"] != 25 {
			t.Errorf("got %+v", c)
		}
		m.apply(withTimeout(blueGreen(100)))
		m.want("blue=100")
		m.boot(withTimeout(blueGreen(100)))
		m.want("blue=100")
		if c := m.rollback(); c.Changed {
			t.Errorf("a repeated rollback after a restart changed something: %+v", c)
		}
	})
}

func TestRow10Lost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startWith(t, Options{Config: blueGreen(100), Store: memory.New(), Origin: "lost", Lost: true})
		n.want("blue=100")
		if got := n.Overview().Node.State.Origin; got != "lost" {
			t.Errorf("origin is %q", got)
		}
		warned := 0
		for _, e := range n.logs.FilterMessage("traffic decided").All() {
			if e.Level.String() == "warn" {
				warned++
			}
		}
		if warned != 1 {
			t.Errorf("%d warnings", warned)
		}
		_, err := n.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		refused(t, err, api.TypeNothingToRollBack)
	})
}

// A value that cannot be read is a lost state of that service only.
func TestRow10Unreadable(t *testing.T) {
	for _, value := range []string{"", "{", `{"format":2}`, "\x00\x01", `{"format":1,"basis":{"blue":3}}`} {
		bubble(t, func(t *testing.T) {
			st := memory.New()
			c := files(
				service("shop", config.All("blue"), "blue b1", "green g1"),
				service("web", config.All("blue"), "blue w1", "green w2"),
			)
			n := start(t, st, c)
			n.cutover("green")
			if _, err := n.Cutover(t.Context(), "web", api.CutoverRequest{To: "green"}, api.Call{}); err != nil {
				t.Fatal(err)
			}
			n.stop()
			if _, err := st.Put(t.Context(), "service/shop", []byte(value), store.Revision(n.service().Revision)); err != nil {
				t.Fatal(err)
			}
			again := start(t, st, c)
			again.want("blue=100")
			if got := again.weightsOf("web"); got != "green=100" {
				t.Errorf("web has %s", got)
			}
			if again.logged("state unreadable") != 1 {
				t.Errorf("logs: %v", again.logs.All())
			}
			again.stop()
			again.checkSwaps()
			third := start(t, st, c)
			third.want("blue=100")
			if third.logged("state unreadable") != 0 {
				t.Error("the state was not written anew")
			}
		})
	}
}

func TestRow11EditedWhileDown(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		m.boot(blueGreen(50))
		m.want("blue=50 green=50")
		m.cutover("green")
		m.boot(blueGreen(50))
		m.want("green=100")
	})
}

func TestRow12Pause(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.set(60)
		pause := func() api.Change {
			c, err := m.Pause(t.Context(), "shop", api.CommandRequest{Reason: "freeze"}, api.Call{By: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if !pause().Changed || pause().Changed {
			t.Error("the first pause changes something, the second nothing")
		}
		m.apply(blueGreen(50))
		m.want("blue=60 green=40")
		m.boot(blueGreen(50))
		m.want("blue=60 green=40")
		s := m.service()
		if s.Paused == nil || s.Paused.By != "ann" || s.Paused.Reason != "freeze" || s.Weights.Pending["green"] != 50 || s.Weights.File["blue"] != 100 {
			t.Errorf("got %+v", s)
		}
		m.rollback()
		m.want("blue=100")
		resume := func() api.Change {
			c, err := m.Resume(t.Context(), "shop", api.CommandRequest{}, api.Call{By: "ann"})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if c := resume(); !c.Changed || c.Weights["green"] != 50 {
			t.Errorf("got %+v", c)
		}
		m.want("blue=50 green=50")
		if resume().Changed {
			t.Error("a repeated resume changed something")
		}
		m.boot(blueGreen(50))
		m.want("blue=50 green=50")
	})
}

func TestRow13PoolInUse(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		at := m.service().Weights.Intent.At.Format(time.RFC3339)
		_, err := m.Apply(t.Context(), file(config.All("blue"), "blue b1 b2"))
		p := refused(t, err, api.TypeUnexpectedLivePool)
		if want := "service shop: green carries 100 % since " + at + " by ci; cut over first"; p.Detail != want {
			t.Errorf("got %q, want %q", p.Detail, want)
		}
		m.want("green=100")
		if got := m.Overview().Node.Config.Error; got != p.Detail {
			t.Errorf("readers are told %q", got)
		}
		if ok, _, _ := m.ConfigStatus(); ok {
			t.Error("the configuration is said to be good")
		}
		// Another look at the same file changes nothing and is not logged again.
		_, err = m.Apply(t.Context(), file(config.All("blue"), "blue b1 b2"))
		refused(t, err, api.TypeUnexpectedLivePool)
		if got := m.logged("configuration not in force"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		// Cut over first, as it says.
		m.cutover("blue")
		m.apply(file(config.All("blue"), "blue b1 b2"))
		m.want("blue=100")
		if got := m.Overview().Node.Config.Error; got != "" {
			t.Errorf("readers are told %q", got)
		}
	})
}

func TestRow13SameEditMovesAway(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		m.boot(blueGreen(100))
		m.cutover("green")
		m.apply(file(config.Weights{"green": 9000, "red": 1000}, "green@2.5.0 g1 g2", "red r1"))
		m.want("green=90 red=10")
		m.apply(file(config.All("red"), "red r1"))
		m.want("red=100")
		if got, want := m.service().Undo, "undo impossible: green is no longer in the file"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		m.boot(file(config.All("red"), "red r1"))
		m.want("red=100")
	})
}

// A service that left the file is remembered.
func TestServiceReturns(t *testing.T) {
	onMachines(t, func(t *testing.T, m *machine) {
		web := service("web", config.All("a"), "a w1")
		shop := blueGreen(100).Services[0]
		m.boot(files(shop, web))
		m.cutover("green")
		m.apply(files(web))
		if _, err := m.Service("shop"); err == nil {
			t.Error("shop is still there")
		}
		_, err := m.Rollback(t.Context(), "shop", api.CommandRequest{}, api.Call{})
		refused(t, err, api.TypeNotFound)
		m.boot(files(web))
		m.apply(files(shop, web))
		m.want("green=100")
		m.apply(files(web))
		m.apply(files(blueGreen(50).Services[0], web))
		m.want("blue=50 green=50")
	})
}
