package scrape

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

func TestGaugesOfAPool(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.job.Tried = n.pool("green", "2.5.0", "10.0.1.1:80", "10.0.1.2:80")
		n.process("10.0.0.1:80", "memory", 100.0)
		n.process("10.0.1.1:80", "memory", 200.0)
		two := n.process("10.0.1.2:80", "memory", 300.0)
		n.want(memory)
		first := one(t, n.after(0))
		first.expect(t, 250, 100, "")
		if !first.From.Equal(first.At) {
			t.Error("a gauge is not about a moment")
		}
		two.set("memory", 500)
		one(t, n.after(time.Second)).expect(t, 350, 100, "")
	})
}

func TestCounterByRequest(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.job.Baseline = n.pool("blue", "2.4.0", "10.0.0.1:80", "10.0.0.2:80")
		blue1, blue2 := n.process("10.0.0.1:80", "cpu", 100.0), n.process("10.0.0.2:80", "cpu", 7.0)
		green := n.process("10.0.1.1:80", "cpu", 1.0)
		n.want(cpu)
		if got := n.after(0); len(got) != 0 {
			t.Errorf("a counter seen once says %+v", got)
		}
		serveRequests(&n.job.Baseline, 100)
		serveRequests(&n.job.Tried, 20)
		blue1.works(0.4)
		blue2.works(0.1)
		green.works(0.2)
		r := one(t, n.after(time.Second))
		r.expect(t, 0.01, 0.005, "")
		if r.At.Sub(r.From) != time.Second {
			t.Errorf("the value is said to be about %v", r.At.Sub(r.From))
		}
	})
}

func TestCounterBySecond(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		blue, green := n.process("10.0.0.1:80", "cpu", 100.0), n.process("10.0.1.1:80", "cpu", 0.0)
		check := cpu
		check.Every, check.Scrape.Per = 2*time.Second, config.PerSecond
		n.want(check)
		blue.works(3)
		green.works(1)
		one(t, n.after(2*time.Second)).expect(t, 0.5, 1.5, "")
	})
}

// TestFewRequests waits for enough of them, and says so at last.
func TestFewRequests(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.process("10.0.0.1:80", "cpu", 100.0)
		green := n.process("10.0.1.1:80", "cpu", 0.0)
		n.want(cpu)
		for range 3 {
			serveRequests(&n.job.Baseline, 100)
			serveRequests(&n.job.Tried, 4)
			green.works(0.4)
			if got := n.after(time.Second); len(got) > 0 && got[0].At.Sub(got[0].From) != 3*time.Second {
				t.Fatalf("too few requests make %+v", got)
			} else if len(got) > 0 {
				got[0].expect(t, 0.1, 0, "")
			}
		}
		serveRequests(&n.job.Tried, 9)
		got := n.after(patientTimes * time.Second)
		one(t, got).expect(t, nan, nan, "0 requests on blue within 6s, at least 10 make a value")
	})
}

func TestACounterThatBeginsAnew(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.job.Tried = n.pool("green", "2.5.0", "10.0.1.1:80", "10.0.1.2:80")
		blue := n.process("10.0.0.1:80", "cpu", 100.0)
		green1, green2 := n.process("10.0.1.1:80", "cpu", 50.0, startTime, 1000.0), n.process("10.0.1.2:80", "cpu", 60.0)
		second := func() []Reading {
			serveRequests(&n.job.Baseline, 100)
			serveRequests(&n.job.Tried, 100)
			blue.works(1)
			green2.works(1)
			return n.after(time.Second)
		}
		n.want(cpu)
		green1.set("cpu", 0.5) // restarted
		one(t, second()).expect(t, 0.02, 0.01, "green: http://10.0.1.1:80: its counter began anew")
		green1.works(1)
		one(t, second()).expect(t, 0.02, 0.01, "")
		// Restarted again and larger already: only its own word tells.
		green1.set("cpu", 400)
		green1.set(startTime, 1005)
		one(t, second()).expect(t, 0.02, 0.01, "its counter began anew")
	})
}

// TestAllCountersBeginAnew: no value, and from then on values again.
func TestAllCountersBeginAnew(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.process("10.0.0.1:80", "cpu", 100.0)
		green := n.process("10.0.1.1:80", "cpu", 50.0)
		n.want(cpu)
		round := func() []Reading {
			serveRequests(&n.job.Baseline, 100)
			serveRequests(&n.job.Tried, 100)
			return n.after(time.Second)
		}
		green.set("cpu", 0)
		one(t, round()).expect(t, nan, nan, "its counter began anew")
		green.works(1)
		one(t, round()).expect(t, 0.01, 0, "")
	})
}

// TestATargetThatDisappears between two looks: the others of its pool speak for it, and it is named.
func TestATargetThatDisappears(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.job.Tried = n.pool("green", "2.5.0", "10.0.1.1:80", "10.0.1.2:80")
		n.process("10.0.0.1:80", "memory", 100.0, "cpu", 1.0)
		green := n.process("10.0.1.1:80", "memory", 100.0, "cpu", 1.0)
		stop := n.serve("10.0.1.2:80", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "memory 300\ncpu 5\n")
		})
		n.want(memory, cpu)
		one(t, n.after(0)).expect(t, 200, 100, "")
		stop()
		serveRequests(&n.job.Baseline, 100)
		serveRequests(&n.job.Tried, 100)
		green.works(1)
		got := n.after(time.Second)
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		got[0].expect(t, 100, 100, "green: call http://10.0.1.2:80/metrics: dial: connect: connection refused")
		got[1].expect(t, 0.02, 0, "connection refused")
	})
}

func TestAPoolThatDisappears(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.process("10.0.0.1:80", "memory", 100.0)
		n.want(memory)
		one(t, n.after(0)).expect(t, nan, 100, "green: call http://10.0.1.1:80/metrics: dial: connect: connection refused")
	})
}

// TestBadPages: every page that is none gives no value, names what is wrong, and keeps nobody waiting.
func TestBadPages(t *testing.T) {
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		drip := time.NewTicker(100 * time.Millisecond)
		defer drip.Stop()
		for {
			_, _ = io.WriteString(w, "x 1\n")
			select {
			case <-drip.C:
			case <-r.Context().Done():
				return
			}
		}
	}
	huge := func(w http.ResponseWriter, _ *http.Request) {
		line := strings.Repeat("memory{a=\"b\"} 1\n", 1<<12)
		for range 100 << 20 / len(line) {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
		}
	}
	for name, test := range map[string]struct {
		page http.HandlerFunc
		want string
	}{
		"100 MB":       {huge, "the answer is too large: more than 8388608 bytes"},
		"never ends":   {endless, "no complete answer within 5s"},
		"never begins": {silent, "no complete answer within 5s"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "memory 1\n")
		}, "the connection ended before the answer did"},
		"another metric":   {say("memory_total 1\n"), "http://10.0.1.1:80: there is no metric memory"},
		"empty":            {say(""), "there is no metric memory"},
		"not the format":   {say("memory is low\n"), "not the Prometheus text format"},
		"not a number":     {say("memory NaN\n"), "memory is NaN"},
		"infinite":         {say("memory +Inf\n"), "memory is +Inf"},
		"a counter":        {say("# TYPE memory counter\nmemory 3\n"), "memory is a counter, which only grows; write per: request or per: second"},
		"a histogram":      {say("# TYPE memory histogram\nmemory{le=\"1\"} 3\nmemory_sum 2\n"), "has more than one value; name its _sum or _count"},
		"escapes in names": {say("memory \x1b[31m\n"), "not the Prometheus text format"},
		"404":              {http.NotFound, "http://10.0.1.1:80/metrics answered 404"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, "answered 302"},
		"metadata in a page of HTML": {say("<html>memory 1</html>"), "there is no metric memory"},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, n *town) {
				n.process("10.0.0.1:80", "memory", 100.0)
				n.serve("10.0.1.1:80", test.page)
				n.want(memory)
				one(t, n.after(textTimeout + time.Millisecond)[:1]).expect(t, nan, 100, test.want)
			})
		})
	}
}

func TestGoodPages(t *testing.T) {
	for name, page := range map[string]string{
		"untyped":             "memory 42\n",
		"without a last line": "memory 42",
		"carriage returns":    "# TYPE memory gauge\r\nmemory 42\r\n",
		"with a timestamp":    "memory 42 1712345678000\n",
		"series add up":       "memory{area=\"heap\"} 40\nmemory{area=\"a \\\" } b\\n\"} 2\n",
		"between nonsense":    "this is nonsense\nmemory{ 1\xff\nmemory 42\n"[17+11:],
		"others are broken":   "other{ nonsense\nmemory 42\n{\"memory\"} 1\n",
	} {
		got, err := parse([]byte(page), []string{"memory"})
		x, wrong := got.value("memory", false)
		if err != nil || wrong != nil || x != 42 {
			t.Errorf("%s: %v, %v, %v", name, x, err, wrong)
		}
	}
}

func TestOnePageServesAllItsChecks(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		var mu sync.Mutex // guards asked
		asked := map[string]int{}
		serve := func(addr string) {
			n.serve(addr, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked[fmt.Sprint(addr, r.URL)]++
				mu.Unlock()
				_, _ = io.WriteString(w, "memory 1\nheap 2\n")
			})
		}
		for _, addr := range []string{"10.0.0.1:80", "10.0.1.1:80", "10.0.0.1:99", "10.0.1.1:99"} {
			serve(addr)
		}
		heap, other := memory, memory
		heap.Name, heap.Scrape.Metric = "heap", "heap"
		other.Name, other.Scrape.Path, other.Scrape.Port = "other", "/actuator?x=1", 99
		n.want(memory, heap, other)
		got := n.after(0)
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 3 || len(asked) != 4 || asked["10.0.1.1:80/metrics"] != 1 || asked["10.0.1.1:99/actuator?x=1"] != 1 {
			t.Errorf("%d readings, asked %v", len(got), asked)
		}
	})
}

func TestJobsComeAndGo(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.process("10.0.0.1:80", "memory", 1.0)
		n.process("10.0.1.1:80", "memory", 2.0)
		n.want(memory)
		old := n.job
		n.after(0)
		time.Sleep(time.Hour)
		if got := n.Take(n.job); len(got) != keepReadings {
			t.Errorf("%d readings are kept that nobody took, want %d", len(got), keepReadings)
		}
		n.job.Epoch++ // the next step
		n.Want([]Job{n.job})
		one(t, n.after(0)).expect(t, 2, 1, "")
		if got := n.Take(old); len(got) != 0 {
			t.Errorf("the old job still gives %+v", got)
		}
		n.Want(nil)
		dials := n.network.Dials("10.0.1.1:80")
		if got := n.after(time.Minute); len(got) != 0 {
			t.Errorf("a job nobody wants gives %+v", got)
		}
		if n.network.Dials("10.0.1.1:80") != dials {
			t.Error("a job nobody wants goes on asking")
		}
	})
}

// TestAHungTargetStopsNobody: another job is served while a target drops every packet.
func TestAHungTargetStopsNobody(t *testing.T) {
	inTown(t, func(t *testing.T, n *town) {
		n.process("10.0.0.1:80", "memory", 1.0)
		n.network.Hang("10.0.1.1:80", true)
		other := Job{Service: "other", Baseline: n.pool("a", "", "10.0.0.1:80"), Tried: n.pool("b", "", "10.0.0.1:80"), Checks: []config.Check{memory}}
		n.job.Checks = []config.Check{memory}
		n.Want([]Job{n.job, other})
		time.Sleep(3500 * time.Millisecond)
		if got := n.Take(other); len(got) != 4 {
			t.Errorf("%d readings of the other job in 3.5 s, want 4", len(got))
		}
		if got := n.Take(n.job); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		one(t, n.after(2*time.Second)).expect(t, nan, 1, "no complete answer within 5s")
	})
}

func TestTheSameStateIsTheSameTarget(t *testing.T) {
	state := new(router.State)
	a := Job{Baseline: Pool{Targets: []*router.Target{{State: state, URL: "http://a"}}}}
	b := Job{Baseline: Pool{Targets: []*router.Target{{State: state, URL: "http://a"}}}}
	c := Job{Baseline: Pool{Targets: []*router.Target{{State: new(router.State), URL: "http://a"}}}}
	if a.key() != b.key() || a.key() == c.key() {
		t.Error("jobs are told apart by what does not matter, or not by what does")
	}
}
