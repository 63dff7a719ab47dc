//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
	"github.com/switchback-proxy/switchback/bench/proc"
)

func TestSeries(t *testing.T) {
	odd, even := series{3, 1, 2}, series{4, 1, 3, 2}
	if odd.median() != 2 || even.median() != 2.5 || (series{}).median() != 0 {
		t.Errorf("medians %v, %v, %v", odd.median(), even.median(), series{}.median())
	}
	// Round by round the ratio is 2 throughout; that of the medians would be too, that of sums of other rounds not.
	if got := (series{2, 20, 200}).over(series{1, 10, 100}).String(); got != "2.00 (2.00–2.00)" {
		t.Errorf("ratio %s", got)
	}
	for v, want := range map[float64]string{0: "0.00", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 12345.6: "12346", -12.34: "-12.3"} {
		if got := short(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for share, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 0.999: 100, 1: 100} {
		if got := quantile(hundred, share); got != want {
			t.Errorf("share %v is %d, want %d", share, got, want)
		}
	}
	if got := quantile([]time.Duration{7}, 0.5); got != 7 {
		t.Errorf("of one it is %d", got)
	}
	if got := quantile[time.Duration](nil, 0.5); got != 0 {
		t.Errorf("of none it is %d", got)
	}
}

// easyFigures are easy to follow: nginx takes half of switchback's time, HAProxy a quarter more, switchback's general
// path three times as much, ReverseProxy six times, and relay a quarter.
func easyFigures() *figures {
	peers := append([]peer.Peer{peer.Nginx("nginx"), peer.HAProxy("haproxy")}, paths("bench", "switchback")...)
	cost := []time.Duration{10, 25, 120, 60, 20} // ns of each proxy per request, in microseconds below
	f := &figures{
		options:  options{plan: wholePlan, peers: peers, relay: peer.Relay("bench"), rounds: 2, each: time.Second},
		versions: []string{"n 1", "h 2", "r 3", "s 4", "s 4", "r 5"}, loads: [2]string{"0.10", "0.20"},
	}
	row := func(w workload, cost []time.Duration) [][]sample {
		all := make([][]sample, len(cost))
		for i := range all {
			if !w.of(f.names(direct)[i]) {
				continue
			}
			for round := range time.Duration(2) {
				machine := 1 + round // the second round is twice as slow for all
				o := outcome{
					Answered: 100, P50: (100 + cost[i]) * machine * time.Microsecond, P99: (1000 + cost[i]) * time.Microsecond,
					Took: 200 * cost[i] * machine * time.Microsecond,
				}
				all[i] = append(all[i], sample{outcome: o, CPU: 100 * cost[i] * machine * time.Microsecond})
			}
		}
		return all
	}
	for _, w := range f.workloads {
		f.cpu = append(f.cpu, row(w, append(slices.Clip(cost), 5)))
	}
	f.users = append(f.users, row(asked, []time.Duration{20, 21}))
	for _, w := range f.latency {
		f.times = append(f.times, row(w, append(slices.Clip(cost), 0)))
	}
	for _, kb := range []int64{1, 2, 64, 32, 4} {
		f.memory = append(f.memory, []memory{{
			before: proc.Usage{RSS: 10 << 20, PSS: 5 << 20}, after: proc.Usage{RSS: 10<<20 + 500*kb<<10, PSS: 5<<20 + 500*kb<<9}, connections: 500,
		}})
	}
	return f
}

func TestSection(t *testing.T) {
	f := easyFigures()
	f.cpu[0][1][1].outcome = outcome{Answered: 98, Failed: 2, First: "status 502"}
	f.cpu[1][5][0].outcome = outcome{Answered: 99, Failed: 1, First: "status 503"}
	f.users[0][1][0].outcome = outcome{Answered: 99, Failed: 1, First: "status 504"}
	f.times[0][5][0].Failed, f.times[0][5][0].First = 1, "status 505"
	text := f.section()
	for _, want := range []string{
		"; 2 through HAProxy failed (status 502); 1 through no proxy failed (status 505); 1 through relay failed (status 503); " +
			"1 through switchback, sticky failed (status 504).",
		"| nginx | n 1 |\n| HAProxy | h 2 |\n| ReverseProxy | r 3 |\n| switchback, general | s 4 |\n| switchback | s 4 |\n| relay | r 5 |\n",
		"| switchback | relay | of the better | relay's of the better |\n",
		"| GET 100 B | 64 | as answered | 15.0 (10.0–20.0) ×0.50 | 37.5 (25.0–50.0) ×1.25 | 180 (120–240) ×6.00 | 90.0 (60.0–120) ×3.00 | " +
			"30.0 (20.0–40.0) | 7.50 (5.00–10.0) ×0.25 | 2.00 | 0.50 |\n",
		"| GET 1 KB | 64 | as answered | 15.0", "| GET 1 KB | 64 | 3000 | 15.0", "| GET 1 MB | 16 | 150 | 15.0",
		"| relay | 75000 (50000–100000) ×4.00 | 50.0 (50.0–50.0) | 150000 (100000–200000) ×4.00 |\n",
		"| nginx | 37500 (25000–50000) ×2.00 | 50.0 (50.0–50.0) | 75000 (50000–100000) ×2.00 |\n",
		"| random | 30.0 (20.0–40.0) |  |\n| sticky | 31.5 (21.0–42.0) | 1.05 |\n",
		"| nginx | 500 | 165 (110–220) ×0.92 |", "| 15.0 ×0.50 | 10.0 ×0.50 | 15.0 (10.0–20.0) ×0.50 |\n",
		"| no proxy | 5000 | 150 (100–200) |", "| no proxy | 10000 | 150 (100–200) |", "| switchback | 10000 |",
		"while 500 clients connected", "| HAProxy | 10.0 | 2.00 (2.00–2.00) | 1.00 (1.00–1.00) | 0.50 |\n",
		"| processor time, GET 1 KB, 64 clients, busy | the better | 2.00 | ≤ 0.85 |\n", "| processor time, GET 1 KB, 512 clients, busy | the better | 2.00 | ≤ 0.75 |\n",
		"| processor time, GET 4 KB in chunks, 64 clients, busy | the better | 2.00 | ≤ 0.90 |\n", "| processor time, POST 4 KB, 64 clients, busy | the better | 2.00 | ≤ 0.85 |\n",
		"| processor time, GET 1 MB, 16 clients, busy | the better | 2.00 | ≤ 0.80 |\n", "| processor time, 2000 a second, default threads | nginx | 2.00 | ≤ 0.90 |\n",
		"| p99 added, 2000 a second | nginx | 2.00 | ≤ 0.90 |\n", "| p99 added, 10000 a second | the better | 2.00 | ≤ 0.70 |\n",
		"| requests a second of a core, GET 1 KB, 64 clients | the better | 0.50 | ≥ 1.10 |\n", "| processor time, sticky users | a random split | 1.05 | ≤ 1.05 |\n",
		"| KB RSS of an idle connection |  | 4.00 | ≤ 0.60 |\n", "| general path, GET 1 KB, 64 clients, busy | ReverseProxy | 0.50 | ≤ 0.70 |\n",
		"| general path, GET 10 KB, 64 clients, busy | ReverseProxy | 0.50 |  |\n", "| general path, GET 1 KB, 64 clients, 3000 a second | ReverseProxy | 0.50 |  |\n",
		"<code>GOMAXPROCS=1 switchback serve -c switchback.yaml</code>", "```yaml\nlisteners:", ", fast: false}",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the section lacks %q", want)
		}
	}
	for _, none := range []string{
		"| ReverseProxy | 10000 |", "%!", "×0.00", "| processor time, GET 100 B", "clients, 3000 a second | the better",
		"| relay | 500 |", "| relay | 10.0 |", "| relay | 0.00 |", // only its processor time is measured
	} {
		if strings.Contains(text, none) {
			t.Errorf("the section has %q", none)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// What noise has made negative has no ratio.
func TestNoRatio(t *testing.T) {
	f := easyFigures()
	for i := range f.times {
		for j := range f.times[i][0] {
			f.times[i][0][j].P99 = 0
		}
	}
	text := f.section()
	if !strings.Contains(text, "| p99 added, 2000 a second | nginx | – | ≤ 0.90 |") || !strings.Contains(text, "| p50 added, 2000 a second | nginx | 2.00 |") {
		t.Errorf("the section is\n%s", text)
	}
}

// What was not measured has neither figure nor ratio.
func TestNotMeasured(t *testing.T) {
	f := easyFigures()
	f.cpu[0][5] = nil
	if text := f.section(); !strings.Contains(text, "| GET 1 KB | 64 | as answered | 15.0 (10.0–20.0) ×0.50 | 37.5 (25.0–50.0) ×1.25 | 180 (120–240) ×6.00 | "+
		"90.0 (60.0–120) ×3.00 | 30.0 (20.0–40.0) |  | 2.00 |") {
		t.Errorf("the section is\n%s", text)
	}
}

func TestAligned(t *testing.T) {
	got := table{{"program", "µs"}, nil, {"a", "12.0 (1–2)"}}.aligned()
	if want := "program          µs\na        12.0 (1–2)\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
