package health_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestRiseAndFall(t *testing.T) {
	tests := []struct {
		name          string
		passes, fails int
		answers, want string // one letter a probe: g good, b bad; U up, D down
	}{
		{"first good decides alone", 5, 5, "g", "U"},
		{"first bad decides alone", 5, 5, "b", "D"},
		{"falls after three in a row", 2, 3, "gbbbb", "UUUDD"},
		{"a good one starts the count again", 2, 3, "gbbgbbbb", "UUUUUUDD"},
		{"rises after two in a row", 2, 3, "bggg", "DDUU"},
		{"a bad one starts the count again", 2, 3, "bgbgg", "DDDDU"},
		{"rises and falls and rises", 2, 2, "gbbggbb", "UUDDUUD"},
		{"one is enough", 1, 1, "gbgb", "UDUD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				var answers []int
				for _, a := range tt.answers {
					answers = append(answers, map[rune]int{'g': 204, 'b': 503}[a])
				}
				u := serve(t, n, "10.0.0.1:80", answers...)
				h := usual
				h.Passes, h.Fails = tt.passes, tt.fails
				table := newTable(nil, h, u.url)
				c := health.New(inMemory(n))
				run(t, c)
				c.Sync(table)
				var got strings.Builder
				for range tt.answers {
					synctest.Wait()
					got.WriteString(map[router.Status]string{router.Up: "U", router.Down: "D"}[target(table, 0).Status()])
					time.Sleep(h.Every)
				}
				if got.String() != tt.want {
					t.Errorf("answers %s: status %s, want %s", tt.answers, got.String(), tt.want)
				}
			})
		})
	}
}

func TestHealthSaysSinceAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200, 503, 200, 503, 503, 503, 200)
		table := newTable(nil, usual, u.url)
		c := health.New(inMemory(n))
		if h := target(table, 0).Health(); h != (router.Health{}) {
			t.Errorf("before the first probe: %+v", h)
		}
		run(t, c)
		c.Sync(table)
		const bad = "GET /healthz: 503, expected 200–299"
		up := time.Now()
		var down time.Time
		for i, want := range []router.Health{
			{Status: router.Up},
			{Status: router.Up, Error: bad},
			{Status: router.Up},
			{Status: router.Up, Error: bad},
			{Status: router.Up, Error: bad},
			{Status: router.Down, Error: bad},
			{Status: router.Down},
		} {
			synctest.Wait()
			got := target(table, 0).Health()
			if got.Status == router.Down && down.IsZero() {
				down = u.asked()[i]
			}
			want.Since = up
			if got.Status == router.Down {
				want.Since = down
			}
			if got != want {
				t.Errorf("probe %d: %+v, want %+v", i+1, got, want)
			}
			time.Sleep(usual.Every)
		}
	})
}

func TestRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200)
		u.delay = 700 * time.Millisecond
		c := health.New(inMemory(n))
		run(t, c)
		start := time.Now()
		c.Sync(newTable(nil, usual, u.url))
		time.Sleep(time.Hour)
		times := u.asked()
		if !times[0].Equal(start) {
			t.Errorf("first probe after %v, want at once", times[0].Sub(start))
		}
		if gap := times[1].Sub(start); gap <= 0 || gap > usual.Every {
			t.Errorf("second probe after %v, want within %v", gap, usual.Every)
		}
		for i := 2; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap != usual.Every {
				t.Fatalf("probe %d came %v after the one before, want %v", i+1, gap, usual.Every)
			}
		}
		if want := int(time.Hour/usual.Every) + 1; len(times) != want {
			t.Errorf("%d probes in an hour, want %d", len(times), want)
		}
	})
}

func TestSlowProbesDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200)
		u.delay = 12 * time.Second // more than two intervals
		h := usual
		h.Timeout = time.Minute
		c := health.New(inMemory(n))
		run(t, c)
		c.Sync(newTable(nil, h, u.url))
		time.Sleep(time.Hour)
		times := u.asked()
		for i := 2; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap != 15*time.Second {
				t.Fatalf("probe %d came %v after the one before, want the next beat after its end", i+1, gap)
			}
		}
		if len(times) < 200 {
			t.Errorf("%d probes in an hour", len(times))
		}
	})
}

func TestManyTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets = 500
		n := memnet.New()
		var urls []string
		var ups []*upstream
		for i := range targets {
			addr := fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
			urls = append(urls, "http://"+addr)
			if i%10 == 0 {
				n.Hang(addr, true)
				continue
			}
			ups = append(ups, serve(t, n, addr, 200))
		}
		table := newTable(nil, usual, urls...)
		c := health.New(inMemory(n))
		stop := run(t, c)
		start := time.Now()
		c.Sync(table)
		synctest.Wait()
		if got := table.Pools[0].Count(router.Up); got != len(ups) {
			t.Errorf("%d up at once, want %d whatever the hung ones do", got, len(ups))
		}
		time.Sleep(usual.Every)
		synctest.Wait()
		if got := table.Pools[0].Count(router.Down); got != targets-len(ups) {
			t.Errorf("%d down, want %d", got, targets-len(ups))
		}
		var tenths [10]int
		for _, u := range ups {
			times := u.asked()
			if len(times) != 2 {
				t.Fatalf("%s: %d probes in the first interval, want 2", u.url, len(times))
			}
			tenths[(times[1].Sub(start)-1)*10/usual.Every]++
		}
		if least := slices.Min(tenths[:]); least < len(ups)/20 {
			t.Errorf("probes by tenths of the interval: %v, want them spread", tenths)
		}
		stop()
	})
}

func TestChangesAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		u := serve(t, n, "10.0.0.1:80", 200)
		core, logs := observer.New(zap.DebugLevel)
		var told []string
		o := inMemory(n)
		o.Log = zap.New(core)
		o.OnChange = func(c health.Change) {
			told = append(told, strings.Join([]string{c.Service, c.Pool, c.Target, c.Health.Status.String(), c.Health.Error}, " "))
		}
		c := health.New(o)
		stop := run(t, c)
		c.Sync(newTable(nil, usual, u.url))
		time.Sleep(time.Hour)
		u.answer(500)
		time.Sleep(time.Hour)
		u.answer(200)
		time.Sleep(time.Hour)
		stop()
		want := []string{
			"shop green http://10.0.0.1:80 up ",
			"shop green http://10.0.0.1:80 down GET /healthz: 500, expected 200–299",
			"shop green http://10.0.0.1:80 up ",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		var logged []string
		for _, e := range logs.All() {
			f := e.ContextMap()
			reason, _ := f["err"].(string)
			logged = append(logged, fmt.Sprintf("%v %v %v %v %v", f["service"], f["pool"], f["target"], f["status"], reason))
			if e.Level != zap.InfoLevel {
				t.Errorf("%q at %v, want info", e.Message, e.Level)
			}
		}
		if !slices.Equal(logged, want) {
			t.Errorf("logged %q, want %q", logged, want)
		}
	})
}

func TestQuestion(t *testing.T) {
	tests := []struct{ host, addr, want string }{
		{"preserve", "10.0.0.1:80", "10.0.0.1"},
		{"target", "green.test:8080", "green.test:8080"},
		{"shop.example.com", "10.0.0.1:80", "shop.example.com"},
		{"", "[2001:db8::1]:80", "[2001:db8::1]"},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.addr, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				u := serve(t, n, tt.addr, 200)
				h := usual
				h.Path = "/health%2Fz?deep=1"
				table := newTable(nil, h, u.url)
				table.Services[0].Config.Host = tt.host
				c := health.New(inMemory(n))
				run(t, c)
				c.Sync(table)
				synctest.Wait()
				r := u.last
				if r == nil {
					t.Fatal("not asked")
				}
				if r.Method != "GET" || r.RequestURI != "/health%2Fz?deep=1" || r.Host != tt.want {
					t.Errorf("asked %s %s of host %q, want host %q", r.Method, r.RequestURI, r.Host, tt.want)
				}
				if got := r.UserAgent(); got != "switchback-health/1.2.3" {
					t.Errorf("User-Agent %q", got)
				}
				if !r.Close || len(r.Header) != 2 { // User-Agent and Connection
					t.Errorf("header %v, want nothing else and the connection to be closed", r.Header)
				}
			})
		})
	}
}
