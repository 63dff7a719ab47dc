package health_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/router"
)

func TestSyncKeepsCounts(t *testing.T) {
	faster := usual
	faster.Every = 4 * time.Second
	panics := usual
	panics.PanicBelow = 10
	tests := []struct {
		name string
		next config.Health
		want int // bad probes after the reload until it is down
	}{
		{"same check", usual, 1},
		{"only panic_below changed, which is no part of the check", panics, 1},
		{"another check counts again", faster, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				u := serve(t, n, "10.0.0.1:80", 200, 503)
				table := newTable(nil, usual, u.url)
				c := health.New(inMemory(n))
				run(t, c)
				c.Sync(table)
				time.Sleep(2 * usual.Every) // one good, two bad
				table = newTable(table, tt.next, u.url)
				c.Sync(table)
				synctest.Wait()
				if got := target(table, 0).Status(); got != router.Up {
					t.Fatalf("%v right after the reload, want up still", got)
				}
				before := len(u.asked())
				if err := c.Wait(t.Context(), func() bool { return target(table, 0).Status() == router.Down }); err != nil {
					t.Fatal(err)
				}
				if got := len(u.asked()) - before; got != tt.want {
					t.Errorf("down after %d bad probes, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestSyncOfManyTablesIsTheirUnion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a, b, d := serve(t, n, "10.0.0.1:80", 200), serve(t, n, "10.0.0.2:80", 200), serve(t, n, "10.0.0.3:80", 200)
		c := health.New(inMemory(n))
		run(t, c)
		old := newTable(nil, usual, a.url, b.url)
		next := newTable(old, usual, b.url, d.url)
		c.Sync(old)
		c.Sync(old, next, nil)
		time.Sleep(10 * usual.Every)
		for i, u := range []*upstream{a, b, d} {
			if got := len(u.asked()); got != 11 {
				t.Errorf("target %d: %d probes in ten intervals, want 11", i, got)
			}
		}
		c.Sync(next)
		time.Sleep(10 * usual.Every)
		if got := len(a.asked()); got != 11 {
			t.Errorf("%d probes of a target that left, want no more than the 11 before", got)
		}
		if got := len(b.asked()); got != 21 {
			t.Errorf("%d probes of a target that stayed, want 21", got)
		}
		c.Sync()
		time.Sleep(10 * usual.Every)
		if got := len(b.asked()); got != 21 {
			t.Errorf("%d probes after the last table left, want 21", got)
		}
	})
}

func TestStateSurvivesCompile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200, 503)
		compile := func(prev *router.Table, urls ...string) *router.Table {
			t.Helper()
			pool := config.Pool{Name: "green"}
			for _, u := range urls {
				pool.Targets = append(pool.Targets, config.Target{URL: u, Weight: 1})
			}
			table, err := router.Compile(&config.Config{Services: []config.Service{{
				Name: "shop", Paths: []string{"/"}, Pools: []config.Pool{pool}, Weights: config.All("green"), Health: usual,
			}}}, nil, nil, prev)
			if err != nil {
				t.Fatal(err)
			}
			return table
		}
		c := health.New(inMemory(n))
		run(t, c)
		table := compile(nil, u.url)
		c.Sync(table)
		time.Sleep(2 * usual.Every) // one good, two bad
		table = compile(table, "http://10.0.0.2:80", u.url)
		c.Sync(table)
		synctest.Wait()
		if got := target(table, 0).Status(); got != router.Down {
			t.Errorf("the new target is %v, want down after its first probe", got)
		}
		if got := target(table, 1).Status(); got != router.Up {
			t.Errorf("the old target is %v, want up as before", got)
		}
		time.Sleep(usual.Every)
		if got := target(table, 1).Status(); got != router.Down {
			t.Errorf("the old target is %v, want down after the third bad probe", got)
		}
	})
}

func TestLeavingTargetEndsWhileHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		n.Hang("10.0.0.1:80", true)
		h := usual
		h.Timeout = time.Hour
		table := newTable(nil, h, "http://10.0.0.1:80")
		c := health.New(inMemory(n))
		stop := run(t, c)
		c.Sync(table)
		synctest.Wait()
		start := time.Now()
		c.Sync()
		stop() // waits for the goroutine of the probe
		if d := time.Since(start); d != 0 {
			t.Errorf("the probe went on for %v", d)
		}
		if h := target(table, 0).Health(); h != (router.Health{}) {
			t.Errorf("a probe cut short by us left %+v", h)
		}
	})
}

func TestChangedCheckReplacesAHungProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		n.Hang("10.0.0.1:80", true)
		h := usual
		h.Timeout = time.Hour
		table := newTable(nil, h, "http://10.0.0.1:80")
		c := health.New(inMemory(n))
		run(t, c)
		c.Sync(table)
		synctest.Wait()
		table = newTable(table, usual, "http://10.0.0.1:80")
		c.Sync(table)
		time.Sleep(usual.Timeout)
		synctest.Wait()
		want := router.Health{Status: router.Down, Since: time.Now(), Error: "no answer within 1s"}
		if got := target(table, 0).Health(); got != want {
			t.Errorf("%+v, want %+v: nothing was known, so the new check asks at once", got, want)
		}
	})
}

func TestSyncBeforeAndAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200)
		c := health.New(inMemory(n))
		c.Sync(newTable(nil, usual, "http://10.0.0.9:80"))
		other := usual
		other.Path = "/"
		table := newTable(nil, other, u.url)
		c.Sync(newTable(table, usual, u.url))
		c.Sync(table)
		time.Sleep(time.Hour)
		if got := len(u.asked()); got != 0 {
			t.Errorf("%d probes before Run", got)
		}
		stop := run(t, c)
		synctest.Wait()
		if got := target(table, 0).Status(); got != router.Up || len(u.asked()) != 1 {
			t.Errorf("%v after %d probes once it runs, want up after 1", got, len(u.asked()))
		}
		if got := n.Dials("10.0.0.9:80"); got != 0 {
			t.Errorf("%d probes of a target that left before Run", got)
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("second Run: no error")
		}
		stop()
		c.Sync(newTable(nil, usual, u.url))
		time.Sleep(time.Hour)
		if got := len(u.asked()); got != 1 {
			t.Errorf("%d probes, want none after Run has ended", got)
		}
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 503, 200)
		table := newTable(nil, usual, u.url)
		c := health.New(inMemory(n))
		c.Sync(table)
		run(t, c)
		if err := c.Wait(t.Context(), func() bool { return true }); err != nil {
			t.Errorf("a condition that holds: %v", err)
		}
		up := func() bool { return target(table, 0).Status() == router.Up }
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.Wait(ctx, up); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a condition that does not hold: %v, want the context's error", err)
		}
		if err := c.Wait(t.Context(), up); err != nil {
			t.Error(err)
		}
		if probes := len(u.asked()); probes != 3 {
			t.Errorf("Wait returned after %d probes, want 3: one bad, two good", probes)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200, 503)
		fast := usual
		fast.Every, fast.Passes, fast.Fails = time.Millisecond, 1, 1
		table := newTable(nil, usual, u.url)
		other := newTable(table, fast, u.url)
		c := health.New(inMemory(n))
		stop := run(t, c)
		done := make(chan struct{})
		for i := range 4 {
			go func() {
				for range 200 {
					c.Sync([]*router.Table{table, other}[i%2])
					c.Wait(t.Context(), func() bool { return target(table, 0).Status() != router.Unknown })
				}
				done <- struct{}{}
			}()
		}
		for range 4 {
			<-done
		}
		stop()
		if got := target(table, 0).Status(); got == router.Unknown {
			t.Error("nothing was found")
		}
	})
}
