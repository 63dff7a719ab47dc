package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store/memory"
)

// applied is an Apply under way.
type applied struct {
	api.Reload
	err  error
	done bool
}

func (n *node) applying(ctx context.Context, c *config.Config) *applied {
	a := &applied{}
	go func() {
		a.Reload, a.err = n.Apply(ctx, c)
		a.done = true
	}()
	synctest.Wait()
	return a
}

func TestReloadWaitsForATarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		a := n.applying(t.Context(), blueGreen(50))
		if a.done {
			t.Fatalf("did not wait: %+v", a)
		}
		n.want("blue=100")
		node := n.Overview().Node
		if want := "green of shop would get 50 % and has 0 of 2 targets up"; node.Config.Waiting != want || node.Config.Error != "" {
			t.Errorf("got %+v, want %q", node.Config, want)
		}
		n.prober.set(false, "http://g2:80")
		synctest.Wait()
		if !a.done || a.err != nil || !a.Changed {
			t.Fatalf("got %+v", a)
		}
		n.want("blue=50 green=50")
		if got := n.Overview().Node.Config; got.Waiting != "" || got.Digest != blueGreen(50).Digest {
			t.Errorf("got %+v", got)
		}
		if got := len(n.prober.synced()); got != 1 {
			t.Errorf("%d tables are probed", got)
		}
		n.checkSwaps()
	})
}

// New targets of a pool with traffic are awaited too: the old ones serve until one is up.
func TestReloadWaitsForExchangedTargets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://n1:80", "http://n2:80")
		c := file(config.All("blue"), "blue@2.4.1 n1 n2", "green@2.5.0 g1 g2")
		a := n.applying(t.Context(), c)
		if a.done {
			t.Fatalf("did not wait: %+v", a)
		}
		if got := n.swapper.last().Service("shop").Pool("blue").Targets[0].URL; got != "http://b1:80" {
			t.Errorf("%s serves", got)
		}
		tables := n.prober.synced()
		if len(tables) != 2 || tables[1] != n.swapper.last() {
			t.Error("the table in force is not the last word on probes")
		}
		n.prober.set(false, "http://n1:80")
		synctest.Wait()
		if !a.done || a.err != nil {
			t.Fatalf("got %+v", a)
		}
		blue := n.swapper.last().Service("shop").Pool("blue")
		if blue.Targets[0].Status() != router.Up || blue.Targets[1].Status() != router.Down {
			t.Error("what the wait found out is forgotten")
		}
	})
}

func TestReloadDoesNotWait(t *testing.T) {
	allDown := []string{"http://b1:80", "http://b2:80", "http://g1:80", "http://g2:80", "http://n1:80"}
	tests := []struct {
		name string
		to   *config.Config
	}{
		{"an unrelated edit with the pool down", withTimeout(blueGreen(100))},
		{"targets exchanged of a pool that was down", file(config.All("blue"), "blue n1", "green g1 g2")},
		{"a new service", files(blueGreen(100).Services[0], service("web", config.All("a"), "a n1"))},
		{"a new pool without weight", file(config.All("blue"), "blue@2.4.0 b1 b2", "green@2.5.0 g1 g2", "red n1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := start(t, memory.New(), blueGreen(100), allDown...)
				if a := n.applying(t.Context(), tt.to); !a.done || a.err != nil {
					t.Errorf("got %+v", a)
				}
			})
		})
	}
}

func TestReloadGoesOnWaitingWithoutItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := n.Apply(ctx, blueGreen(50))
		p := refused(t, err, api.TypePoolNotReady)
		if len(p.Targets) != 2 || p.Targets[0].Status != "down" || p.Targets[0].Error == "" || !strings.Contains(p.Detail, "goes on waiting") {
			t.Errorf("got %+v", p)
		}
		n.want("blue=100")
		n.prober.set(false, "http://g1:80")
		synctest.Wait()
		n.want("blue=50 green=50")
	})
}

func TestNewerFileReplacesAWaitingOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		first := n.applying(t.Context(), blueGreen(50))
		second := n.applying(t.Context(), blueGreen(20))
		if !first.done || second.done {
			t.Fatalf("first %+v, second %+v", first, second)
		}
		refused(t, first.err, api.TypePoolNotReady)
		// Asked again for the same file, both callers hear of it.
		third := n.applying(t.Context(), blueGreen(20))
		n.prober.set(false, "http://g1:80")
		synctest.Wait()
		if !second.done || second.err != nil || !third.done || third.err != nil {
			t.Fatalf("second %+v, third %+v", second, third)
		}
		n.want("blue=20 green=80")
	})
}

// Back to the file in force: nothing waits any more.
func TestFormerFileReplacesAWaitingOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		waits := n.applying(t.Context(), blueGreen(50))
		if r := n.apply(blueGreen(100)); r.Changed {
			t.Errorf("got %+v", r)
		}
		synctest.Wait()
		if !waits.done || waits.err == nil {
			t.Errorf("got %+v", waits)
		}
		n.prober.set(false, "http://g1:80")
		synctest.Wait()
		n.want("blue=100")
		if len(n.prober.synced()) != 1 {
			t.Error("the file that left is still probed")
		}
	})
}

func TestInvalidFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		swaps := n.swapper.count()
		n.Invalid(t.Context(), "d1", errors.New("line 3: no"))
		n.Invalid(t.Context(), "", errors.New("line 3: no"))
		n.Invalid(t.Context(), "d1", errors.New("line 3: no"))
		if got := n.logged("configuration not in force"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		if got := n.Overview().Node.Config.Error; got != "line 3: no" {
			t.Errorf("readers are told %q", got)
		}
		ok, at, digest := n.ConfigStatus()
		if ok || at.IsZero() || digest != blueGreen(100).Digest {
			t.Errorf("got %v %v %v", ok, at, digest)
		}
		if n.swapper.count() != swaps {
			t.Error("an invalid file was swapped in")
		}
		n.apply(blueGreen(100)) // mended
		if ok, _, _ := n.ConfigStatus(); !ok || n.Overview().Node.Config.Error != "" {
			t.Error("still said to be bad")
		}
		// No file says any more what waits.
		waits := n.applying(t.Context(), blueGreen(50))
		n.Invalid(t.Context(), "d2", errors.New("line 4: no"))
		synctest.Wait()
		if !waits.done {
			t.Fatal("still waits")
		}
		refused(t, waits.err, api.TypePoolNotReady)
		n.prober.set(false, "http://g1:80", "http://g2:80")
		synctest.Wait()
		n.want("blue=100")
	})
}

// Commands work while a file waits, against the configuration in force.
func TestCommandsWhileAFileWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := file(config.All("blue"), "blue b1", "green g1", "red r1")
		n := start(t, memory.New(), c, "http://r1:80", "http://n1:80")
		next := file(config.Weights{"blue": 9000, "red": 1000}, "blue b1", "green g1", "red r1 n1")
		waits := n.applying(t.Context(), next)
		n.cutover("green")
		n.want("green=100")
		if len(n.prober.synced()) != 2 {
			t.Error("the file that waits is not probed any more")
		}
		n.prober.set(false, "http://n1:80")
		synctest.Wait()
		if !waits.done || waits.err != nil {
			t.Fatalf("got %+v", waits)
		}
		n.want("blue=90 red=10") // the file's weights changed: it wins
		n.rollback()
		n.want("green=100")
		n.checkSwaps()
	})
}

// A command can bring about what a file waits for, or make it impossible.
func TestCommandDecidesAWaitingFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://n1:80")
		// green's targets are exchanged; it has no traffic, blue's are too: that is waited for.
		waits := n.applying(t.Context(), file(config.All("blue"), "blue n1", "verde g1 g2"))
		if waits.done {
			t.Fatal("did not wait")
		}
		n.cutover("green")
		synctest.Wait()
		if !waits.done {
			t.Fatal("still waits for what it must not do")
		}
		p := refused(t, waits.err, api.TypeUnexpectedLivePool)
		if !strings.Contains(p.Detail, "green carries 100 %") {
			t.Errorf("got %q", p.Detail)
		}
		n.want("green=100")
	})
}

func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		next, problem := blueGreen(50), error(nil)
		n := startWith(t, Options{
			Config: blueGreen(100), Store: memory.New(),
			Reread: func(context.Context) (*config.Config, error) { return next, problem },
		})
		r, err := n.Reload(t.Context(), api.Call{By: "ci"})
		if err != nil || !r.Changed || r.Digest != next.Digest || len(r.Moved) != 1 {
			t.Errorf("got %+v, %v", r, err)
		}
		n.want("blue=50 green=50")
		if r, err = n.Reload(t.Context(), api.Call{By: "ci"}); err != nil || r.Changed || r.Moved == nil {
			t.Errorf("got %+v, %v", r, err)
		}
		problem = errors.New("switchback.yaml:1:1: no")
		_, err = n.Reload(t.Context(), api.Call{By: "ci"})
		if p := refused(t, err, api.TypeInvalid); p.Detail != problem.Error() {
			t.Errorf("got %q", p.Detail)
		}
		if got := n.Overview().Node.Config.Error; got != problem.Error() {
			t.Errorf("readers are told %q", got)
		}
	})
}

// Offer returns although the file waits.
func TestOffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100), "http://g1:80", "http://g2:80")
		if err := n.Offer(t.Context(), blueGreen(50)); err != nil {
			t.Fatal(err)
		}
		n.want("blue=100")
		n.prober.set(false, "http://g2:80")
		synctest.Wait()
		n.want("blue=50 green=50")
		if err := n.Offer(t.Context(), blueGreen(0)); err != nil {
			t.Fatal(err)
		}
		n.want("green=100")
	})
}

// Health is carried over: a target that keeps its pool and address keeps what is known of it.
func TestReloadKeepsHealth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := start(t, memory.New(), blueGreen(100))
		was := n.swapper.last().Service("shop").Pool("blue").Targets[1].State
		n.apply(file(config.All("blue"), "blue@9 b2 b3", "green g1"))
		if is := n.swapper.last().Service("shop").Pool("blue").Targets[0].State; is != was {
			t.Error("b2 starts anew")
		}
	})
}
